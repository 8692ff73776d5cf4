//! Sections that are for some clients only: what holds for a pharmacy is no answer to a shop of clothes, and the
//! delivery to one town no answer to a client in another.

use std::collections::{HashMap, HashSet};

use crate::words::{stem, stems};

/// A section that names more of them names them as examples.
const EXAMPLES_FROM: usize = 3;

/// What a section that is for some clients loses or gains.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Factors {
    /// It is for the client.
    pub own: f32,
    /// Nothing is known of the client.
    pub unknown: f32,
    pub other: f32,
}

/// One way to tell clients apart, such as trades or towns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    /// Stems that name one, with its number.
    words: HashMap<String, u8>,
    /// Of each section.
    of: Vec<Vec<u8>>,
    factors: Factors,
}

impl Clients {
    /// `groups` are the words for each, `facts` the texts of the sections.
    pub(crate) fn new<'t>(
        groups: &[Vec<String>],
        facts: impl Iterator<Item = &'t str>,
        factors: Factors,
    ) -> Self {
        let words: HashMap<String, u8> = (0..)
            .zip(groups)
            .flat_map(|(group, words)| words.iter().map(move |word| (stem(word), group)))
            .collect();
        let mut clients = Self { words, of: Vec::new(), factors };
        clients.of = facts
            .map(|text| {
                let mut named: Vec<u8> = clients.named(&stems(text)).into_iter().collect();
                named.sort_unstable();
                if named.len() < EXAMPLES_FROM { named } else { Vec::new() }
            })
            .collect();
        clients
    }

    pub(crate) fn named(&self, stems: &[String]) -> HashSet<u8> {
        stems.iter().filter_map(|stem| self.words.get(stem)).copied().collect()
    }

    pub(crate) fn factor(&self, at: usize, client: &HashSet<u8>) -> f32 {
        let own = &self.of[at];
        if own.is_empty() {
            1.0
        } else if own.iter().any(|group| client.contains(group)) {
            self.factors.own
        } else if client.is_empty() {
            self.factors.unknown
        } else {
            self.factors.other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_for_others_loses_and_one_with_examples_does_not() {
        let groups: Vec<Vec<String>> = [["аптека", "лекарство"], ["одежда", "обувь"], ["цветы", "букет"]]
            .map(|words| words.map(str::to_owned).to_vec())
            .to_vec();
        let facts = ["Аптеке подойдёт Lite.", "Касса стоит 100 ₸.", "Аптекам, магазинам одежды и цветов."];
        let clients =
            Clients::new(&groups, facts.into_iter(), Factors { own: 1.0, unknown: 0.8, other: 0.5 });
        let boutique = clients.named(&stems("магазин одежды"));
        assert_eq!([0, 1, 2].map(|at| clients.factor(at, &boutique)), [0.5, 1.0, 1.0]);
        assert!((clients.factor(0, &HashSet::new()) - 0.8).abs() < f32::EPSILON);
        let pharmacy = clients.named(&stems("у меня аптека"));
        assert!((clients.factor(0, &pharmacy) - 1.0).abs() < f32::EPSILON);
    }
}
