//! Which intent a message has: rules for sure signs, a linear model for the rest, and a veto that keeps
//! questions from being read as refusals.

use std::sync::Arc;

use salesbot_dialogue::understanding::{Candidate, Method};
use salesbot_dialogue::{IntentCatalog, IntentId, IntentSpec};
use salesbot_models::linear::{LinearModel, hash, hash_parts};
use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, items, parse, strings};

use super::pattern::Patterns;
use super::slots::joined;
use super::text::{Lexicon, Text, stem};
use salesbot_knowledge::concepts::{Concepts, fold};

/// Share of a rule in a reading: it speaks where the words leave the reading open.
const RULE_WEIGHT: f32 = 0.2;
/// Share left to thanks, agreement and farewell when the message asks something.
const POLITE_WHEN_ASKING: f32 = 0.15;
/// Candidates kept: the shortlist a language model may be asked about.
const KEPT: usize = 24;
/// A best score below this is a likelihood below 0.30: the message is `unclear`.
pub const UNCLEAR_BELOW: f32 = 0.13;
/// How often a best score is right, by score: measured on the held-out texts and `tests/nlu/dev.jsonl`, rounded
/// towards doubt at the low end. With 252 intents a score of 0.4 stands far above the rest; and people would
/// not agree on some of the readings that score 1.
const LIKELIHOOD: [(f32, f32); 5] = [(0.0, 0.0), (0.13, 0.3), (0.4, 0.6), (0.7, 0.8), (1.0, 0.96)];

#[derive(Clone, Debug)]
pub struct Classifier {
    rules: Vec<Rule>,
    model: LinearModel,
    concepts: Arc<Concepts>,
    /// What is left of each intent's score when the message asks: nothing of a refusal, little of politeness.
    asked: Vec<f32>,
    /// The intent that needs a real contact.
    contact: Option<usize>,
}

#[derive(Clone, Debug)]
struct Rule {
    intent: IntentId,
    score: f32,
    weight: f32,
    any: Patterns,
    none: Patterns,
    max_words: usize,
    asks: Option<bool>,
    /// Fires on a contact in the message instead of on words.
    contact: bool,
}

impl Rule {
    fn evidence(&self, flat: &str, raw: &str, asks: bool, has_contact: bool) -> Option<String> {
        if self.contact {
            return has_contact.then(|| "contact".to_owned());
        }
        if flat.split(' ').count() > self.max_words || self.asks.is_some_and(|wanted| wanted != asks) {
            return None;
        }
        let (found, _) = self.any.find(flat, raw)?;
        (!self.none.matches(flat, raw)).then(|| found.to_owned())
    }
}

/// Reads `nlu/rules.yaml`; a rule that fails its own examples is an error (E22).
fn load_rules(
    file: &SourceFile,
    catalog: &IntentCatalog,
    lexicon: &Lexicon,
    diagnostics: &mut Diagnostics,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    let Some(root) = parse(file, diagnostics) else { return rules };
    let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return rules };
    let list = fields.node("rules");
    fields.finish();
    for node in list.map(items).unwrap_or_default() {
        rules.extend(load_rule(node, file, catalog, lexicon, diagnostics));
    }
    rules
}

/// The rules' own examples: their words are known words, whatever else is.
pub(super) fn rule_examples(file: &SourceFile) -> Vec<String> {
    // What is wrong with the file is said when the rules are loaded.
    let Some(root) = parse(file, &mut Diagnostics::default()) else { return Vec::new() };
    let rules = root.get("rules").map(items).unwrap_or_default();
    let lists = rules.iter().flat_map(|rule| [rule.get("fits"), rule.get("not")]).flatten();
    lists.flat_map(items).filter_map(|node| node.text()).map(str::to_owned).collect()
}

fn load_rule(
    node: &Node,
    file: &SourceFile,
    catalog: &IntentCatalog,
    lexicon: &Lexicon,
    diagnostics: &mut Diagnostics,
) -> Option<Rule> {
    let place = node.place;
    let mut fields = Fields::of(node, file, diagnostics)?;
    let name: String = fields.required("intent")?;
    let score = fields.required("score")?;
    let weight = fields.or("weight", RULE_WEIGHT);
    let any = fields.node("any");
    let none = fields.node("none");
    let max_words = fields.or("max_words", usize::MAX);
    let asks = fields.optional("asks");
    let contact = fields.or("contact", false);
    let fits = fields.node("fits");
    let not = fields.node("not");
    fields.finish();
    let Some(intent) = catalog.id(&name) else {
        diagnostics
            .error(file, place, "E08", format!("unknown intent `{name}`"))
            .suggest(&name, catalog.names());
        return None;
    };
    let rule = Rule {
        intent,
        score,
        weight,
        any: joined(any, file, diagnostics),
        none: joined(none, file, diagnostics),
        max_words,
        asks,
        contact,
    };
    let texts = |node: Option<&Node>, diagnostics: &mut Diagnostics| {
        node.map(|node| strings(node, file, diagnostics)).unwrap_or_default()
    };
    let (fits, not) = (texts(fits, diagnostics), texts(not, diagnostics));
    if !contact && (fits.len() < 3 || not.len() < 2) {
        diagnostics.error(
            file,
            place,
            "E22",
            format!("rule `{name}` needs at least three `fits` and two `not` examples"),
        );
    }
    for (example, wanted) in fits.iter().map(|text| (text, true)).chain(not.iter().map(|text| (text, false)))
    {
        let text = Text::read(example, lexicon);
        if rule.evidence(&text.flat, &text.plain, text.asks, false).is_some() != wanted {
            let what = if wanted { "does not fire on its example" } else { "fires on its counter-example" };
            diagnostics.error(file, place, "E22", format!("rule `{name}` {what} `{example}`"));
        }
    }
    Some(rule)
}

impl Classifier {
    pub(super) fn new(
        model: LinearModel,
        concepts: Arc<Concepts>,
        rules: &SourceFile,
        catalog: &IntentCatalog,
        lexicon: &Lexicon,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let rules = load_rules(rules, catalog, lexicon, diagnostics);
        let left = |spec: &IntentSpec| match spec.name.as_str() {
            "rejection" | "no_need" | "no_problem" => 0.0,
            "agreement" | "gratitude" | "farewell" => POLITE_WHEN_ASKING,
            _ if spec.category == "objection" => 0.0,
            _ => 1.0,
        };
        let asked = catalog.iter().map(|(_, spec)| left(spec)).collect();
        let contact = catalog.id("contact_provided").map(|id| usize::from(id.0));
        Self { rules, model, concepts, asked, contact }
    }

    pub(super) fn model(&self) -> &LinearModel {
        &self.model
    }

    /// Whether the rules of this intent take every word of the message, `fillers` aside.
    pub fn takes_all(&self, intent: IntentId, flat: &str, fillers: &[String]) -> bool {
        let mut left = flat.to_owned();
        for rule in self.rules.iter().filter(|rule| rule.intent == intent) {
            while let Some((taken, _)) = rule.any.find(&left, "").filter(|(taken, _)| !taken.is_empty()) {
                let words = left.replacen(taken, " ", 1);
                left = words.split_whitespace().collect::<Vec<_>>().join(" ");
            }
        }
        left.split_whitespace().all(|word| fillers.iter().any(|filler| filler == word))
    }

    /// What the models see of a text.
    pub(super) fn features(&self, flat: &str, asks: bool) -> Vec<(u32, f32)> {
        features(flat, asks, &self.concepts)
    }

    /// Candidates, best first. The probabilities of all intents sum to 1.
    pub fn candidates(&self, flat: &str, raw: &str, asks: bool, has_contact: bool) -> Vec<Candidate> {
        self.candidates_by(&self.features(flat, asks), flat, raw, asks, has_contact)
    }

    /// The same with the features of the text given.
    pub(super) fn candidates_by(
        &self,
        features: &[(u32, f32)],
        flat: &str,
        raw: &str,
        asks: bool,
        has_contact: bool,
    ) -> Vec<Candidate> {
        let mut scores = self.model.scores(features);
        let mut fired: Vec<(&Rule, String)> = Vec::new();
        for rule in &self.rules {
            if let Some(evidence) = rule.evidence(flat, raw, asks, has_contact) {
                fired.push((rule, evidence));
            }
        }
        if asks {
            for (score, left) in scores.iter_mut().zip(&self.asked) {
                *score *= left;
            }
            let sum: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|score| *score /= sum.max(1e-6));
        }
        if !has_contact && let Some(score) = self.contact.and_then(|at| scores.get_mut(at)) {
            // Without a phone or an address nothing was left, whatever the words say.
            *score *= 0.1;
        }
        let strength = |rule: &Rule| rule.weight * rule.score;
        let strongest = fired.iter().map(|(rule, _)| strength(rule)).fold(0.0, f32::max);
        if strongest > 0.0 {
            scores.iter_mut().for_each(|score| *score *= 1.0 - strongest);
            // Rules that fire together share the weight by their strength; the surest one takes most.
            let total: f32 = fired.iter().map(|(rule, _)| strength(rule) * strength(rule)).sum();
            for (rule, _) in &fired {
                scores[usize::from(rule.intent.0)] += strongest * strength(rule) * strength(rule) / total;
            }
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let best_first = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        if order.len() > KEPT {
            order.select_nth_unstable_by(KEPT, best_first);
            order.truncate(KEPT);
        }
        order.sort_unstable_by(best_first);
        order
            .into_iter()
            .map(|at| {
                let intent = IntentId(u16::try_from(at).unwrap_or(u16::MAX));
                let rule = fired.iter().find(|(rule, _)| rule.intent == intent);
                Candidate {
                    intent,
                    score: scores[at],
                    method: if rule.is_some() { Method::Rule } else { Method::Linear },
                    evidence: rule.map(|(_, evidence)| evidence.clone()).unwrap_or_default(),
                }
            })
            .collect()
    }
}

/// The share of messages read rightly at this best score, by straight lines between [`LIKELIHOOD`].
pub fn likelihood(score: f32) -> f32 {
    let score = score.clamp(0.0, 1.0);
    let line = LIKELIHOOD.windows(2).find(|line| score <= line[1].0);
    let Some([(from, low), (to, high)]) = line else { return LIKELIHOOD[LIKELIHOOD.len() - 1].1 };
    low + (score - from) / (to - from) * (high - low)
}

/// How much a concept weighs in a text beside a word of weight 1.
const CONCEPT: f32 = 1.4;
/// … and a concept together with whether the message asks: "дорого" and "дорого?".
const CONCEPT_ASKED: f32 = 0.6;

/// What the model sees of a message: stems, pairs of stems, pieces of words, and whether it asks.
pub fn features(flat: &str, asks: bool, concepts: &Concepts) -> Vec<(u32, f32)> {
    let words: Vec<&str> = flat.split(' ').filter(|word| !word.is_empty()).take(40).collect();
    let stems: Vec<String> = words.iter().map(|word| shape(word)).collect();
    let mut list: Vec<(u32, f32)> = Vec::with_capacity(words.len() * 12);
    for stem in &stems {
        list.push((hash_parts(["s:", stem]), 1.0));
    }
    for pair in stems.windows(2) {
        list.push((hash_parts(["p:", &pair[0], " ", &pair[1]]), 1.0));
    }
    let mut edged = String::new();
    for word in &words {
        edged.clear();
        edged.push('_');
        edged.extend(word.chars().take(24));
        edged.push('_');
        let starts: Vec<usize> = edged.char_indices().map(|(at, _)| at).chain([edged.len()]).collect();
        for size in 3..=4 {
            let pieces = starts.windows(size + 1).map(|piece| &edged[piece[0]..piece[size]]);
            list.extend(pieces.map(|piece| (hash_parts(["c:", piece]), 0.7)));
        }
    }
    for concept in concepts.find(&words) {
        list.push((hash(&format!("k:{concept}")), CONCEPT));
        list.push((hash(&format!("k:{concept}{}", if asks { "?" } else { "." })), CONCEPT_ASKED));
    }
    if let Some(first) = stems.first() {
        list.push((hash_parts(["f:", first]), 0.8));
    }
    list.push((hash(if asks { "asks" } else { "tells" }), 0.6));
    let length = match words.len() {
        0 | 1 => "one",
        2 | 3 => "few",
        4..=8 => "some",
        _ => "many",
    };
    list.push((hash_parts(["length:", length]), 0.4));
    list.sort_by_key(|(feature, _)| *feature);
    list.dedup_by_key(|(feature, _)| *feature);
    list
}

/// Numbers look alike to the model; words are stemmed.
fn shape(word: &str) -> String {
    if word.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return format!("#{}", word.len().min(7));
    }
    stem(&fold(word))
}
