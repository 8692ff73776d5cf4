//! Words for the index: one normal form for sections and questions alike.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// Lower case, ё as е, thousands joined, Latin look-alikes inside Cyrillic words folded.
pub fn normalise(text: &str) -> String {
    let lower: String =
        text.nfkc().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }).collect();
    let letters: Vec<char> = lower.chars().collect();
    let mut out = String::with_capacity(lower.len());
    for (at, c) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).is_some_and(char::is_ascii_digit);
        let group = letters[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count() == 3;
        if matches!(c, ' ' | ',' | '.' | '\u{a0}') && before && group {
            continue;
        }
        out.push(*c);
    }
    out
}

/// Stems of a text in order. Product codes give both forms: `i3` as `i3`, `xp-420b` as `xp420b`.
pub fn stems(text: &str) -> Vec<String> {
    let normal = normalise(text);
    let split = normal.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    let mut found = Vec::new();
    for word in split.filter(|word| !word.is_empty()) {
        let parts: Vec<&str> = word.split('-').filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 && word.chars().any(|c| c.is_ascii_digit()) {
            found.push(parts.concat());
        }
        found.extend(parts.into_iter().map(stem));
    }
    found
}

/// Snowball stem of one word: Russian for Cyrillic, English for Latin, as it is with digits in it.
pub fn stem(word: &str) -> String {
    thread_local! {
        static RUSSIAN: Stemmer = Stemmer::create(Algorithm::Russian);
        static ENGLISH: Stemmer = Stemmer::create(Algorithm::English);
    }
    if word.chars().any(|c| c.is_ascii_digit()) {
        return word.to_owned();
    }
    if word.is_ascii() {
        return ENGLISH.with(|stemmer| stemmer.stem(word).into_owned());
    }
    let folded = fold(word);
    RUSSIAN.with(|stemmer| stemmer.stem(&folded).into_owned())
}

/// Latin letters that look Cyrillic, inside a mostly Cyrillic word.
fn fold(word: &str) -> String {
    if !word.chars().any(|c| c.is_ascii_alphabetic()) {
        return word.to_owned();
    }
    const PAIRS: [(char, char); 12] = [
        ('a', 'а'),
        ('b', 'в'),
        ('c', 'с'),
        ('e', 'е'),
        ('h', 'н'),
        ('k', 'к'),
        ('m', 'м'),
        ('o', 'о'),
        ('p', 'р'),
        ('t', 'т'),
        ('x', 'х'),
        ('y', 'у'),
    ];
    word.chars()
        .map(|c| PAIRS.iter().find(|(latin, _)| *latin == c).map_or(c, |(_, cyrillic)| *cyrillic))
        .collect()
}

/// Three-letter pieces of the words of a text, with edge marks.
pub fn pieces(text: &str) -> Vec<String> {
    let normal = normalise(text);
    let mut found = Vec::new();
    for word in normal.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = std::iter::once('_').chain(fold(word).chars()).chain(['_']).collect();
        found.extend(letters.windows(3).map(|piece| piece.iter().collect::<String>()));
    }
    found
}
