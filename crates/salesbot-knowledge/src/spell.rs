//! The nearest known words to one nobody knows: candidates by shared pieces, then by slips of the finger
//! (knowledge reference, 7.3).

use crate::index::{Lists, TermId, Terms};
use crate::words::{Piece, pieces};

/// Share of pieces two words must have in common (Dice).
const ALIKE: f32 = 0.30;
/// Candidates whose slips are counted.
const LOOKED_AT: usize = 200;
/// Words of the same distance that are kept.
const KEPT: usize = 4;
/// What a word one slip away counts for, and two.
const WORTH: [f32; 2] = [0.85, 0.65];
/// No slip is read into a shorter word, and none into a longer one: nobody types it.
const LETTERS: std::ops::RangeInclusive<usize> = 4..=32;
/// From so many letters on there may be two slips, if so many pieces are shared: else other words are taken for slips.
const LONG: usize = 7;
const VERY_ALIKE: f32 = 0.50;

#[derive(Clone, Debug, Default)]
pub(crate) struct Speller {
    pieces: Terms<Piece>,
    words: Lists,
    /// Each known word with its number of pieces.
    known: Vec<(Box<str>, usize)>,
}

impl Speller {
    /// `known` are the words by their number.
    pub(crate) fn new(known: Vec<Box<str>>) -> Self {
        let mut terms = Terms::default();
        let mut pairs = Vec::new();
        let known: Vec<(Box<str>, usize)> = known
            .into_iter()
            .enumerate()
            .map(|(word, text)| {
                if text.chars().any(|c| c.is_ascii_digit()) || !LETTERS.contains(&text.chars().count()) {
                    return (text, 0);
                }
                let mut own = pieces(&text);
                own.sort_unstable();
                own.dedup();
                let word = u32::try_from(word).unwrap_or(u32::MAX);
                pairs.extend(own.iter().map(|piece| (terms.intern(*piece), word)));
                let count = own.len();
                (text, count)
            })
            .collect();
        Self { words: Lists::of(terms.len(), &pairs), pieces: terms, known }
    }

    /// Pieces of all words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn word(&self, at: TermId) -> &str {
        &self.known[at as usize].0
    }

    /// Known words one slip away (two for long words), the nearest only, with what each counts for.
    pub(crate) fn near(&self, word: &str) -> Vec<(TermId, f32)> {
        let letters = word.chars().count();
        if !LETTERS.contains(&letters) || word.chars().any(|c| c.is_ascii_digit()) {
            return Vec::new();
        }
        let mut own = pieces(word);
        own.sort_unstable();
        own.dedup();
        let mut shared: Vec<TermId> = own
            .iter()
            .filter_map(|piece| self.pieces.get(piece))
            .flat_map(|piece| self.words.get(piece).iter().copied())
            .collect();
        shared.sort_unstable();
        let alike = |group: &[TermId]| {
            let count = self.known[group[0] as usize].1;
            (2.0 * group.len() as f32 / (count + own.len()) as f32, group[0])
        };
        let mut candidates: Vec<(f32, TermId)> =
            shared.chunk_by(|a, b| a == b).map(alike).filter(|(share, _)| *share >= ALIKE).collect();
        // Equal ones in the order of the alphabet: the order of sections must not decide.
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| self.word(a.1).cmp(self.word(b.1))));
        candidates.truncate(LOOKED_AT);
        let most = if letters < LONG { 1 } else { 2 };
        let mut found: Vec<(usize, TermId)> = candidates
            .into_iter()
            .map(|(share, at)| (share, strsim::osa_distance(word, &self.known[at as usize].0), at))
            .filter(|(share, slips, _)| *slips == 1 || *slips == most && *share >= VERY_ALIKE)
            .map(|(_, slips, at)| (slips, at))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| self.word(a.1).cmp(self.word(b.1))));
        let Some(nearest) = found.first().map(|(slips, _)| *slips) else { return Vec::new() };
        let nearest: Vec<(TermId, f32)> = found
            .into_iter()
            .take_while(|(slips, _)| *slips == nearest)
            .map(|(slips, at)| (at, WORTH[slips - 1]))
            .collect();
        nearest.into_iter().take(KEPT).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_are_found_and_short_ones_left_alone() {
        let speller = Speller::new(["доставк", "достат", "касс", "тис", "i3"].map(Into::into).to_vec());
        assert_eq!(speller.near("доствк"), [(0, 0.85)]);
        assert_eq!(speller.near("даставк"), [(0, 0.85)]);
        assert_eq!(speller.near("кас"), []);
        assert_eq!(speller.near("тиз"), []);
        assert_eq!(speller.near("i4"), []);
    }
}
