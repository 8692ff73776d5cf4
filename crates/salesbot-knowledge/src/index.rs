//! BM25F: one inverted index, a weight and a length norm per field, one idf (Robertson and Zaragoza 2009).

use std::collections::HashMap;
use std::hash::Hash;

/// A field of a section: its weight and how strongly its length counts against it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub weight: f32,
    pub b: f32,
}

/// Saturation of term frequency.
const K1: f32 = 1.2;
/// A folder of fewer sections tells nothing of how rare a word is: idf is that of a folder of so many.
const FEW: usize = 100;
/// From so large a logarithm of sections by sections with it on a word is rare.
const RARE: f32 = 5.0;

/// A term of an index.
pub(crate) type TermId = u32;

/// Numbers for terms, in the order they were met.
#[derive(Clone, Debug)]
pub(crate) struct Terms<K>(HashMap<K, TermId>);

impl<K> Default for Terms<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Terms<K> {
    pub(crate) fn intern(&mut self, term: K) -> TermId {
        let next = TermId::try_from(self.0.len()).unwrap_or(TermId::MAX);
        *self.0.entry(term).or_insert(next)
    }

    pub(crate) fn get<Q>(&self, term: &Q) -> Option<TermId>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(term).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Terms<Box<str>> {
    /// Memory of the texts and their table, about.
    pub(crate) fn bytes(&self) -> usize {
        self.0.keys().map(|term| term.len() + 32).sum()
    }

    /// The terms by their number.
    pub(crate) fn list(&self) -> Vec<Box<str>> {
        let mut list: Vec<(TermId, &str)> = self.0.iter().map(|(term, id)| (*id, &**term)).collect();
        list.sort_unstable();
        list.into_iter().map(|(_, term)| term.into()).collect()
    }
}

/// Lists of numbers one after the other: list `n` without an allocation of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// `pairs` of (list, item), in any order of lists, items of a list in order.
    pub(crate) fn of(lists: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0_u32; lists + 1];
        for (list, _) in pairs {
            starts[*list as usize + 1] += 1;
        }
        for at in 0..lists {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut items = vec![0; pairs.len()];
        for (list, item) in pairs {
            items[next[*list as usize] as usize] = *item;
            next[*list as usize] += 1;
        }
        Self { starts, items }
    }

    /// All items of all lists.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn get(&self, list: u32) -> &[u32] {
        let list = list as usize;
        &self.items[self.starts[list] as usize..self.starts[list + 1] as usize]
    }
}

/// Postings of every term, with what the term is worth in a section: idf and saturation included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    postings: Lists,
    /// Beside each posting.
    worth: Vec<f32>,
    idf: Vec<f32>,
    sections: usize,
    /// As idf is taken: no fewer than `FEW`.
    counted: usize,
}

impl Index {
    /// `documents[section][field]` are the terms of a field; there are `terms` terms in all.
    pub(crate) fn build(documents: &[Vec<Vec<TermId>>], fields: &[Field], terms: usize) -> Self {
        let averages: Vec<f32> = (0..fields.len())
            .map(|field| {
                let total: usize = documents.iter().map(|document| document[field].len()).sum();
                (total as f32 / documents.len().max(1) as f32).max(1.0)
            })
            .collect();
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut frequencies: Vec<f32> = Vec::new();
        // What each term weighs in the section at hand; only those in `met` are not 0.
        let mut weights = vec![0.0_f32; terms];
        let mut met: Vec<TermId> = Vec::new();
        for (section, document) in documents.iter().enumerate() {
            for (field, list) in document.iter().enumerate() {
                let Field { weight, b } = fields[field];
                let norm = 1.0 - b + b * list.len() as f32 / averages[field];
                for term in list {
                    if weights[*term as usize] == 0.0 {
                        met.push(*term);
                    }
                    weights[*term as usize] += weight / norm;
                }
            }
            for term in met.drain(..) {
                pairs.push((term, u32::try_from(section).unwrap_or(u32::MAX)));
                frequencies.push(std::mem::take(&mut weights[term as usize]));
            }
        }
        let mut count = vec![0_u32; terms];
        pairs.iter().for_each(|(term, _)| count[*term as usize] += 1);
        let n = documents.len().max(FEW) as f32;
        let idf: Vec<f32> =
            count.iter().map(|df| libm::logf(1.0 + (n - *df as f32 + 0.5) / (*df as f32 + 0.5))).collect();
        let postings = Lists::of(terms, &pairs);
        let mut next = postings.starts.clone();
        let mut worth = vec![0.0; pairs.len()];
        for ((term, _), frequency) in pairs.iter().zip(frequencies) {
            let at = &mut next[*term as usize];
            worth[*at as usize] = idf[*term as usize] * frequency / (K1 + frequency);
            *at += 1;
        }
        Self { postings, worth, idf, sections: documents.len(), counted: documents.len().max(FEW) }
    }

    pub(crate) fn places(&self) -> usize {
        self.postings.len()
    }

    pub(crate) fn idf(&self, term: TermId) -> f32 {
        self.idf[term as usize]
    }

    /// The idf an unknown word counts with.
    pub(crate) fn highest_idf(&self) -> f32 {
        libm::logf(1.0 + (self.counted as f32 + 0.5) / 0.5)
    }

    /// How common the term is among the sections: 1 in all of them, 0 from one in 150 on.
    pub(crate) fn common(&self, term: TermId) -> f32 {
        let own = self.postings.get(term).len().max(1);
        (1.0 - libm::logf(self.sections.max(1) as f32 / own as f32) / RARE).max(0.0)
    }

    /// Each section that holds the term, with what it is worth there.
    pub(crate) fn postings(&self, term: TermId) -> impl Iterator<Item = (u32, f32)> {
        let at = term as usize;
        let range = self.postings.starts[at] as usize..self.postings.starts[at + 1] as usize;
        self.postings.items[range.clone()].iter().copied().zip(self.worth[range].iter().copied())
    }
}
