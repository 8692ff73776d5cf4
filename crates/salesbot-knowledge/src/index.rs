//! BM25F: one inverted index, a weight and a length norm per field, one idf (Robertson and Zaragoza 2009).

use std::collections::HashMap;

/// A field of a section: its weight and how strongly its length counts against it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub weight: f32,
    pub b: f32,
}

/// Saturation of term frequency.
const K1: f32 = 1.2;

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    terms: HashMap<String, u32>,
    /// (section, weighted frequency before saturation) per term.
    postings: Vec<Vec<(u32, f32)>>,
    idf: Vec<f32>,
    sections: usize,
}

impl Index {
    /// `documents[section][field]` are the terms of a field.
    pub(crate) fn build(documents: &[Vec<Vec<String>>], fields: &[Field]) -> Self {
        let mut index = Self { sections: documents.len(), ..Self::default() };
        let averages: Vec<f32> = (0..fields.len())
            .map(|field| {
                let total: usize = documents.iter().map(|document| document[field].len()).sum();
                (total as f32 / documents.len().max(1) as f32).max(1.0)
            })
            .collect();
        for (section, document) in documents.iter().enumerate() {
            let mut weights: HashMap<&str, f32> = HashMap::new();
            let mut order: Vec<&str> = Vec::new();
            for (field, terms) in document.iter().enumerate() {
                let Field { weight, b } = fields[field];
                let norm = 1.0 - b + b * terms.len() as f32 / averages[field];
                for term in terms {
                    *weights.entry(term).or_insert_with(|| {
                        order.push(term);
                        0.0
                    }) += weight / norm;
                }
            }
            for term in order {
                let id = *index.terms.entry(term.to_owned()).or_insert_with(|| {
                    index.postings.push(Vec::new());
                    u32::try_from(index.postings.len() - 1).unwrap_or(u32::MAX)
                });
                index.postings[id as usize].push((u32::try_from(section).unwrap_or(u32::MAX), weights[term]));
            }
        }
        let n = documents.len() as f32;
        index.idf = index
            .postings
            .iter()
            .map(|list| (1.0 + (n - list.len() as f32 + 0.5) / (list.len() as f32 + 0.5)).ln())
            .collect();
        index
    }

    pub(crate) fn idf(&self, term: &str) -> Option<f32> {
        self.terms.get(term).map(|id| self.idf[*id as usize])
    }

    /// The idf an unknown word counts with.
    pub(crate) fn highest_idf(&self) -> f32 {
        (1.0 + (self.sections as f32 + 0.5) / 0.5).ln()
    }

    /// Adds each section's score for one term, times `factor`.
    pub(crate) fn add(&self, term: &str, factor: f32, scores: &mut [f32]) {
        let Some(id) = self.terms.get(term) else { return };
        let idf = self.idf[*id as usize];
        for (section, frequency) in &self.postings[*id as usize] {
            scores[*section as usize] += factor * idf * frequency / (K1 + frequency);
        }
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = &str> {
        self.terms.keys().map(String::as_str)
    }
}
