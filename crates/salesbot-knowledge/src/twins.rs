//! Sections that say nearly the same: of each group the one that fits a question best is shown.

use std::collections::HashMap;

use crate::index::TermId;

/// Two facts with so much of their words in common (Jaccard) are one.
const ALIKE: f32 = 0.80;

/// Pairs of sections whose facts are alike, each pair in load order. `facts` are the terms of each; two that differ
/// in a number or a model speak of different things.
pub(crate) fn pairs(facts: &[&[TermId]], is_code: &dyn Fn(TermId) -> bool) -> Vec<(u32, u32)> {
    let mut common: HashMap<TermId, u32> = HashMap::new();
    let sets: Vec<Vec<TermId>> = facts
        .iter()
        .map(|terms| {
            let mut set = terms.to_vec();
            set.sort_unstable();
            set.dedup();
            set.iter().for_each(|term| *common.entry(*term).or_default() += 1);
            set
        })
        .collect();
    // Alike sets share one of the rarest words of each: so many of them that the rest could not make up for it.
    let mut holders: HashMap<TermId, Vec<u32>> = HashMap::new();
    let mut found = Vec::new();
    for (at, set) in (0_u32..).zip(&sets) {
        let mut rarest = set.clone();
        rarest.sort_by_key(|term| (common[term], *term));
        rarest.truncate(set.len() - (ALIKE * set.len() as f32).ceil() as usize + 1);
        let mut near: Vec<u32> =
            rarest.iter().filter_map(|term| holders.get(term)).flatten().copied().collect();
        near.sort_unstable();
        near.dedup();
        let codes =
            |set: &[TermId]| -> Vec<TermId> { set.iter().copied().filter(|term| is_code(*term)).collect() };
        let own = codes(set);
        let twin = |other: &u32| alike(set, &sets[*other as usize]) && own == codes(&sets[*other as usize]);
        found.extend(near.into_iter().filter(twin).map(|other| (other, at)));
        for term in rarest {
            holders.entry(term).or_default().push(at);
        }
    }
    found.sort_unstable();
    found
}

fn alike(a: &[TermId], b: &[TermId]) -> bool {
    let shared = a.iter().filter(|term| b.binary_search(term).is_ok()).count();
    !a.is_empty() && shared as f32 >= ALIKE * (a.len() + b.len() - shared) as f32
}

/// For each section the number of its group of near duplicates; of a group the best for a question is shown.
pub(crate) fn groups(pairs: &[(u32, u32)], sections: usize) -> Vec<u32> {
    let mut groups: Vec<u32> = (0..).take(sections).collect();
    fn first(groups: &mut [u32], at: u32) -> u32 {
        let mut top = at;
        while groups[top as usize] != top {
            top = groups[top as usize];
        }
        groups[at as usize] = top;
        top
    }
    for (a, b) in pairs {
        let (a, b) = (first(&mut groups, *a), first(&mut groups, *b));
        groups[a.max(b) as usize] = a.min(b);
    }
    for at in (0..).take(sections) {
        first(&mut groups, at);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_facts_make_a_pair() {
        let facts: Vec<Vec<TermId>> =
            vec![(0..10).collect(), (0..9).collect(), (0..5).collect(), (1..10).collect()];
        let facts: Vec<&[TermId]> = facts.iter().map(Vec::as_slice).collect();
        assert_eq!(pairs(&facts, &|_| false), [(0, 1), (0, 3), (1, 3)]);
        // The first is a model: the last section speaks of another.
        assert_eq!(pairs(&facts, &|term| term == 0), [(0, 1)]);
    }
}
