//! Ranks sections for a question: word BM25F and letter-piece BM25F, fused; a soft boost for the expected
//! categories; abstention when the best section covers too little of what was asked.

use std::collections::{BTreeSet, HashSet};

use crate::index::{Field, Index};
use crate::section::{Knowledge, Section, Sentence};
use crate::words::{pieces, stem, stems};

/// Fields in this order: keywords, facts, questions (knowledge reference, 7.2).
const FIELDS: [Field; 3] =
    [Field { weight: 1.0, b: 0.90 }, Field { weight: 1.5, b: 0.75 }, Field { weight: 1.2, b: 0.75 }];
/// Share of the letter pieces in the fused score.
const PIECES_SHARE: f32 = 0.7;
/// Factor on sections of an expected category.
const CATEGORY_BOOST: f32 = 1.15;
/// Factor on the section that answers an intent in general; a special question still beats it.
const LEAD_BOOST: f32 = 1.6;
/// Factor on a section that was just cited.
const CITED: f32 = 0.85;
/// Factors on sections with and without a sum, when a price is asked.
const WITH_SUM: f32 = 1.15;
const WITHOUT_SUM: f32 = 0.8;
/// A whole keyword phrase of two words or more stands in the question.
const PHRASE_BONUS: f32 = 0.15;
/// Below this share of the question's weight the bot says it does not know (knowledge reference, 7.7).
pub const MIN_COVERAGE: f32 = 0.35;

#[derive(Clone, Debug)]
pub struct Retriever {
    pub knowledge: Knowledge,
    words: Index,
    letters: Index,
    /// Stems of every keyword phrase of two words or more, per section.
    phrases: Vec<Vec<Vec<String>>>,
    stop: HashSet<String>,
    /// Stems of each section, for coverage.
    own: Vec<HashSet<String>>,
}

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    pub text: String,
    /// Categories the intent speaks of; a preference, not a filter.
    pub categories: Vec<String>,
    /// Sections just cited: they stand behind equally good fresh ones.
    pub cited: Vec<String>,
    /// Topic of the section that answers this kind of question in general.
    pub lead: Option<String>,
    /// The question wants an amount: sections that hold a sum of money come first.
    pub wants_price: bool,
}

/// A ranked section with every part of its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage<'k> {
    pub section: &'k Section,
    pub score: f32,
    pub word: f32,
    pub letter: f32,
    /// Share of the question's idf mass that this section matches, 0 to 1.
    pub coverage: f32,
    pub matched: Vec<String>,
}

impl Retriever {
    /// Builds the index. `stop_words` are left out of scoring.
    pub fn new(knowledge: Knowledge, stop_words: &[String]) -> Self {
        let fields = |make: &dyn Fn(&str) -> Vec<String>| -> Vec<Vec<Vec<String>>> {
            let join = |texts: &[String]| texts.iter().flat_map(|text| make(text)).collect::<Vec<_>>();
            let sections = knowledge.sections.iter();
            sections
                .map(|section| vec![join(&section.keywords), make(&section.facts), join(&section.questions)])
                .collect()
        };
        let word_fields = fields(&stems);
        let words = Index::build(&word_fields, &FIELDS);
        let letters = Index::build(&fields(&pieces), &FIELDS);
        let phrases = knowledge
            .sections
            .iter()
            .map(|section| {
                section
                    .keywords
                    .iter()
                    .map(|keyword| stems(keyword))
                    .filter(|phrase| phrase.len() > 1)
                    .collect()
            })
            .collect();
        let stop = stop_words.iter().map(|word| stem(word)).collect();
        let own = word_fields.iter().map(|fields| fields.iter().flatten().cloned().collect()).collect();
        Self { knowledge, words, letters, phrases, stop, own }
    }

    /// The best `limit` sections, best first. Sensitive sections never come back.
    pub fn search(&self, query: &Query, limit: usize) -> Vec<Passage<'_>> {
        let asked = self.asked_stems(&query.text);
        if asked.is_empty() || self.knowledge.sections.is_empty() {
            return Vec::new();
        }
        let count = self.knowledge.sections.len();
        let mut word = vec![0.0_f32; count];
        for term in &asked {
            self.words.add(term, 1.0, &mut word);
        }
        let mut letter = vec![0.0_f32; count];
        for piece in pieces(&query.text).into_iter().collect::<BTreeSet<_>>() {
            self.letters.add(&piece, 1.0, &mut letter);
        }
        let top = |scores: &[f32]| scores.iter().copied().fold(0.0_f32, f32::max).max(1e-6);
        let (top_word, top_letter) = (top(&word), top(&letter));
        let mut ranked: Vec<(f32, usize)> = (0..count)
            .filter(|at| word[*at] > 0.0 || letter[*at] > 0.3 * top_letter)
            .filter(|at| !self.knowledge.sections[*at].sensitive)
            .map(|at| (self.fuse(at, word[at] / top_word, letter[at] / top_letter, &asked, query), at))
            .collect();
        let priority = |at: usize| std::cmp::Reverse(self.knowledge.sections[at].priority);
        ranked
            .sort_by(|a, b| b.0.total_cmp(&a.0).then(priority(a.1).cmp(&priority(b.1))).then(a.1.cmp(&b.1)));
        ranked.truncate(limit);
        ranked.into_iter().map(|(score, at)| self.passage(at, score, word[at], letter[at], &asked)).collect()
    }

    fn fuse(&self, at: usize, word: f32, letter: f32, asked: &[String], query: &Query) -> f32 {
        let section = &self.knowledge.sections[at];
        let mut score = word + PIECES_SHARE * letter;
        if self.phrases[at]
            .iter()
            .any(|phrase| phrase.iter().all(|stem| asked.contains(stem) || self.stop.contains(stem)))
        {
            score += PHRASE_BONUS;
        }
        if query.categories.contains(&section.category) {
            score *= CATEGORY_BOOST;
        }
        if query.lead.as_ref() == Some(&section.topic) {
            score *= LEAD_BOOST;
        }
        if query.wants_price {
            score *= if section.facts.contains('₸') { WITH_SUM } else { WITHOUT_SUM };
        }
        if query.cited.contains(&section.id) {
            score *= CITED;
        }
        score
    }

    fn passage(&self, at: usize, score: f32, word: f32, letter: f32, asked: &[String]) -> Passage<'_> {
        let section = &self.knowledge.sections[at];
        let own = &self.own[at];
        let weight = |term: &String| self.words.idf(term).unwrap_or(self.words.highest_idf());
        let total: f32 = asked.iter().map(weight).sum();
        let matched: Vec<String> = asked.iter().filter(|term| own.contains(*term)).cloned().collect();
        let coverage = matched.iter().map(weight).sum::<f32>() / total.max(1e-6);
        Passage { section, score, word, letter, coverage, matched }
    }

    /// Whether anything in the text can be looked up: "ну и что там?" is stop words alone.
    pub fn names_something(&self, text: &str) -> bool {
        stems(text).iter().any(|stem| !self.stop.contains(stem))
    }

    /// Distinct stems of a question without stop words; all of them if nothing else is left.
    fn asked_stems(&self, text: &str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let all: Vec<String> = stems(text).into_iter().filter(|stem| seen.insert(stem.clone())).collect();
        let rest: Vec<String> = all.iter().filter(|stem| !self.stop.contains(*stem)).cloned().collect();
        if rest.is_empty() { all } else { rest }
    }

    /// How well a sentence (its list lines included) fits the question: idf of the shared stems.
    pub fn sentence_score(&self, sentence: &Sentence, question: &str) -> f32 {
        let asked = self.asked_stems(question);
        let text = format!("{} {}", sentence.text, sentence.items.join(" "));
        let own: HashSet<String> = stems(&text).into_iter().collect();
        asked.iter().filter(|term| own.contains(*term)).map(|term| self.words.idf(term).unwrap_or(0.0)).sum()
    }

    /// Size of the vocabulary, for `kb info`.
    pub fn vocabulary_size(&self) -> usize {
        self.words.terms().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnowledgeSources;
    use salesbot_yaml::{Diagnostics, SourceFile};

    fn retriever() -> Retriever {
        let meta = SourceFile::new(
            "_meta.yaml",
            "company: {name: Wipon, description: касса}\nstats: {total_sections: 3}\n",
        );
        let file = SourceFile::new(
            "pricing.yaml",
            "sections:
  - {topic: mini, keywords: [тариф мини, цена мини], facts: 'Тариф Mini стоит 5 000 ₸ в месяц.'}
  - {topic: delivery, keywords: [доставка, сроки доставки], facts: 'Доставка по Казахстану занимает 3 дня.'}
  - {topic: scanner, keywords: [сканер штрихкода], facts: 'Сканер стоит 17 000 ₸.', sensitive: true}
",
        );
        let mut diagnostics = Diagnostics::default();
        let sources = KnowledgeSources { meta: Some(meta), files: vec![file] };
        let knowledge = Knowledge::load(&sources, true, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics}");
        Retriever::new(knowledge, &["в".to_owned(), "на".to_owned()])
    }

    fn first(query: &str) -> Option<String> {
        let retriever = retriever();
        let query = Query { text: query.to_owned(), ..Query::default() };
        retriever.search(&query, 1).first().map(|passage| passage.section.topic.clone())
    }

    #[test]
    fn inflected_and_mistyped_questions_find_their_section() {
        assert_eq!(first("сколько стоит тарифа мини").as_deref(), Some("mini"));
        assert_eq!(first("доствка есть").as_deref(), Some("delivery"));
    }

    #[test]
    fn sensitive_sections_stay_inside() {
        assert_ne!(first("сканер штрихкода").as_deref(), Some("scanner"));
    }

    #[test]
    fn a_foreign_question_is_hardly_covered() {
        let retriever = retriever();
        let query = Query { text: "какая погода в Париже".to_owned(), ..Query::default() };
        assert!(retriever.search(&query, 1).first().is_none_or(|passage| passage.coverage < MIN_COVERAGE));
    }
}
