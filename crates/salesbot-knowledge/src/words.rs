//! Words for the index: one normal form for sections and questions alike (knowledge reference, 7.1).

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// Letters of one script that look like letters of the other.
const LOOK_ALIKES: [(char, char); 12] = [
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

/// Part of a word. Cyrillic letters are most of what is read here, and the tables of Unicode are slow for them.
pub fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}')
        || !c.is_ascii() && c.is_alphanumeric()
}

/// A character that normalisation leaves alone, of those most texts consist of.
fn is_composed(c: char) -> bool {
    c.is_ascii()
        || matches!(c, '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' | '—' | '–' | '•' | '₸' | '«' | '»')
}

/// Lower case, ё as е, thousands joined.
pub fn normalise(text: &str) -> String {
    let mut letters: Vec<char> = Vec::with_capacity(text.len());
    let mut add = |c: char| match c {
        'а'..='я' | 'a'..='z' | ' ' => letters.push(c),
        'А'..='Я' => letters.push(char::from_u32(u32::from(c) + 32).unwrap_or(c)),
        'ё' | 'Ё' => letters.push('е'),
        other => letters.extend(other.to_lowercase()),
    };
    if text.chars().all(is_composed) {
        text.chars().for_each(&mut add);
    } else {
        text.nfkc().for_each(&mut add);
    }
    let mut out = String::with_capacity(text.len());
    for (at, c) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).is_some_and(char::is_ascii_digit);
        let group = letters[at + 1..].iter().take(4).take_while(|c| c.is_ascii_digit()).count() == 3;
        if matches!(c, ' ' | ',' | '.' | '\u{a0}') && before && group {
            continue;
        }
        out.push(*c);
    }
    out
}

/// The words of a text in order, each in one script. A product code with hyphens also stands as one word:
/// `xp-420b` is `xp420b`, `xp`, `420b`.
pub fn words(text: &str) -> Vec<String> {
    let normal = normalise(text);
    let mut found = Vec::new();
    for chunk in normal.split(|c: char| !(is_letter_or_digit(c) || c == '-')) {
        let parts = chunk.split('-').filter(|part| !part.is_empty());
        if chunk.contains('-') && chunk.chars().any(|c| c.is_ascii_digit()) && parts.clone().count() > 1 {
            found.push(one_script(&chunk.replace('-', "")));
        }
        found.extend(parts.map(one_script));
    }
    found
}

/// Stems of a text in order, with the halves of product codes: `i3` is `i3`, `i`, `3`.
pub fn stems(text: &str) -> Vec<String> {
    words(text).iter().flat_map(|word| forms(word)).collect()
}

/// The stem of a word, and the halves of a product code.
pub(crate) fn forms(word: &str) -> Vec<String> {
    let mut found = vec![stem(word)];
    found.extend(code(word));
    found
}

/// Letters and digits of a product code: `i3` is `i`, `3`; nothing for other words.
fn code(word: &str) -> Vec<String> {
    let mut halves: Vec<String> = Vec::new();
    let mut digit = None;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit();
        match halves.last_mut().filter(|_| digit == Some(is_digit)) {
            Some(half) => half.push(c),
            None => halves.push(c.to_string()),
        }
        digit = Some(is_digit);
    }
    if halves.len() > 1 { halves } else { Vec::new() }
}

/// Snowball stem of one word: Russian for Cyrillic, English for Latin; where the word has a Kazakh letter, without
/// Kazakh endings and in letters of a Russian keyboard. As it is with digits in it.
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
    if word.chars().any(|c| plain_letter(c) != c) {
        return kazakh(word).chars().map(plain_letter).collect();
    }
    RUSSIAN.with(|stemmer| stemmer.stem(word).into_owned())
}

/// A Kazakh letter as people type it on a Russian keyboard.
fn plain_letter(c: char) -> char {
    match c {
        'ә' => 'а',
        'і' => 'и',
        'ң' => 'н',
        'ғ' => 'г',
        'ү' | 'ұ' => 'у',
        'қ' => 'к',
        'ө' => 'о',
        'һ' => 'х',
        other => other,
    }
}

/// Takes off plural, possessive and case endings, outermost first, while four letters stay.
fn kazakh(word: &str) -> &str {
    const CASES: [&str; 24] = [
        "ның", "нің", "дың", "дің", "тың", "тің", "нан", "нен", "дан", "ден", "тан", "тен", "ға", "ге", "қа",
        "ке", "да", "де", "та", "те", "ны", "ні", "ды", "ді",
    ];
    const OWN: [&str; 14] =
        ["сын", "сін", "ын", "ін", "ымыз", "іміз", "ыңыз", "іңіз", "сы", "сі", "ым", "ім", "ы", "і"];
    const MANY: [&str; 6] = ["лар", "лер", "дар", "дер", "тар", "тер"];
    let mut rest = word;
    for endings in [&CASES[..], &OWN[..], &MANY[..]] {
        let shorter = endings.iter().find_map(|ending| rest.strip_suffix(ending));
        if let Some(shorter) = shorter.filter(|shorter| shorter.chars().count() >= 4) {
            rest = shorter;
        }
    }
    rest
}

/// A word in the script most of its letters are of: `ценy` becomes Cyrillic. Codes with digits become Latin where
/// all their letters can: `1с` is `1c`, however it was typed.
fn one_script(word: &str) -> String {
    let to_latin = |c: char| LOOK_ALIKES.iter().find(|(_, cyrillic)| *cyrillic == c).map(|(latin, _)| *latin);
    if word.chars().any(|c| c.is_ascii_digit()) {
        let code: Option<String> =
            word.chars().map(|c| if c.is_ascii() { Some(c) } else { to_latin(c) }).collect();
        return code.unwrap_or_else(|| word.to_owned());
    }
    let latin = word.chars().filter(char::is_ascii_alphabetic).count();
    let cyrillic = word.chars().filter(|c| matches!(c, '\u{400}'..='\u{4ff}')).count();
    if latin == 0 || cyrillic == 0 {
        return word.to_owned();
    }
    let to_cyrillic =
        |c: char| LOOK_ALIKES.iter().find(|(latin, _)| *latin == c).map(|(_, cyrillic)| *cyrillic);
    word.chars().map(|c| if latin > cyrillic { to_latin(c) } else { to_cyrillic(c) }.unwrap_or(c)).collect()
}

/// A piece of three letters, packed: 21 bits a letter.
pub(crate) type Piece = u64;

/// Three-letter pieces of one word with edge marks: `цена` is `_це`, `цен`, `ена`, `на_`.
pub(crate) fn pieces(word: &str) -> Vec<Piece> {
    let letters: Vec<u64> =
        std::iter::once('_').chain(word.chars().map(plain_letter)).chain(['_']).map(u64::from).collect();
    letters.windows(3).map(|piece| piece[0] << 42 | piece[1] << 21 | piece[2]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_codes_and_scripts_have_one_form() {
        assert_eq!(normalise("5 000 ₸, Ёлка"), "5000 ₸, елка");
        assert_eq!(stems("XP-420B"), ["xp420b", "xp", "420", "b", "xp", "420b", "420", "b"]);
        assert_eq!(stems("ценy"), stems("цену"));
        assert_eq!(stems("wipоn"), stems("wipon"));
        assert_eq!(stems("1с"), stems("1C"));
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        assert_eq!(stem("магазинам"), stem("магазины"));
        assert_eq!(stem("бағасын"), stem("баға"));
        assert_eq!(stem("бағасы"), "бага");
        assert_eq!(stem("өнімдерді"), stem("өнімдер"));
    }
}
