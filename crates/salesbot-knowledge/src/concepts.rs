//! Words that mean the same: `nlu/concepts.yaml`. A text with any member of a concept has the concept, so a synonym
//! nobody wrote in an example or a section works like one somebody did.

use std::collections::HashMap;

use salesbot_yaml::{Diagnostics, SourceFile, entries, parse, strings};

/// Index of a concept in the order of the file.
pub type ConceptId = u16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Word(String),
    Begins(String),
}

impl Part {
    fn new(source: &str) -> Self {
        match source.strip_suffix('*') {
            Some(begin) => Self::Begins(begin.to_owned()),
            None => Self::Word(source.to_owned()),
        }
    }

    fn fits(&self, word: &str) -> bool {
        match self {
            Self::Word(whole) => whole == word,
            Self::Begins(begin) => word.starts_with(begin.as_str()),
        }
    }
}

/// What must follow the first word, and the concept then.
pub(crate) type Entry = (Vec<Part>, ConceptId);

#[derive(Clone, Debug, Default)]
pub struct Concepts {
    words: HashMap<String, Vec<Entry>>,
    begins: HashMap<String, Vec<Entry>>,
    /// The longest beginning, in letters.
    longest: usize,
    /// By their number.
    names: Vec<String>,
}

impl Concepts {
    /// Members are `word`, `begin*`, or a phrase of these. Errors: E18 for a member without letters.
    pub fn load(file: &SourceFile, diagnostics: &mut Diagnostics) -> Self {
        let mut concepts = Self::default();
        let Some(root) = parse(file, diagnostics) else { return concepts };
        for (at, (name, node)) in entries(&root, file, diagnostics).into_iter().enumerate() {
            let id = ConceptId::try_from(at).unwrap_or(ConceptId::MAX);
            concepts.names.push(name.text().unwrap_or_default().to_owned());
            for member in strings(node, file, diagnostics) {
                let member = fold(&member.to_lowercase().replace('ё', "е"));
                let mut parts = member.split_whitespace().map(Part::new);
                let list = match parts.next() {
                    Some(Part::Word(word)) if !word.is_empty() => concepts.words.entry(word),
                    Some(Part::Begins(begin)) if !begin.is_empty() => {
                        concepts.longest = concepts.longest.max(begin.chars().count());
                        concepts.begins.entry(begin)
                    }
                    _ => {
                        let why = format!("`{member}` is no word, beginning* or phrase of these");
                        diagnostics.error(file, node.place, "E18", why);
                        continue;
                    }
                };
                list.or_default().push((parts.collect(), id));
            }
        }
        concepts
    }

    /// Number of concepts.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn id(&self, name: &str) -> Option<ConceptId> {
        let at = self.names.iter().position(|own| own == name)?;
        ConceptId::try_from(at).ok()
    }

    /// Concepts of the words, in their order; each word's own in the order of the file.
    pub fn find(&self, words: &[&str]) -> Vec<ConceptId> {
        let folded: Vec<String> = words.iter().map(|word| fold(word)).collect();
        let starts: Vec<Vec<&Entry>> = folded.iter().map(|word| self.starts(word)).collect();
        let words: Vec<(&str, &[&Entry])> =
            folded.iter().zip(&starts).map(|(word, starts)| (word.as_str(), starts.as_slice())).collect();
        Self::follow(&words)
    }

    /// What may begin at a word, which is folded.
    pub(crate) fn starts(&self, word: &str) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = self.words.get(word).into_iter().flatten().collect();
        for (length, (end, _)) in word.char_indices().skip(1).enumerate() {
            if length < self.longest {
                found.extend(self.begins.get(&word[..end]).into_iter().flatten());
            }
        }
        found.extend(self.begins.get(word).into_iter().flatten());
        found
    }

    /// Concepts of folded words, each with what may begin at it.
    pub(crate) fn follow(words: &[(&str, &[&Entry])]) -> Vec<ConceptId> {
        let mut found = Vec::new();
        for (at, (_, starts)) in words.iter().enumerate() {
            for (rest, id) in *starts {
                let fits = |(step, part): (usize, &Part)| {
                    words.get(at + 1 + step).is_some_and(|(next, _)| part.fits(next))
                };
                if rest.iter().enumerate().all(fits) {
                    found.push(*id);
                }
            }
        }
        found
    }
}

/// Kazakh letters as people type them without a Kazakh layout.
pub fn fold(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            'ә' => 'а',
            'ғ' => 'г',
            'қ' => 'к',
            'ң' => 'н',
            'ө' => 'о',
            'ұ' | 'ү' => 'у',
            'һ' => 'х',
            'і' => 'и',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_beginnings_and_phrases_name_their_concept() {
        let text = "money: [деньг*, бабки, ақша]\ngift_card: [подарочн* карт*, сертификат*]\ncard: [карт*]\n";
        let file = SourceFile { name: "concepts.yaml".to_owned(), text: text.to_owned().into() };
        let mut diagnostics = Diagnostics::default();
        let concepts = Concepts::load(&file, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{diagnostics}");
        assert_eq!(concepts.find(&["деньгами", "акша", "бабкина"]), [0, 0]);
        assert_eq!(concepts.find(&["подарочную", "карту"]), [1, 2]);
        assert_eq!(concepts.find(&["подарочную", "кассу"]), [] as [ConceptId; 0]);
    }
}
