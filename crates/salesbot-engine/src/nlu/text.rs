//! The views of a message: as typed, plain, flat words with repairs, clauses, stems. The raw text is never
//! lost: contacts and names are read from it.

mod numbers;
mod repair;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use salesbot_dialogue::understanding::Language;
use salesbot_models::linear::{hash, hash_parts};

use numbers::{dictated, digits};
use repair::{repair, wrong_layout};
use salesbot_knowledge::typing::map_layout;

/// A message prepared for reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub raw: String,
    /// The same with a phone said in words written in digits; contacts are read from it.
    pub dictated: Option<String>,
    /// Lower case, ё as е, one kind of dash and quote.
    pub plain: String,
    /// Repaired words, single spaces, numbers in digits.
    pub flat: String,
    pub clauses: Vec<Clause>,
    pub repairs: Vec<(String, String, &'static str)>,
    /// "10-15", "от пяти до семи": the flat text keeps the lower bound; both stand here.
    pub ranges: Vec<(f64, f64)>,
    pub language: Language,
    /// Asks something: a question mark, or a question word where one asks.
    pub asks: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// As the client typed it.
    pub raw: String,
    pub flat: String,
    /// The same by comma; one part where there is none.
    pub parts: Vec<String>,
    pub asks: bool,
}

/// Words the repairs rest on; loaded from `nlu/lexicon.yaml`, the examples and the knowledge base.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    pub slang: BTreeMap<String, String>,
    pub numbers: BTreeMap<String, f64>,
    pub scales: BTreeMap<String, f64>,
    pub latin: HashSet<String>,
    pub kazakh: HashSet<String>,
    /// Words and phrases of up to [`PHRASE`] words.
    pub question_words: HashSet<String>,
    pub weak_question_words: HashSet<String>,
    /// After "не" and one of these a question word tells what the client does not know.
    pub knowing_verbs: Vec<String>,
    pub infinitive_endings: Vec<String>,
    /// "или": words that weigh one thing against another.
    pub alternatives: HashSet<String>,
    /// Words of politeness at the head of a message, and those that go on to the matter.
    pub leads: HashSet<String>,
    pub after_leads: Vec<String>,
    pub openers: Vec<String>,
    pub joining_words: Vec<String>,
    pub question_verbs: Vec<String>,
    pub joined_questions: Vec<String>,
    /// A second question of a few words ends in one of these.
    pub closing_words: HashSet<String>,
    /// Beginnings of ordinal words with the number they mean.
    pub ordinals: BTreeMap<String, f64>,
    words: HashMap<String, u32>,
    /// Stems of the known words: another form of a known word needs no repair.
    stems: HashSet<String>,
    /// The words in the order they were learnt; those up to `indexed` are in `gaps`.
    learnt: Vec<String>,
    indexed: usize,
    /// Hash of every known word, whole and with one letter left out, sorted, with its place in `learnt`.
    gaps: Vec<(u32, u32)>,
}

/// Only so much of a message is read word by word; contacts are sought in all of it.
const READ_CHARS: usize = 4_000;
/// The longest phrase that asks has so many words.
const PHRASE: usize = 4;
/// Clauses told apart; what follows them in an endless message is the last one.
const CLAUSES: usize = 16;
/// Words of a second question that is named by its last one.
const CLOSING: usize = 4;
/// A question begins within so many characters behind a comma.
const HEAD_CHARS: usize = 120;
/// Words shorter than this are never spell-checked: too many have neighbours. Longer ones are no words.
const SPELLED: std::ops::RangeInclusive<usize> = 5..=32;
/// A word met less often may itself be a slip of the one who typed it: nothing is repaired to it.
const TRUSTED_FROM: u32 = 3;

impl Lexicon {
    /// Adds known words with their frequency.
    pub fn learn<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        for text in texts {
            for word in words(&plain(text)) {
                if word.chars().all(|c| !c.is_ascii() && is_letter(c)) {
                    if let Some(count) = self.words.get_mut(word) {
                        *count += 1;
                    } else {
                        self.words.insert(word.to_owned(), 1);
                        self.stems.insert(stem(word));
                        self.learnt.push(word.to_owned());
                    }
                }
            }
        }
    }

    /// Words met more than once: a slip seldom comes twice.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter(|(_, count)| **count > 1).map(|(word, _)| word.as_str())
    }

    /// Builds the index of near words from what was learnt since the last time.
    pub fn finish(&mut self) {
        for (at, word) in self.learnt.iter().enumerate().skip(self.indexed) {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let letters = word.chars().count();
            if SPELLED.contains(&letters) {
                self.gaps.extend(gaps(word).map(|gap| (gap, at)));
            }
            if SPELLED.contains(&(letters + 1)) {
                self.gaps.push((hash(word), at));
            }
        }
        self.gaps.sort_unstable();
        self.indexed = self.learnt.len();
    }

    /// A question word stands somewhere in it, or "или" weighs two things.
    pub fn wonders(&self, flat: &str) -> bool {
        words(flat).any(|word| self.alternatives.contains(word) || self.question_words.contains(word))
    }

    /// At least one word of the text is a known one.
    pub fn knows_any(&self, flat: &str) -> bool {
        words(flat).any(|word| word.chars().any(|c| c.is_ascii_digit()) || self.knows(word))
    }

    /// Words, not noise: half of them known, or all of a shape that Russian words have.
    pub fn reads_as_words(&self, flat: &str) -> bool {
        let vowel = |c: char| "аеиоуыэюяё".contains(c);
        let shaped = |word: &str| {
            word.chars().count() >= 3
                && !word.starts_with(['ъ', 'ы', 'ь'])
                && word.chars().any(vowel)
                && word.chars().any(|c| c.is_alphabetic() && !vowel(c))
        };
        let (known, all) =
            words(flat).fold((0, 0), |(known, all), word| (known + usize::from(self.knows(word)), all + 1));
        all > 0 && (known * 2 >= all || words(flat).all(shaped))
    }

    fn knows(&self, word: &str) -> bool {
        self.words.contains_key(word)
            || self.numbers.contains_key(word)
            || self.slang.contains_key(word)
            || word.chars().count() > 3 && self.stems.contains(&stem(word))
    }

    /// The one known word a single slip away, or none. A frequent word beats rare ones.
    fn near(&self, word: &str) -> Option<&str> {
        if !SPELLED.contains(&word.chars().count()) {
            return None;
        }
        let mut found: Vec<(&str, u32)> = Vec::new();
        for key in gaps(word).chain([hash(word)]) {
            let first = self.gaps.partition_point(|(gap, _)| *gap < key);
            for (_, at) in self.gaps[first..].iter().take_while(|(gap, _)| *gap == key) {
                let candidate = &self.learnt[*at as usize];
                found.push((candidate, self.words[candidate]));
            }
        }
        found.retain(|(_, count)| *count >= TRUSTED_FROM);
        found.retain(|(candidate, _)| strsim::osa_distance(candidate, word) == 1);
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        found.dedup();
        match found.as_slice() {
            [only] => Some(only.0),
            [first, second, ..] if first.1 >= 4 * second.1.max(1) => Some(first.0),
            _ => None,
        }
    }
}

/// Hashes of the word with one letter left out.
fn gaps(word: &str) -> impl Iterator<Item = u32> {
    word.char_indices().map(|(at, c)| hash_parts([&word[..at], &word[at + c.len_utf8()..]]))
}

/// [`char::is_alphabetic`], at once for the letters of Russian and English.
fn is_letter(c: char) -> bool {
    matches!(c, 'а'..='я' | 'А'..='Я' | 'a'..='z' | 'A'..='Z') || c.is_alphabetic()
}

/// Unicode form, lower case, ё as е, one dash, one quote, no invisible signs.
pub fn plain(text: &str) -> String {
    // Almost every text is in its normal form already.
    let usual = |c: char| c < '\u{300}' || ('\u{400}'..='\u{482}').contains(&c);
    let normal = if text.chars().all(usual) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    };
    let mut out = String::with_capacity(text.len());
    for c in normal.chars() {
        match c {
            'а'..='я' | ' '..='@' | 'a'..='z' => out.push(c),
            'ё' | 'Ё' => out.push('е'),
            '–' | '—' | '−' | '‑' => out.push('-'),
            '«' | '»' | '“' | '”' | '„' => out.push('"'),
            '\u{a0}' | '\u{202f}' => out.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}' => {}
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Runs of letters, digits and inner hyphens.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(is_letter(c) || c == '-' || c.is_numeric()))
        .map(|word| word.trim_matches('-'))
        .filter(|word| !word.is_empty())
}

pub fn stem(word: &str) -> String {
    thread_local! {
        static STEMMER: Stemmer = Stemmer::create(Algorithm::Russian);
    }
    STEMMER.with(|stemmer| stemmer.stem(word).into_owned())
}

impl Text {
    pub fn read(message: &str, lexicon: &Lexicon) -> Self {
        let raw: String = message.trim().chars().take(READ_CHARS).collect();
        let plain = plain(&raw);
        let mut repairs = Vec::new();
        let mut ranges = Vec::new();
        let mut clauses: Vec<Clause> = Vec::new();
        // On the wrong layout punctuation keys are letters, so the whole message is mapped before it is parted.
        let read = if wrong_layout(&plain, lexicon) { map_layout(&plain) } else { raw.clone() };
        if read != raw {
            repairs.push((plain.clone(), read.clone(), "layout"));
        }
        for piece in split_clauses(&read, lexicon) {
            let flat = flatten(&piece, lexicon, &mut repairs, &mut ranges);
            if !flat.is_empty() || piece.contains('?') {
                let asks = piece.contains('?') || asks(&flat, lexicon);
                let parts = match piece.contains(", ") {
                    true => piece
                        .split(", ")
                        .map(|part| flatten(part, lexicon, &mut Vec::new(), &mut Vec::new()))
                        .collect(),
                    false => vec![flat.clone()],
                };
                clauses.push(Clause { raw: piece.trim().to_owned(), flat, parts, asks });
            }
        }
        let flat = clauses
            .iter()
            .map(|clause| clause.flat.as_str())
            .filter(|flat| !flat.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let asks = clauses.iter().any(|clause| clause.asks);
        let language = language(&plain, lexicon);
        let dictated = dictated(&raw, lexicon);
        Self { raw, dictated, plain, flat, clauses, repairs, ranges, language, asks }
    }

    /// Where phones and addresses are looked for.
    pub fn with_contacts(&self) -> &str {
        self.dictated.as_deref().unwrap_or(&self.raw)
    }

    /// What follows thanks or an "ok" at the head, if that is two words or more.
    pub fn after_lead(&self, lexicon: &Lexicon) -> Option<String> {
        let leads = |part: &str| words(part).all(|word| lexicon.leads.contains(word));
        let parts: Vec<&str> =
            self.clauses.iter().flat_map(|clause| &clause.parts).map(String::as_str).collect();
        let rest = parts.iter().skip_while(|part| leads(part)).copied().collect::<Vec<_>>().join(" ");
        // "ок а сканер есть": no comma.
        let turn = |word: &str| lexicon.after_leads.iter().any(|known| known == word);
        let own: Vec<&str> = words(&rest).collect();
        let rest = match own.iter().position(|word| !lexicon.leads.contains(*word)) {
            Some(at) if at > 0 && turn(own[at]) => own[at..].join(" "),
            _ => rest,
        };
        // One word is a matter only where it asks: "Здравствуйте. Цена?"
        let enough = words(&rest).count() >= if self.asks { 1 } else { 2 };
        (rest.len() < self.flat.len() && enough).then_some(rest)
    }

    pub fn word_count(&self) -> usize {
        self.flat.split(' ').filter(|word| !word.is_empty()).count()
    }
}

fn asks(flat: &str, lexicon: &Lexicon) -> bool {
    let weak = |word: &str| lexicon.weak_question_words.contains(word);
    // "не знаю сколько выкинули" tells, it does not ask.
    let told = |at: usize| {
        let before: Vec<&str> = flat[..at].trim_end().rsplit(' ').take(2).collect();
        matches!(before[..], [verb, "не", ..] if lexicon.knowing_verbs.iter().any(|known| known == verb))
    };
    let mut first = flat.split(' ').skip_while(|word| lexicon.openers.iter().any(|opener| opener == word));
    if first.next().is_some_and(weak) {
        return true;
    }
    // "чек вернуть как", "покупателю чек как вернуть": it asks at the end, and before an infinitive.
    let infinitive = |word: &str| lexicon.infinitive_endings.iter().any(|end| word.ends_with(end.as_str()));
    let mut at = 0;
    let mut words = flat.split(' ').peekable();
    while let Some(word) = words.next() {
        let ends = words.peek().is_none_or(|next| infinitive(next));
        if at > 0 && ends && weak(word) && flat[..at].trim().contains(' ') && !told(at) {
            return true;
        }
        at += word.len() + 1;
    }
    let starts = std::iter::once(0).chain(flat.match_indices(' ').map(|(at, _)| at + 1));
    starts.into_iter().any(|at| {
        let ends = flat[at..].match_indices(' ').map(|(end, _)| at + end).chain([flat.len()]).take(PHRASE);
        ends.into_iter().any(|end| {
            let words = &flat[at..end];
            lexicon.question_words.contains(words) && !weak(words) && !told(at)
        })
    })
}

/// Sentences, and parts of a sentence that begin a question of their own.
fn split_clauses(raw: &str, lexicon: &Lexicon) -> Vec<String> {
    let mut clauses: Vec<String> = Vec::new();
    let mut current = String::new();
    let letters: Vec<char> = raw.chars().collect();
    for (i, c) in letters.iter().enumerate() {
        let next = letters.get(i + 1).copied();
        let inside_number = |c: char| c.is_ascii_digit();
        let sentence_end = match c {
            '\n' | ';' => true,
            '?' | '!' => next.is_none_or(|n| !matches!(n, '?' | '!')),
            '.' => {
                next.is_none_or(char::is_whitespace)
                    && i > 0
                    && !(inside_number(letters[i - 1]) && next.is_some_and(inside_number))
            }
            _ => false,
        };
        current.push(*c);
        if clauses.len() + 1 >= CLAUSES {
            continue;
        }
        if sentence_end {
            clauses.push(std::mem::take(&mut current));
        } else if *c == ',' {
            let rest: String = letters[i + 1..].iter().take(HEAD_CHARS).collect();
            let rest = &rest;
            let begins = begins_question(rest, lexicon)
                || closes_question(&letters[i + 1..], lexicon) && may_ask(&current, raw, lexicon);
            if begins && !current.trim().is_empty() {
                clauses.push(std::mem::take(&mut current));
            }
        } else if c.is_whitespace() && !current.trim().is_empty() {
            let rest: String = letters[i + 1..].iter().take(40).collect();
            let rest = plain(&rest);
            let joined = rest
                .split_once(' ')
                .filter(|(first, _)| lexicon.openers.iter().any(|opener| opener == first));
            let asks = |rest: &str| {
                let second = rest.split(' ').nth(1);
                lexicon.joined_questions.iter().any(|words| match words.strip_prefix("* ") {
                    Some(word) => second == Some(word),
                    None => rest.starts_with(&format!("{words} ")),
                })
            };
            let closes = joined.is_some_and(|(first, _)| first == "и")
                && closes_question(&letters[i + 2..], lexicon)
                && may_ask(&current, raw, lexicon);
            if joined.is_some_and(|(_, rest)| asks(rest)) || closes {
                clauses.push(std::mem::take(&mut current));
            }
        }
    }
    clauses.push(current);
    clauses.retain(|clause| !clause.trim().is_empty());
    clauses
}

/// "… и настройка входит?", "…, поддержка есть": a few words that end in one that asks.
fn closes_question(rest: &[char], lexicon: &Lexicon) -> bool {
    let end = rest.iter().position(|c| matches!(c, ',' | '.' | ';' | '?' | '!' | '\n')).unwrap_or(rest.len());
    let rest: String = rest[..end.min(HEAD_CHARS)].iter().collect();
    let rest = plain(&rest);
    let words: Vec<&str> = words(&rest).collect();
    (2..=CLOSING).contains(&words.len())
        && words.last().is_some_and(|last| lexicon.closing_words.contains(*last))
}

/// The clause before asks as well.
fn may_ask(clause: &str, raw: &str, lexicon: &Lexicon) -> bool {
    raw.contains('?')
        || words(&plain(clause)).any(|word| {
            let word = lexicon.slang.get(word).map_or(word, String::as_str);
            lexicon.question_words.contains(word)
        })
}

/// "…, а сколько", "…, какие", "…, скажите": the part after a comma asks by itself.
fn begins_question(rest: &str, lexicon: &Lexicon) -> bool {
    let rest = plain(rest);
    let mut words = words(&rest).skip_while(|word| lexicon.openers.iter().any(|opener| opener == word));
    let Some(first) = words.next() else { return false };
    let first = lexicon.slang.get(first).map_or(first, String::as_str);
    let joins = lexicon.joining_words.iter().any(|word| word == first);
    (lexicon.question_words.contains(first) && !joins)
        || lexicon.question_verbs.iter().any(|word| word == first) && rest.contains('?')
}

/// Repaired words of a piece of the message, numbers in digits.
fn flatten(
    piece: &str,
    lexicon: &Lexicon,
    repairs: &mut Vec<(String, String, &'static str)>,
    ranges: &mut Vec<(f64, f64)>,
) -> String {
    let plain = plain(piece);
    let mut tokens: Vec<String> = Vec::new();
    for token in words(&plain).map(str::to_owned) {
        let repaired = repair(&token, lexicon);
        if let Some((to, why)) = repaired {
            repairs.push((token.clone(), to.clone(), why));
            tokens.extend(words(&to).map(str::to_owned));
        } else {
            let inner: Vec<&str> = words(&token).collect();
            tokens.extend(inner.into_iter().map(str::to_owned));
        }
    }
    digits(&tokens, lexicon, ranges).join(" ")
}

fn language(plain: &str, lexicon: &Lexicon) -> Language {
    let letters = "әғқңөұүһі";
    let tokens: Vec<&str> = words(plain).collect();
    if tokens.is_empty() {
        return Language::Other;
    }
    let kazakh = tokens
        .iter()
        .filter(|word| word.chars().any(|c| letters.contains(c)) || lexicon.kazakh.contains(**word))
        .count();
    if kazakh * 2 >= tokens.len() && kazakh > 0 { Language::Kazakh } else { Language::Russian }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        for (word, value) in [
            ("две", 2.0),
            ("три", 3.0),
            ("пять", 5.0),
            ("двадцать", 20.0),
            ("сто", 100.0),
            ("пятнадцать", 15.0),
            ("полтора", 1.5),
            ("двух", 2.0),
            ("трех", 3.0),
        ] {
            lexicon.numbers.insert(word.to_owned(), value);
        }
        for (word, value) in [("миллиона", 1_000_000.0), ("тысяч", 1000.0)] {
            lexicon.scales.insert(word.to_owned(), value);
        }
        lexicon.slang.insert("скок".to_owned(), "сколько".to_owned());
        lexicon.latin.insert("excel".to_owned());
        lexicon.question_words = ["сколько", "какие", "что"].map(str::to_owned).into();
        lexicon.weak_question_words.insert("что".to_owned());
        lexicon.knowing_verbs = vec!["знаю".to_owned()];
        lexicon.openers = ["а", "и", "нет"].map(str::to_owned).to_vec();
        lexicon.joined_questions = vec!["какие".to_owned()];
        for _ in 0..TRUSTED_FROM {
            lexicon.learn([
                "сколько стоит программа",
                "касса масса",
                "привет здравствуйте",
                "у нас точки человек",
            ]);
        }
        lexicon.finish();
        lexicon
    }

    fn flat(message: &str) -> String {
        Text::read(message, &lexicon()).flat
    }

    #[test]
    fn layout_translit_slang_and_slips_are_repaired() {
        assert_eq!(flat("crjkmrj cnjbn"), "сколько стоит");
        assert_eq!(flat("skolko stoit"), "сколько стоит");
        assert_eq!(flat("скок стоит прграмма"), "сколько стоит программа");
        assert_eq!(flat("приветтттт"), "привет");
        assert_eq!(flat("касса в excel"), "касса в excel");
    }

    #[test]
    fn numbers_become_digits() {
        assert_eq!(flat("сто двадцать пять человек"), "125 человек");
        assert_eq!(flat("две-три точки"), "2 точки");
        assert_eq!(flat("10-15 человек"), "10 человек");
        assert_eq!(flat("полтора миллиона"), "1500000");
        assert_eq!(flat("1 500 000 тг"), "1500000 тг");
        assert_eq!(flat("не пять, а пятнадцать"), "15");
        assert_eq!(flat("10-15 тысяч"), "10000");
        for (message, range) in [
            ("10-15 человек", (10.0, 15.0)),
            ("две-три точки", (2.0, 3.0)),
            ("от двух до трех тысяч", (2000.0, 3000.0)),
            ("пять пятнадцать", (5.0, 15.0)),
        ] {
            let text = Text::read(message, &lexicon());
            assert_eq!(text.ranges.first(), Some(&range), "{message}: {}", text.flat);
        }
    }

    #[test]
    fn a_phone_said_aloud_becomes_digits() {
        let mut lexicon = lexicon();
        for (word, value) in [
            ("восемь", 8.0),
            ("семьсот", 700.0),
            ("сорок", 40.0),
            ("шестьдесят", 60.0),
            ("семь", 7.0),
            ("ноль", 0.0),
        ] {
            lexicon.numbers.insert(word.to_owned(), value);
        }
        let said = |message: &str| Text::read(message, &lexicon).dictated;
        assert_eq!(
            said("мой восемь семьсот пять сто двадцать три сорок пять шестьдесят семь звоните").as_deref(),
            Some("мой 87051234567 звоните")
        );
        assert_eq!(said("8 семьсот семь 123 ноль пять сорок").as_deref(), Some("87071230540"));
        assert_eq!(said("у нас две точки и пять человек"), None);
    }

    #[test]
    fn a_question_word_asks_but_a_conjunction_does_not() {
        assert!(Text::read("нет, сколько стоит", &lexicon()).asks);
        assert!(!Text::read("боюсь что масса слетит", &lexicon()).asks);
        assert!(!Text::read("я не знаю сколько выкинули", &lexicon()).asks);
    }

    #[test]
    fn clauses_part_at_sentences_and_questions() {
        let text = Text::read("у нас 2 точки, сколько стоит? и какие кассы", &lexicon());
        let clauses: Vec<_> = text.clauses.iter().map(|clause| clause.flat.as_str()).collect();
        assert_eq!(clauses, ["у нас 2 точки", "сколько стоит", "и какие кассы"]);
    }
}
