//! The seats of the models: vectors join the ranking by reciprocal ranks, a reranker is asked where the words
//! alone are unsure (knowledge reference, 7.5 to 7.7). Without models, or when they fail, the words stand.

use std::collections::HashMap;

use crate::section::Knowledge;

/// A model that did not answer, and why. The search goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// Turns texts into vectors of one length whose cosine is their likeness.
pub trait Embedder: Send + Sync {
    /// The model with everything its vectors depend on: vectors of different models are never compared.
    fn model(&self) -> &str;

    /// # Errors
    /// [`Unavailable`] when the model does not answer in its time.
    fn query(&self, text: &str) -> Result<Vec<f32>, Unavailable>;

    /// One vector a text, in order.
    ///
    /// # Errors
    /// [`Unavailable`] when the model does not answer in its time.
    fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Unavailable>;
}

/// Reads a question and a passage together.
pub trait Reranker: Send + Sync {
    /// How well each passage answers the question, 0 to 1, in order.
    ///
    /// # Errors
    /// [`Unavailable`] when the model does not answer in its time.
    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, Unavailable>;
}

/// Vectors of the sections, of length 1 each, made by one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    pub model: String,
    width: usize,
    values: Vec<f32>,
}

/// The models a search may spend.
#[derive(Clone, Copy, Default)]
pub struct Helpers<'a> {
    /// With the vectors of the sections.
    pub embedder: Option<(&'a dyn Embedder, &'a Vectors)>,
    pub reranker: Option<&'a dyn Reranker>,
}

/// Constant of the reciprocal ranks (Cormack, Clarke and Büttcher 2009).
const RANK: f32 = 60.0;
/// Ranks of each list that count.
pub(crate) const DEPTH: usize = 50;
/// What a whole keyword of two words or more inside the question counts for, in first ranks.
const PHRASE: f32 = 0.5;

impl Vectors {
    /// Keywords that are embedded behind the facts.
    const KEYWORDS: usize = 8;

    /// What of each section is embedded: the facts and some keywords of two words or more.
    pub fn texts(knowledge: &Knowledge) -> Vec<String> {
        let text = |section: &crate::section::Section| {
            let long = section.keywords.iter().filter(|keyword| keyword.trim().contains(' '));
            let keywords: Vec<&str> = long.map(String::as_str).take(Self::KEYWORDS).collect();
            [section.facts.as_str(), &keywords.join(", ")].join("\n")
        };
        knowledge.sections.iter().map(text).collect()
    }

    /// Embeds every section; minutes on a CPU, so never at a start.
    ///
    /// # Errors
    /// [`Unavailable`] when the model fails, or gives vectors of different lengths.
    pub fn of(knowledge: &Knowledge, embedder: &dyn Embedder) -> Result<Self, Unavailable> {
        let texts = Self::texts(knowledge);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = embedder.passages(&texts)?;
        let width = found.first().map_or(0, Vec::len);
        if found.len() != texts.len() || found.iter().any(|vector| vector.len() != width) {
            return Err(Unavailable("the model gave vectors of different lengths".to_owned()));
        }
        let values = found.into_iter().flat_map(|vector| unit(&vector)).collect();
        Ok(Self { model: embedder.model().to_owned(), width, values })
    }

    /// Cosine of each section with the question; nothing when the vectors do not belong together.
    pub(crate) fn cosines(&self, question: &[f32]) -> Option<Vec<f32>> {
        if question.len() != self.width || self.width == 0 {
            return None;
        }
        let question = unit(question);
        let product = |row: &[f32]| row.iter().zip(&question).map(|(a, b)| a * b).sum();
        Some(self.values.chunks_exact(self.width).map(product).collect())
    }
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    vector.iter().map(|value| value / length).collect()
}

/// Joins the ranking by words with the ranking by vectors: sections with their sum of reciprocal ranks, best first.
/// `phrase` tells whether a whole keyword of the section stands in the question.
pub(crate) fn fuse(
    lexical: &[(f32, usize)],
    dense: &[(f32, usize)],
    weight: f32,
    phrase: &dyn Fn(usize) -> bool,
) -> Vec<(f32, usize)> {
    let mut sums: HashMap<usize, f32> = HashMap::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (list, share) in [(lexical, 1.0), (dense, weight)] {
        for (rank, (_, at)) in list.iter().take(DEPTH).enumerate() {
            *sums.entry(*at).or_default() += share / (RANK + rank as f32 + 1.0);
            let next = places.len();
            places.entry(*at).or_insert(next);
        }
    }
    for (at, sum) in &mut sums {
        if phrase(*at) {
            *sum += PHRASE / (RANK + 1.0);
        }
    }
    let mut ranked: Vec<(f32, usize)> = sums.into_iter().map(|(at, sum)| (sum, at)).collect();
    // Equal sums stand in the order of the words.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(places[&a.1].cmp(&places[&b.1])));
    ranked
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::retriever::{Language, RetrieverOptions};
    use crate::{KnowledgeSources, Query, Retriever};
    use salesbot_yaml::{Diagnostics, SourceFile};

    #[test]
    fn a_section_high_in_both_lists_comes_first() {
        let lexical = [(2.0, 7), (1.9, 3), (1.0, 5)];
        let dense = [(0.9, 3), (0.8, 5), (0.7, 1)];
        let order = |weight| -> Vec<usize> {
            fuse(&lexical, &dense, weight, &|_| false).into_iter().map(|(_, at)| at).collect()
        };
        assert_eq!(order(1.0), [3, 5, 7, 1]);
        assert_eq!(order(0.0)[..3], [7, 3, 5]);
    }

    /// Knows that "прилавок" and "моноблок" are near, as a model would; the rest are letters.
    struct Fake;

    impl Fake {
        fn vector(text: &str) -> Vec<f32> {
            let mut vector = vec![0.0; 40];
            let text = text.to_lowercase().replace("прилавок", "моноблок моноблок моноблок");
            text.chars().filter(|c| c.is_alphabetic()).for_each(|c| vector[c as usize % 40] += 1.0);
            vector
        }
    }

    impl Embedder for Fake {
        fn model(&self) -> &str {
            "letters"
        }

        fn query(&self, text: &str) -> Result<Vec<f32>, Unavailable> {
            Ok(Self::vector(text))
        }

        fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Unavailable> {
            Ok(texts.iter().map(|text| Self::vector(text)).collect())
        }
    }

    struct Broken;

    impl Embedder for Broken {
        fn model(&self) -> &str {
            "letters"
        }

        fn query(&self, _: &str) -> Result<Vec<f32>, Unavailable> {
            Err(Unavailable("timeout".to_owned()))
        }

        fn passages(&self, _: &[&str]) -> Result<Vec<Vec<f32>>, Unavailable> {
            Err(Unavailable("timeout".to_owned()))
        }
    }

    /// Holds the passages with a word for the best, and counts how often it is asked.
    struct Likes(&'static str, AtomicUsize);

    impl Reranker for Likes {
        fn scores(&self, _: &str, passages: &[&str]) -> Result<Vec<f32>, Unavailable> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(passages.iter().map(|text| if text.contains(self.0) { 0.9 } else { 0.05 }).collect())
        }
    }

    fn retriever() -> Retriever {
        let meta = "company: {name: Wipon, description: касса}\nstats: {total_sections: 4}\n";
        let file = "sections:
  - {topic: mono, keywords: [моноблок], facts: 'Моноблок стоит на столе и печатает чеки.'}
  - {topic: scanner, keywords: [сканер], facts: 'Сканер читает коды и стоит на подставке.'}
  - {topic: printer, keywords: [принтер чеков], facts: 'Принтер печатает чеки.'}
  - {topic: scales, keywords: [весы], facts: 'Весы взвешивают товар.'}
";
        let sources = KnowledgeSources {
            meta: Some(SourceFile::new("_meta.yaml", meta)),
            files: vec![SourceFile::new("equipment.yaml", file)],
        };
        let mut diagnostics = Diagnostics::default();
        let knowledge = Knowledge::load(&sources, true, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics}");
        Retriever::new(knowledge, Language { stop_words: vec!["на".to_owned()], ..Language::default() })
    }

    fn topics(retriever: &Retriever, text: &str, helpers: Helpers<'_>) -> (Vec<String>, Vec<String>, bool) {
        let options = RetrieverOptions { min_cosine: 0.3, ..RetrieverOptions::default() };
        let query = Query { text: text.to_owned(), options, ..Query::default() };
        let found = retriever.search_with(&query, 4, helpers);
        let topics = found.passages.iter().map(|passage| passage.section.topic.clone()).collect();
        (topics, found.degraded, found.abstained)
    }

    #[test]
    fn vectors_bring_what_no_word_finds() {
        let retriever = retriever();
        let vectors = Vectors::of(&retriever.knowledge, &Fake).expect("the fake answers");
        assert!(topics(&retriever, "прилавок", Helpers::default()).2);
        let helpers = Helpers { embedder: Some((&Fake, &vectors)), reranker: None };
        let (found, degraded, abstained) = topics(&retriever, "прилавок", helpers);
        assert_eq!((found[0].as_str(), degraded.len(), abstained), ("mono", 0, false));
    }

    #[test]
    fn without_its_models_the_words_stand() {
        let retriever = retriever();
        let vectors = Vectors::of(&retriever.knowledge, &Fake).expect("the fake answers");
        let words = topics(&retriever, "чеки печатает", Helpers::default());
        let broken = Helpers { embedder: Some((&Broken, &vectors)), reranker: None };
        let (found, degraded, _) = topics(&retriever, "чеки печатает", broken);
        assert_eq!((found, degraded), (words.0.clone(), vec!["dense: timeout".to_owned()]));
        let other = Vectors { model: "another".to_owned(), ..vectors };
        let foreign = Helpers { embedder: Some((&Fake, &other)), reranker: None };
        assert_eq!(topics(&retriever, "чеки печатает", foreign).0, words.0);
    }

    #[test]
    fn the_reranker_is_spent_where_words_are_unsure() {
        let retriever = retriever();
        let reranker = Likes("столе", AtomicUsize::new(0));
        let helpers = Helpers { embedder: None, reranker: Some(&reranker) };
        assert_eq!(topics(&retriever, "весы", helpers).0[0], "scales");
        assert_eq!(reranker.1.load(Ordering::Relaxed), 0, "sure enough without it");
        assert_eq!(topics(&retriever, "печатает чеки", helpers).0[0], "mono");
        assert_eq!(reranker.1.load(Ordering::Relaxed), 1);
    }
}
