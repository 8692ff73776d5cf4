//! Ranks sections for a question: how much of it a section covers, BM25F over letter pieces and over concepts, the
//! nearest keyword or question of a section and its themes, fused; a soft boost for the expected categories;
//! abstention when the best section knows too little of what was asked.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use crate::asked::Correction;
use crate::asked::{Asked, Known, Word};
use crate::clients::{Clients, Factors};
use crate::concepts::{ConceptId, Concepts, fold};
use crate::dense::{self, Helpers, Unavailable};
use crate::index::{Field, Index, Lists, TermId, Terms};
use crate::section::{Knowledge, Section, Sentence};
use crate::spell::Speller;
use crate::themes::Themes;
use crate::twins;
use crate::words::{Piece, forms, pieces, stem, stems, words};

/// Fields in this order: keywords, facts, questions.
const WORD_FIELDS: [Field; 3] =
    [Field { weight: 1.0, b: 0.90 }, Field { weight: 1.5, b: 0.75 }, Field { weight: 1.2, b: 0.75 }];
const LETTER_FIELDS: [Field; 3] = WORD_FIELDS;
const CONCEPT_FIELDS: [Field; 3] = WORD_FIELDS;
/// What the parts of the score count for. Letter pieces, divided by the best of all sections …
const LETTERS: f32 = 1.0;
/// … and concepts, likewise. As they are, 0 to 1: the share of the question that the section covers …
const CONCEPTS: f32 = 1.3;
const COVERED: f32 = 1.3;
/// … its likeness with the nearest keyword or question …
const NEAREST: f32 = 0.9;
/// … and with the themes of the section.
const THEMES: f32 = 1.5;
/// A word that stands in every question counts so much in the likeness of two phrases.
const STOP_SHARE: f32 = 0.15;
/// Factor on sections of an expected category.
const CATEGORY_BOOST: f32 = 1.15;
/// Factor on the section that answers an intent in general; a special question still beats it.
const LEAD_BOOST: f32 = 1.6;
/// Factor on a section that was just cited.
const CITED: f32 = 0.85;
/// Factors on sections with and without a sum, when a price is asked.
const WITH_SUM: f32 = 1.15;
const WITHOUT_SUM: f32 = 0.8;
/// Factors on a section about one kind of business …
const OF_A_TRADE: Factors = Factors { own: 1.0, unknown: 0.65, other: 0.65 };
/// … and about one town.
const OF_A_TOWN: Factors = Factors { own: 1.15, unknown: 0.92, other: 0.7 };
/// … and about something sold beside the programme, which nobody asked for.
const OF_AN_EXTRA: Factors = Factors { own: 1.0, unknown: 0.88, other: 0.88 };
/// Factor on a section that does not speak of the subject.
const OTHER_SUBJECT: f32 = 0.65;
/// … and of nothing that the question takes over from before and must have; in between by the share it has.
const OTHER_THING: f32 = 0.4;
/// What a word counts for that the question takes over from the talk before it, though it names a thing itself.
const BESIDE: f32 = 0.5;
/// What a word counts for in the coverage of a section that has another word for it.
const MEANT: f32 = 0.8;
/// Sections that are put in order; nobody looks further down.
const RANKED: usize = 200;
/// Sections the reranker reads.
const RERANKED: usize = 20;
/// From this score of the reranker a section is an answer though few words agree.
const SURE_RERANK: f32 = 0.10;
/// Shares of coverage, themes, words at home and letters in what a section knows of a question: a logistic regression
/// over questions of clients and foreign requests, rounded.
const KNOWN: [f32; 4] = [0.35, 0.15, 0.30, 0.20];
/// So many words that stand in every section make a question fully at home; rarer ones count for less.
const AT_HOME: f32 = 2.0;
/// Where the best section knows less of the question, the bot says that it does not know (`kb eval --calibrate`).
pub const MIN_COVERAGE: f32 = 0.45;

#[derive(Clone, Debug)]
pub struct Retriever {
    pub knowledge: Knowledge,
    terms: Terms<Box<str>>,
    words: Index,
    pieces: Terms<Piece>,
    letters: Index,
    /// Concepts of the sections: what is meant, in whatever words.
    concepts: Index,
    language: Language,
    small_talk: HashSet<ConceptId>,
    phrases: Phrases,
    /// Terms of each section, ascending, and its concepts.
    own: Lists,
    own_concepts: Lists,
    themes: Themes,
    /// Group of near duplicates of each section.
    twins: Vec<u32>,
    stop: HashSet<String>,
    /// Stems of names in small letters.
    names: HashSet<String>,
    speller: Speller,
    /// Trades, towns and extras that a section is about.
    clients: [Clients; 3],
    /// Stems of words that are right as they are, though no section has them.
    dictionary: HashSet<String>,
}

/// Choices of the deployment (`retriever.*`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrieverOptions {
    pub min_coverage: f32,
    pub category_boost: f32,
    /// A lead over the next section from which the reranker is not asked.
    pub confident_margin: f32,
    /// Share of the vectors in the fused ranking beside 1 for the words.
    pub dense_weight: f32,
    /// From this cosine a section is an answer though few words agree.
    pub min_cosine: f32,
    /// Words nobody knows are read over slips, layout and transliteration.
    pub typo: bool,
}

impl Default for RetrieverOptions {
    fn default() -> Self {
        Self {
            min_coverage: MIN_COVERAGE,
            category_boost: CATEGORY_BOOST,
            confident_margin: 0.35,
            dense_weight: 1.0,
            min_cosine: 0.60,
            typo: true,
        }
    }
}

/// What the search must know of the language, whatever the sections say.
#[derive(Clone, Debug, Default)]
pub struct Language {
    /// Words that stand in every question: left out of scoring.
    pub stop_words: Vec<String>,
    /// Words that name a kind of business, one list a kind.
    pub trades: Vec<Vec<String>>,
    /// Words that name a town, one list a town.
    pub towns: Vec<Vec<String>>,
    /// Words that name something sold beside the programme, one list each.
    pub extras: Vec<Vec<String>>,
    /// Names of things as people write them in small letters.
    pub names: Vec<String>,
    /// Words that mean the same …
    pub concepts: Arc<Concepts>,
    /// … and those of them that speak of the talk, not of a thing: thanks, jokes, the weather.
    pub small_talk: Vec<String>,
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
    /// What the client said before: of which business the talk is.
    pub about: String,
    /// What the question is about; one of the words that the question or what it follows shares with it must be in
    /// the answer.
    pub subject: String,
    /// What the question takes over from the talk before it ("а сколько он стоит?").
    pub before: Option<Before>,
    /// The question wants an amount: sections that hold a sum of money come first.
    pub wants_price: bool,
    /// Days since 1970: sections outside their dates are not found. All are where it is not given.
    pub today: Option<i32>,
    pub options: RetrieverOptions,
}

/// What a question follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub words: String,
    /// The question names no thing itself: one of these words must be in the answer. Empty where it may do without.
    pub must: String,
}

/// What was found for a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found<'k> {
    /// Best first.
    pub passages: Vec<Passage<'k>>,
    pub corrections: Vec<Correction>,
    /// Names in the question that no section holds: the bot must not speak as if it knew them.
    pub unknown_names: Vec<String>,
    /// How far the best stands before the next, 0 to 1.
    pub margin: f32,
    /// How much of the question the best section knows, 0 to 1 …
    pub known: f32,
    /// … and whether that is too little for an answer.
    pub abstained: bool,
    /// Models that were wanted and did not answer.
    pub degraded: Vec<String>,
}

/// A ranked section with every part of its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage<'k> {
    pub section: &'k Section,
    pub score: f32,
    /// BM25F over letter pieces, as a share of what those of the question could be worth, 0 to 1.
    pub letter: f32,
    /// BM25F over concepts, likewise.
    pub concept: f32,
    /// Likeness of what it speaks of in all, 0 to 1.
    pub theme: f32,
    /// Likeness of the nearest keyword or question of the section, 0 to 1.
    pub nearest: f32,
    /// Share of the question's idf mass that this section matches, 0 to 1.
    pub coverage: f32,
    /// How much the question's words belong to what the sections speak of, 0 to 1; the same for all passages.
    pub home: f32,
    /// Cosine of the vectors, where there are some.
    pub dense: Option<f32>,
    /// What the reranker gave, where it was asked.
    pub rerank: Option<f32>,
    pub matched: Vec<String>,
}

impl Passage<'_> {
    /// How much of the question it knows, 0 to 1: its coverage, borne out by what the question speaks of in all.
    pub fn known(&self) -> f32 {
        let [coverage, theme, home, letter] = KNOWN;
        coverage * self.coverage + theme * self.theme + home * self.home + letter * self.letter
    }
}

/// How large an index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub stems: usize,
    /// Sections of all stems together.
    pub stem_places: usize,
    pub pieces: usize,
    pub piece_places: usize,
    /// Keywords and questions.
    pub phrases: usize,
    /// About so much memory, the sections themselves left out.
    pub bytes: usize,
}

/// A ranking after the models.
#[derive(Default)]
struct Spent {
    ranked: Vec<(f32, usize)>,
    cosines: Option<Vec<f32>>,
    reranked: HashMap<usize, f32>,
    degraded: Vec<String>,
}

/// Keywords and questions of all sections as sets of terms.
#[derive(Clone, Debug, Default)]
struct Phrases {
    /// Phrases that hold a term.
    with: Lists,
    /// Of each phrase: its section, and what its words weigh together.
    of: Vec<(u32, f32)>,
}

/// Scores of one query, kept between queries so that none allocates by the number of sections.
#[derive(Default)]
struct Scores {
    letter: Vec<f32>,
    concept: Vec<f32>,
    theme: Vec<f32>,
    /// Share of the question's weight that each section holds.
    covered: Vec<f32>,
    nearest: Vec<f32>,
    /// What one word counts for in each section, and what one phrase shares with the question.
    held: Vec<f32>,
    phrase: Vec<f32>,
    touched: Vec<u32>,
    /// What letters and concepts of the question itself could be worth at most.
    letters_whole: f32,
    concepts_whole: f32,
}

thread_local! {
    static SCORES: RefCell<Scores> = RefCell::default();
}

impl Retriever {
    /// Builds the index.
    pub fn new(knowledge: Knowledge, language: Language) -> Self {
        let stop: HashSet<String> = language.stop_words.iter().map(|word| stem(word)).collect();
        let mut vocabulary = Vocabulary::default();
        let sections = &knowledge.sections;
        let texts: Vec<[Vec<Vec<u32>>; 3]> = sections
            .iter()
            .map(|section| {
                [
                    section.keywords.iter().map(|text| vocabulary.words(text)).collect(),
                    vec![vocabulary.words(&section.facts)],
                    section.questions.iter().map(|text| vocabulary.words(text)).collect(),
                ]
            })
            .collect();
        let documents = |of: &[Vec<TermId>]| -> Vec<Vec<Vec<TermId>>> {
            let field = |phrases: &Vec<Vec<u32>>| {
                phrases.iter().flatten().flat_map(|word| of[*word as usize].iter().copied()).collect()
            };
            texts.iter().map(|fields| fields.iter().map(field).collect()).collect()
        };
        let word_documents = documents(&vocabulary.forms);
        let index = Index::build(&word_documents, &WORD_FIELDS, vocabulary.terms.len());
        let letters = Index::build(&documents(&vocabulary.parts), &LETTER_FIELDS, vocabulary.pieces.len());
        let meant = vocabulary.concepts(&texts, &language.concepts);
        let own_concepts = distinct(&meant);
        let concepts = Index::build(&meant, &CONCEPT_FIELDS, language.concepts.len());
        let known = vocabulary.terms.list();
        let weight = |term: TermId| {
            index.idf(term) * if stop.contains(&*known[term as usize]) { STOP_SHARE } else { 1.0 }
        };
        let phrases = Phrases::of(&texts, &vocabulary, &weight);
        let facts = || sections.iter().map(|section| section.facts.as_str());
        let trades = Clients::new(&language.trades, facts(), OF_A_TRADE);
        let towns = Clients::new(&language.towns, facts(), OF_A_TOWN);
        // What a section is about stands in its first sentence; further on it names extras in passing.
        let first = |section: &'_ Section| section.sentences.first().map(|sentence| sentence.text.clone());
        let firsts: Vec<String> = sections.iter().map(|section| first(section).unwrap_or_default()).collect();
        let extras = Clients::new(&language.extras, firsts.iter().map(String::as_str), OF_AN_EXTRA);
        let facts: Vec<&[TermId]> = word_documents.iter().map(|fields| &*fields[1]).collect();
        let is_code = |term: TermId| known[term as usize].chars().any(|c| c.is_ascii_digit());
        let spoken: Vec<Vec<TermId>> = word_documents.iter().map(|fields| fields.concat()).collect();
        let names: Vec<&str> = sections.iter().map(|section| section.id.as_str()).collect();
        let counts = |term: TermId| !stop.contains(&*known[term as usize]);
        let themes = Themes::learn(&spoken, &names, &known, &counts);
        let twins = twins::groups(&twins::pairs(&facts, &is_code), sections.len());
        Self {
            own: distinct(&word_documents),
            own_concepts,
            themes,
            speller: Speller::new(known),
            terms: vocabulary.terms,
            pieces: vocabulary.pieces,
            words: index,
            knowledge,
            letters,
            concepts,
            phrases,
            twins,
            stop,
            clients: [trades, towns, extras],
            names: language.names.iter().map(|name| stem(name)).collect(),
            small_talk: language.small_talk.iter().filter_map(|name| language.concepts.id(name)).collect(),
            language,
            dictionary: HashSet::new(),
        }
    }

    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Names in the text that no section holds, as they are written there: the bot must not speak as if it knew them.
    pub fn unknown_names(&self, text: &str) -> Vec<String> {
        self.read(text, true).unknown_names
    }

    /// Words of the language: none of them is taken for a slip of a word that a section has.
    pub fn learn<'t>(&mut self, words: impl IntoIterator<Item = &'t str>) {
        let stems = words.into_iter().map(stem);
        self.dictionary.extend(stems.filter(|stem| self.terms.get(&**stem).is_none()));
    }

    /// The best `limit` sections by their words, best first. Sensitive sections never come back.
    pub fn search(&self, query: &Query, limit: usize) -> Found<'_> {
        self.search_with(query, limit, Helpers::default())
    }

    /// The same with models: vectors always, the reranker where words and vectors leave it unsure.
    pub fn search_with(&self, query: &Query, limit: usize, helpers: Helpers<'_>) -> Found<'_> {
        let asked = self.read(&query.text, query.options.typo);
        if asked.words.is_empty() || self.knowledge.sections.is_empty() {
            return Found { abstained: true, ..Found::default() };
        }
        let before = query.before.as_ref();
        let follows = before.map(|before| self.taken_over(&asked, before)).unwrap_or_default();
        SCORES.with_borrow_mut(|scores| {
            self.score(&asked, &follows, scores);
            let lexical = self.rank(&asked, &follows, query, scores);
            let margin = match lexical[..] {
                [] => 0.0,
                [_] => 1.0,
                [(best, _), (next, _), ..] => (best - next) / best.max(1e-6),
            };
            let mut spent = self.spend(query, lexical, margin, helpers);
            let ranked = std::mem::take(&mut spent.ranked);
            let home = self.at_home(&[&asked, &follows]);
            let passages: Vec<Passage<'_>> = ranked
                .into_iter()
                .take(limit)
                .map(|(score, at)| Passage {
                    dense: spent.cosines.as_ref().map(|cosines| cosines[at]),
                    rerank: spent.reranked.get(&at).copied(),
                    home,
                    ..self.passage(at, score, scores, &asked)
                })
                .collect();
            let known = passages.first().map_or(0.0, Passage::known);
            let answers = |best: &Passage<'_>| {
                known >= query.options.min_coverage
                    || best.rerank.is_some_and(|score| score >= SURE_RERANK)
                    || best.rerank.is_none()
                        && best.dense.is_some_and(|cosine| cosine >= query.options.min_cosine)
            };
            Found {
                known,
                abstained: !passages.first().is_some_and(answers),
                passages,
                margin,
                corrections: asked.corrections,
                unknown_names: asked.unknown_names,
                degraded: spent.degraded,
            }
        })
    }

    /// What the models make of the ranking by words.
    fn spend(&self, query: &Query, lexical: Vec<(f32, usize)>, margin: f32, helpers: Helpers<'_>) -> Spent {
        let mut spent = Spent { ranked: lexical, ..Spent::default() };
        let mut agree = true;
        if let Some((embedder, vectors)) = helpers.embedder {
            match embedder.query(&query.text) {
                Ok(question) if embedder.model() == vectors.model => {
                    spent.cosines = vectors.cosines(&question)
                }
                Ok(_) => spent.degraded.push("dense: the vectors are of another model".to_owned()),
                Err(Unavailable(why)) => spent.degraded.push(format!("dense: {why}")),
            }
        }
        if let Some(cosines) = &spent.cosines {
            let dense = self.by_vectors(query, cosines);
            agree = dense.first().map(|(_, at)| at) == spent.ranked.first().map(|(_, at)| at);
            let phrase = |at: usize| self.holds_keyword(at, &query.text);
            let mut fused = dense::fuse(&spent.ranked, &dense, query.options.dense_weight, &phrase);
            for (score, at) in &mut fused {
                *score *= self.factor(&self.knowledge.sections[*at], query, query.wants_price);
            }
            fused.sort_by(|a, b| b.0.total_cmp(&a.0));
            spent.ranked = fused;
        }
        if let Some(reranker) = helpers.reranker
            && (margin < query.options.confident_margin || !agree)
        {
            let first: Vec<usize> = spent.ranked.iter().take(RERANKED).map(|(_, at)| *at).collect();
            let texts: Vec<&str> =
                first.iter().map(|at| self.knowledge.sections[*at].facts.as_str()).collect();
            match reranker.scores(&query.text, &texts) {
                Ok(scores) if scores.len() == texts.len() => {
                    spent.reranked = first.into_iter().zip(scores).collect()
                }
                Ok(_) => spent.degraded.push("rerank: not one score a passage".to_owned()),
                Err(Unavailable(why)) => spent.degraded.push(format!("rerank: {why}")),
            }
            let top = spent.ranked.first().map_or(1.0, |(score, _)| score.max(1e-6));
            for (score, at) in &mut spent.ranked {
                let read = spent.reranked.get(at).copied().unwrap_or(0.0);
                *score = if spent.reranked.is_empty() { *score } else { 0.7 * read + 0.3 * *score / top };
            }
            spent.ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        }
        spent
    }

    /// Sections by falling cosine, one of each group of near duplicates.
    fn by_vectors(&self, query: &Query, cosines: &[f32]) -> Vec<(f32, usize)> {
        let hidden = self.knowledge.hidden(query.today);
        let open = |at: &usize| !self.knowledge.sections[*at].sensitive && !hidden.contains(at);
        let all = cosines.len().min(self.knowledge.sections.len());
        let mut ranked: Vec<(f32, usize)> = (0..all).filter(open).map(|at| (cosines[at], at)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut groups: HashSet<u32> = HashSet::new();
        ranked.retain(|(_, at)| groups.insert(self.twins[*at]));
        ranked.truncate(dense::DEPTH);
        ranked
    }

    /// A keyword of two words or more stands whole in the question.
    fn holds_keyword(&self, at: usize, question: &str) -> bool {
        let asked = stems(question);
        self.knowledge.sections[at].keywords.iter().any(|keyword| {
            let own = stems(keyword);
            own.len() > 1 && own.iter().all(|stem| asked.contains(stem))
        })
    }

    fn read(&self, text: &str, typo: bool) -> Asked {
        let known = Known {
            terms: &self.terms,
            index: &self.words,
            speller: &self.speller,
            stop: &|stem| self.stop.contains(stem),
            a_word: &|stem| self.dictionary.contains(stem),
            a_name: &|stem| self.names.contains(stem),
            typo,
        };
        let mut asked = known.read(text);
        // Of a question of stop words alone all count.
        if asked.words.iter().all(|word| word.stop) {
            asked.words.iter_mut().for_each(|word| word.stop = false);
        }
        asked
    }

    /// Words of the talk before that the question does not have itself.
    fn taken_over(&self, asked: &Asked, before: &Before) -> Asked {
        let mut follows = self.read(&before.words, false);
        let known = |word: &Word| !word.stop && !word.terms.is_empty();
        follows.words.retain(|word| known(word) && asked.words.iter().all(|own| own.text != word.text));
        follows.part = if before.must.is_empty() { BESIDE } else { 1.0 };
        follows
    }

    fn score(&self, asked: &Asked, follows: &Asked, scores: &mut Scores) {
        let count = self.knowledge.sections.len();
        let Scores { letter, concept, theme, covered, nearest, held, .. } = scores;
        for list in [letter, concept, theme, covered, nearest, held] {
            list.clear();
            list.resize(count, 0.0);
        }
        scores.phrase.resize(self.phrases.of.len().max(scores.phrase.len()), 0.0);
        (scores.letters_whole, scores.concepts_whole) = (0.0, 0.0);
        let counted = asked.words.iter().filter(|word| !word.stop).map(|word| (word, 1.0));
        let counted: Vec<(&Word, f32)> =
            counted.chain(follows.words.iter().map(|word| (word, follows.part))).collect();
        let total: f32 = counted.iter().map(|(word, part)| word.idf * part).sum();
        for (word, part) in &counted {
            self.cover(word, part * word.idf / total.max(1e-6), scores);
        }
        // Of several terms that a word may mean, the likeliest.
        let likeliest = |word: &Word| word.terms.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let terms: Vec<(TermId, f32)> = counted
            .iter()
            .filter_map(|(word, part)| likeliest(word).map(|(term, share)| (term, share * part)))
            .collect();
        self.themes.near(&terms, &mut scores.theme);
        // Repaired words are sought by their repair as well, which alone counts for what could be known.
        let own =
            asked.words.iter().map(|word| (word.text.clone(), 1.0, !word.is_repaired(), word.is_unknown()));
        let mended = asked.corrections.iter().flat_map(|correction| words(&correction.to));
        let before = follows.words.iter().map(|word| (word.text.clone(), follows.part, false, false));
        let all = own.chain(mended.map(|text| (text, 1.0, true, false))).chain(before);
        let mut seen: HashSet<Piece> = HashSet::new();
        for (text, part, counts, unknown) in all {
            for piece in pieces(&text).into_iter().filter(|piece| seen.insert(*piece)) {
                let known = self.pieces.get(&piece);
                scores.letters_whole += match known {
                    Some(piece) if counts => self.letters.idf(piece),
                    None if unknown => self.letters.highest_idf(),
                    _ => 0.0,
                };
                if let Some(piece) = known {
                    let places = self.letters.postings(piece);
                    places.for_each(|(at, worth)| scores.letter[at as usize] += part * worth);
                }
            }
        }
        let mut meant: HashSet<ConceptId> = HashSet::new();
        for (read, part, own) in [(&asked.read, 1.0, true), (&follows.read, follows.part, false)] {
            let texts: Vec<&str> = read.iter().map(String::as_str).collect();
            for concept in self.concepts_of(&texts) {
                if meant.insert(concept) {
                    if own {
                        scores.concepts_whole += self.concepts.idf(TermId::from(concept));
                    }
                    let places = self.concepts.postings(TermId::from(concept));
                    places.for_each(|(at, worth)| scores.concept[at as usize] += part * worth);
                }
            }
        }
        self.nearest(asked, scores);
    }

    /// What the words speak of, small talk left out.
    fn concepts_of(&self, words: &[&str]) -> Vec<ConceptId> {
        let mut found = self.language.concepts.find(words);
        found.retain(|concept| !self.small_talk.contains(concept));
        found
    }

    /// How much the words of the question belong to what the sections speak of, 0 to 1: a word that many sections
    /// have tells more than a rare one that may stand there by chance.
    fn at_home(&self, asked: &[&Asked]) -> f32 {
        let counted = asked.iter().flat_map(|asked| &asked.words).filter(|word| !word.stop);
        let home = |word: &Word| {
            let terms = word.terms.iter().map(|(term, share)| share * self.words.common(*term));
            let meant = self.concepts_of(&[word.text.as_str()]);
            let meant = meant.into_iter().map(|concept| MEANT * self.concepts.common(TermId::from(concept)));
            terms.chain(meant).fold(0.0, f32::max)
        };
        (counted.map(home).sum::<f32>() / AT_HOME).min(1.0)
    }

    /// The word covers its part of the question in each section that holds it, or another word for it.
    fn cover(&self, word: &Word, part: f32, scores: &mut Scores) {
        let Scores { held, touched, covered, .. } = scores;
        let mut hold = |at: u32, share: f32| {
            if held[at as usize] == 0.0 {
                touched.push(at);
            }
            held[at as usize] = held[at as usize].max(share);
        };
        for (term, share) in &word.terms {
            self.words.postings(*term).for_each(|(at, _)| hold(at, *share));
        }
        for concept in self.concepts_of(&[word.text.as_str()]) {
            self.concepts.postings(TermId::from(concept)).for_each(|(at, _)| hold(at, MEANT));
        }
        for at in touched.drain(..) {
            covered[at as usize] += std::mem::take(&mut held[at as usize]) * part;
        }
    }

    /// How like the question the nearest keyword or question of each section is: the weight of the words they
    /// share by the weight of all words of both.
    fn nearest(&self, asked: &Asked, scores: &mut Scores) {
        let weight = |word: &Word| word.idf * if word.stop { STOP_SHARE } else { 1.0 };
        let whole: f32 = asked.words.iter().map(weight).sum();
        for word in &asked.words {
            for (term, share) in &word.terms {
                for phrase in self.phrases.with.get(*term) {
                    let sum = &mut scores.phrase[*phrase as usize];
                    if *sum == 0.0 {
                        scores.touched.push(*phrase);
                    }
                    *sum += share * weight(word);
                }
            }
        }
        for phrase in scores.touched.drain(..) {
            let shared = std::mem::take(&mut scores.phrase[phrase as usize]);
            let (section, own) = self.phrases.of[phrase as usize];
            let like = (shared / (whole + own - shared).max(1e-6)).min(1.0);
            let best = &mut scores.nearest[section as usize];
            *best = best.max(like);
        }
    }

    /// Sections by falling score, one of each group of near duplicates.
    fn rank(&self, asked: &Asked, follows: &Asked, query: &Query, scores: &Scores) -> Vec<(f32, usize)> {
        let top = |scores: &[f32]| scores.iter().copied().fold(0.0_f32, f32::max).max(1e-6);
        let (top_letter, top_concept) = (top(&scores.letter), top(&scores.concept));
        let price = query.wants_price && !asked.words.is_empty();
        let sections = &self.knowledge.sections;
        let hidden = self.knowledge.hidden(query.today);
        let client = self.client(asked, query);
        let must = query.before.as_ref().map(|before| before.must.as_str()).filter(|must| !must.is_empty());
        let subject = self.subject(must.unwrap_or(&query.subject), &[asked, follows]);
        let mut ranked: Vec<(f32, usize)> = (0..sections.len())
            .filter(|at| {
                scores.covered[*at] > 0.0
                    || scores.letter[*at] > 0.3 * top_letter
                    || scores.concept[*at] > 0.5 * top_concept
            })
            .filter(|at| !sections[*at].sensitive && !hidden.contains(at))
            .map(|at| {
                let like = COVERED * scores.covered[at]
                    + THEMES * scores.theme[at]
                    + LETTERS * scores.letter[at] / top_letter
                    + CONCEPTS * scores.concept[at] / top_concept
                    + NEAREST * scores.nearest[at];
                let aside = self.subject_factor(at, &subject, must.is_some());
                (
                    like * aside * self.client_factor(at, &client) * self.factor(&sections[at], query, price),
                    at,
                )
            })
            .collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| {
            let priority = |at: usize| std::cmp::Reverse(sections[at].priority);
            b.0.total_cmp(&a.0).then(priority(a.1).cmp(&priority(b.1))).then(a.1.cmp(&b.1))
        };
        if ranked.len() > RANKED {
            ranked.select_nth_unstable_by(RANKED, order);
            ranked.truncate(RANKED);
        }
        ranked.sort_by(order);
        let mut groups: HashSet<u32> = HashSet::new();
        ranked.retain(|(_, at)| groups.insert(self.twins[*at]));
        ranked
    }

    /// Terms the question shares with its subject: "сканер" of "а сканер отдельно покупать?".
    fn subject(&self, subject: &str, asked: &[&Asked]) -> Vec<TermId> {
        let named = stems(subject);
        let named: Vec<TermId> = named.iter().filter_map(|stem| self.terms.get(&**stem)).collect();
        let counted = asked.iter().flat_map(|asked| &asked.words).filter(|word| !word.stop);
        let mut shared: Vec<TermId> = counted
            .flat_map(|word| &word.terms)
            .map(|(term, _)| *term)
            .filter(|term| named.contains(term))
            .collect();
        shared.sort_unstable();
        shared.dedup();
        shared
    }

    /// What a section loses that does not speak of the subject, or of so little of the thing that is meant.
    fn subject_factor(&self, at: usize, subject: &[TermId], must: bool) -> f32 {
        if subject.is_empty() {
            return 1.0;
        }
        let own = self.own.get(u32::try_from(at).unwrap_or(u32::MAX));
        let held = |term: &&TermId| own.binary_search(term).is_ok();
        let weight = |term: &TermId| self.words.idf(*term);
        if must {
            let whole: f32 = subject.iter().map(weight).sum();
            let share = subject.iter().filter(held).map(weight).sum::<f32>() / whole.max(1e-6);
            return OTHER_THING + (1.0 - OTHER_THING) * share;
        }
        if subject.iter().any(|term| held(&term)) { 1.0 } else { OTHER_SUBJECT }
    }

    /// Whom the talk is about: by the question, else by what was said before it.
    fn client(&self, asked: &Asked, query: &Query) -> [HashSet<u8>; 3] {
        let now: Vec<String> = asked.read.iter().map(|word| stem(word)).collect();
        let before = stems(&query.about);
        self.clients.each_ref().map(|clients| {
            let named = clients.named(&now);
            if named.is_empty() { clients.named(&before) } else { named }
        })
    }

    /// What is for others is no answer.
    fn client_factor(&self, at: usize, client: &[HashSet<u8>; 3]) -> f32 {
        self.clients.iter().zip(client).map(|(clients, own)| clients.factor(at, own)).product()
    }

    fn factor(&self, section: &Section, query: &Query, price: bool) -> f32 {
        let mut factor = 1.0;
        if query.categories.contains(&section.category) {
            factor *= query.options.category_boost;
        }
        if query.lead.as_ref() == Some(&section.topic) {
            factor *= LEAD_BOOST;
        }
        if price {
            factor *= if section.facts.contains('₸') { WITH_SUM } else { WITHOUT_SUM };
        }
        if query.cited.contains(&section.id)
            && query.before.as_ref().is_none_or(|before| before.must.is_empty())
        {
            factor *= CITED;
        }
        factor
    }

    fn passage(&self, at: usize, score: f32, scores: &Scores, asked: &Asked) -> Passage<'_> {
        let own = self.own.get(u32::try_from(at).unwrap_or(u32::MAX));
        let counted = asked.words.iter().filter(|word| !word.stop);
        let held = |word: &&Word| {
            word.terms.iter().any(|(term, _)| own.binary_search(term).is_ok()) || self.means(at, word)
        };
        Passage {
            section: &self.knowledge.sections[at],
            score,
            letter: (scores.letter[at] / scores.letters_whole.max(1e-6)).min(1.0),
            concept: (scores.concept[at] / scores.concepts_whole.max(1e-6)).min(1.0),
            theme: scores.theme[at],
            nearest: scores.nearest[at],
            coverage: scores.covered[at].min(1.0),
            home: 0.0,
            dense: None,
            rerank: None,
            matched: counted.filter(held).map(|word| word.text.clone()).collect(),
        }
    }

    /// The section has another word for it.
    fn means(&self, at: usize, word: &Word) -> bool {
        let own = self.own_concepts.get(u32::try_from(at).unwrap_or(u32::MAX));
        let meant = self.concepts_of(&[word.text.as_str()]);
        meant.into_iter().any(|concept| own.binary_search(&TermId::from(concept)).is_ok())
    }

    /// A stem that stands in every question.
    pub fn is_stop(&self, stem: &str) -> bool {
        self.stop.contains(stem)
    }

    /// Whether anything in the text can be looked up: "ну и что там?" is stop words alone.
    pub fn names_something(&self, text: &str) -> bool {
        stems(text).iter().any(|stem| !self.stop.contains(stem))
    }

    /// How well a sentence (its list lines included) fits the question: idf of the shared stems.
    pub fn sentence_score(&self, sentence: &Sentence, question: &str) -> f32 {
        let asked = self.read(question, true);
        let text = format!("{} {}", sentence.text, sentence.items.join(" "));
        let own: HashSet<TermId> = stems(&text).iter().filter_map(|stem| self.terms.get(&**stem)).collect();
        let shared = |word: &&Word| !word.stop && word.terms.iter().any(|(term, _)| own.contains(term));
        asked.words.iter().filter(shared).map(|word| word.idf).sum()
    }

    /// Sizes of the index, for `kb info`.
    pub fn sizes(&self) -> Sizes {
        let places = |index: &Index| index.places();
        let (stem_places, piece_places) = (places(&self.words), places(&self.letters));
        let texts: usize = self.terms.bytes() * 2 + self.phrases.of.len() * 8;
        Sizes {
            stems: self.terms.len(),
            stem_places,
            pieces: self.pieces.len(),
            piece_places,
            phrases: self.phrases.of.len(),
            bytes: (stem_places + piece_places + places(&self.concepts)) * 8
                + self.themes.bytes()
                + (self.own.len() + self.phrases.with.len() + self.speller.len()) * 4
                + self.pieces.len() * 16
                + texts,
        }
    }
}

/// The different terms of each document, ascending.
fn distinct(documents: &[Vec<Vec<TermId>>]) -> Lists {
    let mut pairs: Vec<(u32, TermId)> = Vec::new();
    for (at, fields) in (0_u32..).zip(documents) {
        let mut terms: Vec<TermId> = fields.iter().flatten().copied().collect();
        terms.sort_unstable();
        terms.dedup();
        pairs.extend(terms.into_iter().map(|term| (at, term)));
    }
    Lists::of(documents.len(), &pairs)
}

/// Distinct words of all texts with their terms, each worked out once.
#[derive(Default)]
struct Vocabulary {
    known: HashMap<String, u32>,
    spelled: Vec<String>,
    /// Stem and code halves of each word.
    forms: Vec<Vec<TermId>>,
    /// Letter pieces of each word.
    parts: Vec<Vec<TermId>>,
    terms: Terms<Box<str>>,
    pieces: Terms<Piece>,
}

impl Vocabulary {
    /// Concepts of the fields of each section, by the words as they were written.
    fn concepts(&self, texts: &[[Vec<Vec<u32>>; 3]], concepts: &Concepts) -> Vec<Vec<Vec<TermId>>> {
        let folded: Vec<String> = self.spelled.iter().map(|word| fold(word)).collect();
        let starts: Vec<_> = folded.iter().map(|word| concepts.starts(word)).collect();
        let meant = |phrase: &Vec<u32>| {
            let words: Vec<_> = phrase
                .iter()
                .map(|word| (folded[*word as usize].as_str(), &*starts[*word as usize]))
                .collect();
            Concepts::follow(&words).into_iter().map(TermId::from)
        };
        texts
            .iter()
            .map(|fields| fields.iter().map(|field| field.iter().flat_map(meant).collect()).collect())
            .collect()
    }

    fn words(&mut self, text: &str) -> Vec<u32> {
        words(text).into_iter().map(|word| self.word(word)).collect()
    }

    fn word(&mut self, word: String) -> u32 {
        if let Some(id) = self.known.get(&word) {
            return *id;
        }
        let id = u32::try_from(self.forms.len()).unwrap_or(u32::MAX);
        self.forms.push(forms(&word).into_iter().map(|form| self.terms.intern(form.into())).collect());
        self.parts.push(pieces(&word).into_iter().map(|piece| self.pieces.intern(piece)).collect());
        self.spelled.push(word.clone());
        self.known.insert(word, id);
        id
    }
}

impl Phrases {
    fn of(texts: &[[Vec<Vec<u32>>; 3]], vocabulary: &Vocabulary, weight: &dyn Fn(TermId) -> f32) -> Self {
        let mut pairs: Vec<(TermId, u32)> = Vec::new();
        let mut of = Vec::new();
        for (section, [keywords, _, questions]) in (0_u32..).zip(texts) {
            for phrase in keywords.iter().chain(questions) {
                let at = u32::try_from(of.len()).unwrap_or(u32::MAX);
                let mut terms: Vec<TermId> = phrase
                    .iter()
                    .filter_map(|word| vocabulary.forms[*word as usize].first().copied())
                    .collect();
                terms.sort_unstable();
                terms.dedup();
                of.push((section, terms.iter().map(|term| weight(*term)).sum()));
                pairs.extend(terms.into_iter().map(|term| (term, at)));
            }
        }
        Self { with: Lists::of(vocabulary.terms.len(), &pairs), of }
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
        let stop_words = vec!["в".to_owned(), "на".to_owned()];
        Retriever::new(knowledge, Language { stop_words, ..Language::default() })
    }

    fn first(query: &str) -> Option<String> {
        let retriever = retriever();
        let query = Query { text: query.to_owned(), ..Query::default() };
        retriever.search(&query, 1).passages.first().map(|passage| passage.section.topic.clone())
    }

    #[test]
    fn inflected_and_mistyped_questions_find_their_section() {
        assert_eq!(first("сколько стоит тарифа мини").as_deref(), Some("mini"));
        assert_eq!(first("доствка есть").as_deref(), Some("delivery"));
    }

    #[test]
    fn the_other_layout_and_latin_letters_are_read() {
        assert_eq!(first("ljcnfdrf tcnm").as_deref(), Some("delivery"));
        assert_eq!(first("dostavka est").as_deref(), Some("delivery"));
        assert_eq!(first("тариф ьшт").as_deref(), Some("mini"));
        assert_eq!(first("ljcnfdrf, crjkmrj").as_deref(), Some("delivery"));
    }

    #[test]
    fn sensitive_sections_stay_inside() {
        assert_ne!(first("сканер штрихкода").as_deref(), Some("scanner"));
    }

    #[test]
    fn a_foreign_question_is_not_answered() {
        let query = Query { text: "какая погода в Париже".to_owned(), ..Query::default() };
        assert!(retriever().search(&query, 1).abstained);
    }

    #[test]
    fn a_name_nobody_knows_is_told() {
        let query =
            Query { text: "доставка через Glovo есть".to_owned(), ..Query::default() };
        assert_eq!(retriever().search(&query, 1).unknown_names, ["Glovo"]);
    }
}
