//! What sections speak of, learnt from themselves: words that stand in the same sections point the same way, so a
//! question is near to a section that says it in other words. Latent semantic analysis (Deerwester et al. 1990);
//! the directions are found by subspace iteration (Halko, Martinsson and Tropp 2011). Sections and words are taken
//! in the order of their names, so that the order of a folder changes nothing.

use crate::index::TermId;

/// Directions kept. On the development questions 24 to 48 do nearly as well.
const DIRECTIONS: usize = 32;
/// Rounds of the iteration; more change nothing that shows.
const ROUNDS: usize = 3;
/// A word that fewer sections have says nothing about what goes together.
const SECTIONS: usize = 2;

type Row = [f32; DIRECTIONS];

#[derive(Clone, Debug, Default)]
pub(crate) struct Themes {
    /// Of each term, its weight included; nothing for words left out.
    terms: Vec<Row>,
    /// Of each section, of length 1.
    sections: Vec<Row>,
}

impl Themes {
    /// `documents` are the terms of each section, as often as they stand there; `names` order the sections, `texts`
    /// the terms. Terms that do not `count` are left out.
    pub(crate) fn learn(
        documents: &[Vec<TermId>],
        names: &[&str],
        texts: &[Box<str>],
        counts: &dyn Fn(TermId) -> bool,
    ) -> Self {
        let mut by_name: Vec<usize> = (0..documents.len()).collect();
        by_name.sort_by_key(|at| names[*at]);
        let (rows, weights) = matrix(documents, &by_name, texts, counts);
        let mut space: Vec<Row> = texts.iter().map(|text| start(text)).collect();
        space
            .iter_mut()
            .zip(&weights)
            .filter(|(_, weight)| **weight == 0.0)
            .for_each(|(row, _)| *row = zero());
        for _ in 0..ROUNDS {
            let mut sections = project(&rows, &space);
            orthonormal(&mut sections);
            space.fill(zero());
            for (row, own) in rows.iter().zip(&sections) {
                row.iter().for_each(|(term, weight)| add(&mut space[*term as usize], *weight, own));
            }
            orthonormal(&mut space);
        }
        let mut sections = vec![zero(); documents.len()];
        for (own, at) in project(&rows, &space).into_iter().zip(by_name) {
            sections[at] = unit(own);
        }
        space.iter_mut().zip(weights).for_each(|(row, weight)| row.iter_mut().for_each(|x| *x *= weight));
        Self { terms: space, sections }
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.terms.len() + self.sections.len()) * size_of::<Row>()
    }

    /// Cosine of the words, each with a share, and every section; added up in `likeness`.
    pub(crate) fn near(&self, words: &[(TermId, f32)], likeness: &mut [f32]) {
        let mut asked = zero();
        for (term, share) in words {
            add(&mut asked, *share, &self.terms[*term as usize]);
        }
        let asked = unit(asked);
        for (section, like) in self.sections.iter().zip(likeness) {
            *like = dot(section, &asked).max(0.0);
        }
    }
}

type Sparse = Vec<Vec<(TermId, f32)>>;

/// Sections by name, the weights of their words (1 + ln frequency) · ln(1 + sections / sections that have it), each
/// section of length 1; and the second factor of every term.
fn matrix(
    documents: &[Vec<TermId>],
    by_name: &[usize],
    texts: &[Box<str>],
    counts: &dyn Fn(TermId) -> bool,
) -> (Sparse, Vec<f32>) {
    let mut frequencies: Sparse = Vec::with_capacity(documents.len());
    let mut having = vec![0_usize; texts.len()];
    for at in by_name {
        let mut terms: Vec<TermId> = documents[*at].iter().copied().filter(|term| counts(*term)).collect();
        terms.sort_by(|a, b| texts[*a as usize].cmp(&texts[*b as usize]));
        let mut row: Vec<(TermId, f32)> = Vec::new();
        for term in terms {
            match row.last_mut().filter(|(last, _)| *last == term) {
                Some((_, frequency)) => *frequency += 1.0,
                None => row.push((term, 1.0)),
            }
        }
        row.iter().for_each(|(term, _)| having[*term as usize] += 1);
        frequencies.push(row);
    }
    let all = documents.len() as f32;
    let weight =
        |having: &usize| if *having < SECTIONS { 0.0 } else { libm::logf(1.0 + all / *having as f32) };
    let weights: Vec<f32> = having.iter().map(weight).collect();
    for row in &mut frequencies {
        row.retain(|(term, _)| weights[*term as usize] > 0.0);
        for (term, value) in row.iter_mut() {
            *value = (1.0 + libm::logf(*value)) * weights[*term as usize];
        }
        let length = row.iter().map(|(_, value)| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|(_, value)| *value /= length);
    }
    (frequencies, weights)
}

/// Where a term points at first: anywhere, but always the same way (SplitMix64 of its letters).
fn start(text: &str) -> Row {
    let mut state =
        text.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte) + 1));
    let mut row = zero();
    for value in &mut row {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *value = ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
    }
    row
}

fn zero() -> Row {
    [0.0; DIRECTIONS]
}

fn add(to: &mut Row, share: f32, row: &Row) {
    for at in 0..DIRECTIONS {
        to[at] += share * row[at];
    }
}

/// Eight sums side by side, which a processor adds at once.
fn dot(a: &Row, b: &Row) -> f32 {
    let mut sums = [0.0_f32; 8];
    for at in (0..DIRECTIONS).step_by(8) {
        for lane in 0..8 {
            sums[lane] += a[at + lane] * b[at + lane];
        }
    }
    sums.iter().sum()
}

fn unit(row: Row) -> Row {
    let length = dot(&row, &row).sqrt();
    if length > 0.0 { row.map(|value| value / length) } else { row }
}

fn project(rows: &[Vec<(TermId, f32)>], space: &[Row]) -> Vec<Row> {
    let project = |row: &Vec<(TermId, f32)>| {
        let mut sum = zero();
        row.iter().for_each(|(term, weight)| add(&mut sum, *weight, &space[*term as usize]));
        sum
    };
    rows.iter().map(project).collect()
}

/// Makes the columns orthonormal by the Cholesky factor of their products; a column that depends on those before it
/// becomes zero.
fn orthonormal(rows: &mut [Row]) {
    let mut products = [[0.0_f64; DIRECTIONS]; DIRECTIONS];
    for row in rows.iter() {
        let row = row.map(f64::from);
        for (sums, a) in products.iter_mut().zip(row) {
            for at in 0..DIRECTIONS {
                sums[at] += a * row[at];
            }
        }
    }
    let whole: f64 = (0..DIRECTIONS).map(|at| products[at][at]).sum();
    // Lower factor, column by column; the diagonal as its reciprocal.
    let mut lower = [[0.0_f64; DIRECTIONS]; DIRECTIONS];
    for at in 0..DIRECTIONS {
        let rest = products[at][at] - (0..at).map(|k| lower[at][k] * lower[at][k]).sum::<f64>();
        if rest <= whole * 1e-9 {
            continue;
        }
        lower[at][at] = 1.0 / rest.sqrt();
        for below in at + 1..DIRECTIONS {
            let shared: f64 = (0..at).map(|k| lower[below][k] * lower[at][k]).sum();
            lower[below][at] = (products[below][at] - shared) * lower[at][at];
        }
    }
    for row in rows {
        let mut own = row.map(f64::from);
        // Solved column by column: what is found is taken out of all that come after it.
        for at in 0..DIRECTIONS {
            own[at] *= lower[at][at];
            for below in at + 1..DIRECTIONS {
                own[below] -= own[at] * lower[below][at];
            }
        }
        *row = own.map(|value| value as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_go_together_point_the_same_way() {
        // 0 and 1 stand together, 2 and 3; nothing stands with both.
        let documents = [vec![0, 1], vec![0, 1, 4], vec![1, 0], vec![2, 3], vec![2, 3, 4], vec![3, 2]];
        let texts: Vec<Box<str>> = ["касса", "чек", "склад", "остаток", "и"].map(Into::into).to_vec();
        let names = ["a", "b", "c", "d", "e", "f"];
        let themes = Themes::learn(&documents, &names, &texts, &|term| term != 4);
        let mut likeness = vec![0.0; documents.len()];
        themes.near(&[(1, 1.0)], &mut likeness);
        assert!(likeness[0] > 0.9 && likeness[3] < 0.1, "{likeness:?}");
    }

    #[test]
    fn few_sections_or_none_are_no_fault() {
        for documents in [vec![], vec![vec![0]], vec![vec![0], vec![0], vec![]]] {
            let names = vec!["a"; documents.len()];
            let themes = Themes::learn(&documents, &names, &["касса".into()], &|_| true);
            let mut likeness = vec![0.0; documents.len()];
            themes.near(&[(0, 1.0)], &mut likeness);
            assert!(likeness.iter().all(|like| like.is_finite()), "{likeness:?}");
        }
    }
}
