//! Questions as they arrive from hurried hands: with slips of the finger, on the wrong layout, in Latin letters.
//! The same question is always spoiled in the same way, so that figures can be repeated.

use clap::ValueEnum;

use salesbot_knowledge::typing::map_layout_back;

/// What happens to a question before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Spoil {
    /// One slip of the finger, two from 24 letters on: a letter left out, doubled, swapped, or its neighbour hit
    Slips,
    /// Typed with the Latin layout left on
    Layout,
    /// Russian in Latin letters
    Translit,
}

const ROWS: [&str; 3] = ["йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"];
const SPELLED: [(char, &str); 33] = [
    ('а', "a"),
    ('б', "b"),
    ('в', "v"),
    ('г', "g"),
    ('д', "d"),
    ('е', "e"),
    ('ё', "e"),
    ('ж', "zh"),
    ('з', "z"),
    ('и', "i"),
    ('й', "i"),
    ('к', "k"),
    ('л', "l"),
    ('м', "m"),
    ('н', "n"),
    ('о', "o"),
    ('п', "p"),
    ('р', "r"),
    ('с', "s"),
    ('т', "t"),
    ('у', "u"),
    ('ф', "f"),
    ('х', "h"),
    ('ц', "c"),
    ('ч', "ch"),
    ('ш', "sh"),
    ('щ', "sh"),
    ('ъ', ""),
    ('ы', "y"),
    ('ь', ""),
    ('э', "e"),
    ('ю', "yu"),
    ('я', "ya"),
];
/// Words shorter than this are typed right.
const SHORT: usize = 4;
/// A second slip in a question of so many letters.
const LONG: usize = 24;

impl Spoil {
    pub(super) fn apply(self, text: &str) -> String {
        let lower = text.to_lowercase();
        match self {
            Self::Slips => slips(&lower),
            Self::Layout => map_layout_back(&lower),
            Self::Translit => lower.chars().map(spelled).collect(),
        }
    }
}

fn spelled(letter: char) -> String {
    let latin = SPELLED.iter().find(|(own, _)| *own == letter).map(|(_, latin)| (*latin).to_owned());
    latin.unwrap_or_else(|| letter.to_string())
}

/// Slips in different words, the places chosen by the question itself.
fn slips(text: &str) -> String {
    let mut dice = seed(text);
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let letters = |word: &String| word.chars().filter(|c| c.is_alphabetic()).count();
    let mut open: Vec<usize> = (0..words.len()).filter(|at| letters(&words[*at]) >= SHORT).collect();
    let most = if text.chars().filter(|c| c.is_alphabetic()).count() < LONG { 1 } else { 2 };
    for _ in 0..most.min(open.len()) {
        let at = open.swap_remove(roll(&mut dice, open.len()));
        words[at] = slip(&words[at], &mut dice);
    }
    words.join(" ")
}

fn slip(word: &str, dice: &mut u64) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    // The first letter is rarely wrong.
    let at = 1 + roll(dice, letters.len() - 2);
    match roll(dice, 4) {
        0 => {
            letters.remove(at);
        }
        1 => letters.insert(at, letters[at]),
        2 => letters.swap(at, at + 1),
        _ => letters[at] = neighbour(letters[at], roll(dice, 2)),
    }
    letters.into_iter().collect()
}

/// The key beside a key.
fn neighbour(letter: char, side: usize) -> char {
    for row in ROWS {
        let keys: Vec<char> = row.chars().collect();
        if let Some(at) = keys.iter().position(|key| *key == letter) {
            let beside = if side == 0 && at > 0 || at + 1 == keys.len() { at - 1 } else { at + 1 };
            return keys[beside];
        }
    }
    letter
}

/// FNV-1a of the text.
fn seed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The next number below `sides` (xorshift).
fn roll(dice: &mut u64, sides: usize) -> usize {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    usize::try_from(*dice % sides.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_spoiled_the_same_way_every_time() {
        let text = "Сколько стоит доставка сканера в Атырау?";
        assert_eq!(Spoil::Layout.apply("какая цена"), "rfrfz wtyf");
        assert_eq!(Spoil::Translit.apply("щётка для чая"), "shetka dlya chaya");
        let spoiled = Spoil::Slips.apply(text);
        assert_ne!(spoiled, text.to_lowercase());
        assert_eq!(spoiled, Spoil::Slips.apply(text));
        assert_eq!(different(&spoiled, &text.to_lowercase()), 2, "{spoiled}");
    }

    /// Words that differ.
    fn different(a: &str, b: &str) -> usize {
        a.split(' ').zip(b.split(' ')).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn short_words_and_odd_texts_stay() {
        assert_eq!(Spoil::Slips.apply("а то"), "а то");
        assert_eq!(Spoil::Slips.apply(""), "");
    }
}
