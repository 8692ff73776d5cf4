//! What a question asks for: its words as terms of the index, with repairs of those nobody knows.

use crate::index::{Index, TermId, Terms};
use crate::spell::Speller;
use crate::typing::{map_layout, map_layout_back, translit};
use crate::words::{forms, normalise, stem, words};

/// A word read as another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub from: String,
    pub to: String,
    /// `layout`, `translit` or `edit`.
    pub kind: &'static str,
}

/// One word of a question.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// As it is looked up.
    pub text: String,
    /// Terms it may mean, with what each counts for; the best of them counts in a section.
    pub terms: Vec<(TermId, f32)>,
    /// A word that stands in every question.
    pub stop: bool,
    pub idf: f32,
}

impl Word {
    /// No section has it, nor anything like it.
    pub(crate) fn is_unknown(&self) -> bool {
        self.terms.is_empty() && !self.stop
    }

    /// It is read as another word.
    pub(crate) fn is_repaired(&self) -> bool {
        !self.terms.is_empty() && self.terms.iter().all(|(_, share)| *share < 1.0)
    }
}

/// A question as it is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub words: Vec<Word>,
    /// All words in order, as they are read.
    pub read: Vec<String>,
    pub corrections: Vec<Correction>,
    /// Names that no section holds, as they are written.
    pub unknown_names: Vec<String>,
    /// What its words count for.
    pub part: f32,
}

impl Default for Asked {
    fn default() -> Self {
        let (words, read, corrections, unknown_names) = Default::default();
        Self { words, read, corrections, unknown_names, part: 1.0 }
    }
}

/// What the reading of a question rests on.
pub(crate) struct Known<'a> {
    pub terms: &'a Terms<Box<str>>,
    pub index: &'a Index,
    pub speller: &'a Speller,
    pub stop: &'a dyn Fn(&str) -> bool,
    /// A word of the language, whatever the sections speak of: no slip of the finger.
    pub a_word: &'a dyn Fn(&str) -> bool,
    /// A name, though it is written in small letters.
    pub a_name: &'a dyn Fn(&str) -> bool,
    /// Reads over slips of the finger.
    pub typo: bool,
}

impl Known<'_> {
    fn knows(&self, word: &str) -> bool {
        let stem = stem(word);
        self.terms.get(&*stem).is_some() || (self.stop)(&stem)
    }

    /// The text as typed, on the other layout, or spelled in Latin letters: whichever has most known words.
    fn reading(&self, text: &str) -> (Vec<String>, Option<&'static str>) {
        let typed = words(text);
        let latin = typed.iter().all(|word| word.is_ascii()) && !text.contains('@');
        let lettered = |word: &&String| word.chars().any(char::is_alphabetic);
        let known = |list: &[String]| list.iter().filter(lettered).filter(|word| self.knows(word)).count();
        if !latin || known(&typed) == typed.iter().filter(lettered).count() {
            return (typed, None);
        }
        let normal = normalise(text);
        let mapped: Vec<String> = normal.split_whitespace().flat_map(|chunk| self.mapped(chunk)).collect();
        let spelled: Vec<String> = typed.iter().map(|word| translit(word)).collect();
        let (as_typed, as_mapped, as_spelled) = (known(&typed), known(&mapped), known(&spelled));
        if as_mapped > as_typed.max(as_spelled) {
            (mapped, Some("layout"))
        } else if as_spelled > as_typed {
            (spelled, Some("translit"))
        } else {
            (typed, None)
        }
    }

    /// The words of a chunk without spaces on the other layout. Brackets and commas are letters there, but a comma
    /// behind a word may be a comma all the same.
    fn mapped(&self, chunk: &str) -> Vec<String> {
        let whole = words(&map_layout(chunk));
        let bare = chunk.trim_end_matches(|c: char| c.is_ascii_punctuation());
        let known = |list: &[String]| list.iter().all(|word| self.knows(word));
        if bare.len() < chunk.len() && !known(&whole) {
            let shorter = words(&map_layout(bare));
            if known(&shorter) {
                return shorter;
            }
        }
        whole
    }

    /// Reads a question.
    pub(crate) fn read(&self, text: &str) -> Asked {
        let mut asked = Asked::default();
        let (list, whole) = if self.typo { self.reading(text) } else { (words(text), None) };
        if let Some(kind) = whole {
            asked.corrections.push(Correction { from: text.to_owned(), to: list.join(" "), kind });
        }
        let names = self.names(text);
        for word in list {
            if asked.words.iter().any(|known| known.text == word) {
                asked.read.push(word);
                continue;
            }
            let mended = asked.corrections.len();
            let read = self.word(&word, &mut asked.corrections);
            asked.read.push(asked.corrections.get(mended).map_or(&word, |mended| &mended.to).clone());
            if read.terms.is_empty()
                && !read.stop
                && let Some((_, written)) = names.iter().find(|(name, _)| *name == word)
                && !asked.unknown_names.contains(written)
            {
                asked.unknown_names.push(written.clone());
            }
            asked.words.push(read);
        }
        asked
    }

    fn word(&self, word: &str, corrections: &mut Vec<Correction>) -> Word {
        let own = stem(word);
        let stop = (self.stop)(&own);
        let mut terms: Vec<(TermId, f32)> = self.terms.get(&*own).map(|id| (id, 1.0)).into_iter().collect();
        if terms.is_empty() && !stop {
            // A code nobody knows may be known by its halves: `xp420b`.
            terms = forms(word)
                .iter()
                .skip(1)
                .filter_map(|half| self.terms.get(&**half))
                .map(|id| (id, 0.5))
                .collect();
        }
        if terms.is_empty() && !stop && self.typo && !(self.a_word)(&own) {
            terms = self.repair(word, corrections);
        }
        let idf = terms.iter().map(|(id, _)| self.index.idf(*id)).fold(0.0, f32::max);
        let idf = if terms.is_empty() { self.index.highest_idf() } else { idf };
        Word { text: word.to_owned(), terms, stop, idf }
    }

    fn repair(&self, word: &str, corrections: &mut Vec<Correction>) -> Vec<(TermId, f32)> {
        let term = |text: &str| self.terms.get(&*stem(text));
        let spelled = [
            (map_layout(word), "layout", word.is_ascii()),
            (translit(word), "translit", word.is_ascii()),
            (map_layout_back(word), "layout", !word.is_ascii()),
        ];
        for (to, kind, fits) in &spelled {
            if *fits
                && to != word
                && let Some(id) = term(to)
            {
                corrections.push(Correction { from: word.to_owned(), to: to.clone(), kind });
                return vec![(id, 1.0)];
            }
        }
        // Slips are looked for in the word as typed and, if it is Latin, as it is spelled.
        for text in [word.to_owned(), translit(word)] {
            let near = self.speller.near(&stem(&text));
            if let Some((best, _)) = near.first() {
                corrections.push(Correction {
                    from: word.to_owned(),
                    to: self.speller.word(*best).to_owned(),
                    kind: "edit",
                });
                return near;
            }
            if !word.is_ascii() {
                break;
            }
        }
        Vec::new()
    }

    /// Words that look like names (in Latin letters, with a digit, with a capital letter behind the first word, or
    /// listed as one), each with how it is written.
    fn names(&self, text: &str) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for (at, chunk) in text.split_whitespace().enumerate() {
            let mut letters = chunk.chars().filter(|c| c.is_alphanumeric());
            let capital =
                letters.next().is_some_and(char::is_uppercase) && at > 0 && letters.any(char::is_lowercase);
            let mixed = chunk.chars().any(|c| c.is_ascii_digit()) && chunk.chars().any(char::is_alphabetic);
            let latin = chunk.chars().filter(|c| c.is_alphabetic()).all(|c| c.is_ascii())
                && chunk.chars().filter(char::is_ascii_alphabetic).count() > 1;
            for word in words(chunk) {
                if capital || mixed || latin || (self.a_name)(&stem(&word)) {
                    let written = chunk.trim_matches(|c: char| !c.is_alphanumeric());
                    names.push((word, written.to_owned()));
                }
            }
        }
        names
    }
}
