//! What a language model is asked when the classifier is unsure, and what its answer may change.
//!
//! [`NluQuestion`] is a plain value: the model client words and sends it, a test answers it with a script. The
//! answer is checked like a client's message: an intent of the shortlist, facts that stand in the message.

use std::collections::BTreeMap;

use salesbot_dialogue::understanding::{Candidate, Method};
use salesbot_dialogue::{IntentCatalog, IntentId, Tone, Turn, Understanding};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Nlu;
use super::text::Text;

/// Intents a question names beside `unclear`.
pub const SHORTLIST: usize = 20;
/// … of them intents of progress, listed whatever their score.
const PROGRESS: usize = 5;
/// A reading this sure is decided without a model …
const SURE: f32 = 0.76;
/// … or read by the place in the talk from here.
const SURE_BY_CONTEXT: f32 = 0.55;
/// … if the next one is this far behind, or a rule speaks for it.
const CLEAR_LEAD: f32 = 0.1;
/// Messages shorter than this are left to the context.
const WORTH_ASKING: usize = 3;
/// Weights of the classifier (rules and words) and of the model in the fused score.
const OWN_WEIGHT: f32 = 0.45;
const MODEL_WEIGHT: f32 = 0.40;
/// Words that mean "not known" where a value should stand.
const EMPTY: [&str; 8] = ["undefined", "unknown", "null", "none", "n/a", "na", "-", ""];

/// All a model needs to decide one message.
#[derive(Clone, Debug, PartialEq)]
pub struct NluQuestion {
    pub message: String,
    pub state: String,
    pub phase: Option<String>,
    /// Slot and kind of the question the bot had asked.
    pub asked: Option<(Option<String>, String)>,
    pub last_bot_message: String,
    /// Facts known so far, by slot.
    pub known: BTreeMap<String, Value>,
    /// Names with what they mean, the likeliest first, `unclear` last.
    pub intents: Vec<(String, String)>,
    /// Slots the model may fill.
    pub slots: Vec<String>,
    /// JSON schema of the answer; its `enum` of intents is the shortlist.
    pub schema: Value,
}

/// Why an answer counts for nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnswerError {
    #[error("the answer is not the JSON that was asked for: {0}")]
    Malformed(String),
    #[error("intent `{0}` is not on the shortlist")]
    OffList(String),
    #[error("confidence `{0}` is not between 0 and 1")]
    Confidence(String),
}

/// What became of the facts a model proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    pub accepted: Vec<String>,
    /// (slot, why)
    pub dropped: Vec<(String, String)>,
    /// Which heuristics lowered the model's own confidence.
    pub calibration: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Answer {
    intent: String,
    confidence: f32,
    #[serde(default)]
    extracted_data: BTreeMap<String, Value>,
    #[serde(default)]
    alternatives: Vec<Alternative>,
    #[serde(default)]
    tone: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Alternative {
    intent: String,
    confidence: f32,
}

impl Nlu {
    /// Decided well enough without a model: a sure reading that stands clear of the next one or has a rule or
    /// the talk's context behind it.
    pub fn is_sure(&self, read: &Understanding) -> bool {
        match read.method {
            Method::Context => return read.confidence >= SURE_BY_CONTEXT,
            Method::Fallback => return false,
            Method::Rule | Method::Linear | Method::Llm => {}
        }
        let score = |own: bool| {
            let found = read.candidates.iter().find(|other| (other.intent == read.intent) == own);
            found.map_or(0.0, |found| found.score)
        };
        let lead = score(true) - score(false);
        read.confidence >= SURE && (lead >= CLEAR_LEAD || read.method == Method::Rule)
    }

    /// The question to put to a model, if the reading needs one. `always` asks whatever the reading is.
    pub fn question(
        &self,
        turn: &Turn<'_>,
        read: &Understanding,
        catalog: &IntentCatalog,
        always: bool,
    ) -> Option<NluQuestion> {
        let text = Text::read(turn.message, &self.lexicon);
        let long = text.word_count() >= WORTH_ASKING || turn.state.asked.is_some();
        if !always && (self.is_sure(read) || !long) {
            return None;
        }
        let state = turn.state;
        let unclear = catalog.unclear();
        let listed = read.candidates.iter().map(|candidate| candidate.intent).filter(|id| *id != unclear);
        // What answers a phase may always be meant, however unlike the examples it is worded.
        let mut listed: Vec<IntentId> = listed.take(SHORTLIST - PROGRESS).collect();
        let progress = self.context.progress_intents().filter_map(|name| catalog.id(name));
        for id in progress.take(PROGRESS) {
            if !listed.contains(&id) {
                listed.push(id);
            }
        }
        let intents: Vec<(String, String)> = listed
            .into_iter()
            .chain([unclear])
            .map(|id| (catalog.name(id).to_owned(), catalog.get(id).gloss.clone()))
            .collect();
        let slots: Vec<String> = self
            .slots
            .names()
            .into_iter()
            .filter(|slot| self.slots.may_be_proposed(slot) && read.slot(slot).is_none())
            .collect();
        let names: Vec<&str> = intents.iter().map(|(name, _)| name.as_str()).collect();
        let schema = schema(&names, &slots);
        let phase = turn.flow.id(&state.state).and_then(|id| turn.flow.state(id).shown_phase());
        Some(NluQuestion {
            message: text.raw,
            state: state.state.clone(),
            phase: phase.map(str::to_owned),
            asked: state.asked.as_ref().map(|asked| (asked.slot.clone(), asked.kind.clone())),
            last_bot_message: state.turns.last().map(|last| last.bot.clone()).unwrap_or_default(),
            known: state.slots.clone(),
            intents,
            slots,
            schema,
        })
    }

    /// Weighs a model's answer against the reading it was asked about. Facts count only where they stand in
    /// the message; a reading vetoed by the message's own question stays vetoed.
    ///
    /// # Errors
    /// [`AnswerError`]: the reading then stands as it was.
    pub fn merge(
        &self,
        question: &NluQuestion,
        read: &Understanding,
        answer: &str,
        catalog: &IntentCatalog,
        calibrate: bool,
    ) -> Result<(Understanding, Weighed), AnswerError> {
        let answer: Answer =
            serde_json::from_str(answer).map_err(|error| AnswerError::Malformed(error.to_string()))?;
        let listed = |name: &str| question.intents.iter().any(|(known, _)| known == name);
        let id = catalog.id(&answer.intent).filter(|_| listed(&answer.intent));
        let Some(intent) = id else { return Err(AnswerError::OffList(answer.intent)) };
        if !(0.0..=1.0).contains(&answer.confidence) {
            return Err(AnswerError::Confidence(answer.confidence.to_string()));
        }
        let others: Vec<(IntentId, f32)> = answer
            .alternatives
            .iter()
            .filter(|other| listed(&other.intent) && (0.0..=1.0).contains(&other.confidence))
            .filter_map(|other| Some((catalog.id(&other.intent)?, other.confidence)))
            .filter(|(other, _)| *other != intent)
            .take(2)
            .collect();
        let text = Text::read(&question.message, &self.lexicon);
        let mut weighed = Weighed::default();
        let confidence = if calibrate {
            let scores: Vec<f32> = others.iter().map(|(_, score)| *score).collect();
            let data_asked = question.asked.as_ref().is_some_and(|(slot, _)| slot.is_some());
            let doubt = Doubt {
                name: &answer.intent,
                objection: catalog.is_objection(intent),
                gives_data: catalog.in_group(intent, "informative"),
                data_asked,
                words: text.word_count(),
            };
            let (confidence, reasons) = calibrated(answer.confidence, &scores, &doubt);
            weighed.calibration = reasons;
            confidence
        } else {
            answer.confidence
        };
        let mut read = read.clone();
        fuse(&mut read, (intent, confidence), &others);
        for (slot, value) in &answer.extracted_data {
            if EMPTY.contains(&value.as_str().unwrap_or("x").trim().to_lowercase().as_str())
                || value.is_null()
            {
                continue;
            }
            if read.slot(slot).is_some() {
                weighed.dropped.push((slot.clone(), "read from the message already".to_owned()));
                continue;
            }
            match self.slots.proposed(slot, value, &text) {
                Ok(fill) => {
                    weighed.accepted.push(slot.clone());
                    read.slots.push(fill);
                }
                Err(why) => weighed.dropped.push((slot.clone(), why.to_owned())),
            }
        }
        // The model colours a tone that words left open; frustration is counted from words alone.
        if let Some(tone) = answer.tone.as_deref().and_then(Tone::from_name)
            && read.tone.tone == Tone::Neutral
            && !tone.is_negative()
        {
            read.tone.tone = tone;
        }
        Ok((read, weighed))
    }
}

/// The classifier's and the model's scores as one list; the best of it is the reading.
fn fuse(read: &mut Understanding, answer: (IntentId, f32), others: &[(IntentId, f32)]) {
    let total = OWN_WEIGHT + MODEL_WEIGHT;
    for candidate in &mut read.candidates {
        candidate.score *= OWN_WEIGHT / total;
    }
    for (intent, confidence) in [answer].iter().chain(others) {
        let share = confidence * MODEL_WEIGHT / total;
        match read.candidates.iter_mut().find(|candidate| candidate.intent == *intent) {
            Some(candidate) => {
                if share > candidate.score {
                    candidate.method = Method::Llm;
                }
                candidate.score += share;
            }
            None => read.candidates.push(Candidate {
                intent: *intent,
                score: share,
                method: Method::Llm,
                evidence: String::new(),
            }),
        }
    }
    read.candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.intent.cmp(&b.intent)));
    let Some(best) = read.candidates.first() else { return };
    if best.intent != read.intent {
        read.original_intent.get_or_insert(read.intent);
    }
    (read.intent, read.confidence, read.method) = (best.intent, best.score, best.method);
}

fn schema(intents: &[&str], slots: &[String]) -> Value {
    let data: serde_json::Map<String, Value> =
        slots.iter().map(|slot| (slot.clone(), json!({"type": ["string", "number"]}))).collect();
    let confidence = json!({"type": "number", "minimum": 0, "maximum": 1});
    json!({
        "type": "object",
        "properties": {
            "intent": {"enum": intents},
            "confidence": confidence,
            "reasoning": {"type": "string", "maxLength": 200},
            "extracted_data": {"type": "object", "properties": data, "additionalProperties": false},
            "alternatives": {"type": "array", "maxItems": 2, "items": {
                "type": "object",
                "properties": {"intent": {"enum": intents}, "confidence": confidence},
                "required": ["intent", "confidence"],
                "additionalProperties": false,
            }},
            "tone": {"enum": Tone::ALL.map(Tone::name)},
        },
        "required": ["intent", "confidence", "reasoning", "extracted_data", "alternatives"],
        "additionalProperties": false,
    })
}

/// What makes a model's own confidence doubtful.
struct Doubt<'a> {
    name: &'a str,
    objection: bool,
    gives_data: bool,
    data_asked: bool,
    words: usize,
}

/// A model's confidence after the deductions of the specification (nlu.md 3.5): an even spread over the
/// alternatives, a close second, a short message, a label models overuse. From 0.10 to 0.95.
fn calibrated(confidence: f32, others: &[f32], doubt: &Doubt<'_>) -> (f32, Vec<String>) {
    let mut off = 0.0;
    let mut reasons = Vec::new();
    let mut deduct = |amount: f32, why: &str| {
        if amount > 0.0 {
            off += amount;
            reasons.push(format!("-{amount:.2} {why}"));
        }
    };
    let total: f32 = confidence + others.iter().sum::<f32>();
    if !others.is_empty() && total > 0.0 {
        let entropy: f32 = std::iter::once(&confidence)
            .chain(others)
            .map(|score| score / total)
            .filter(|share| *share > 0.0)
            .map(|share| -share * libm::logf(share))
            .sum();
        let spread = entropy / libm::logf((others.len() + 1) as f32);
        deduct((spread - 0.5).max(0.0) * 0.15, "spread over the alternatives");
    }
    match others.iter().copied().reduce(f32::max) {
        Some(next) => {
            let gap = confidence - next;
            deduct((0.2 - gap).max(0.0) * 0.2, "a close second");
            if confidence >= 0.85 && gap < 0.15 {
                deduct(0.1, "sure of two at once");
            }
        }
        None if confidence > 0.8 => deduct(0.1, "no alternatives named"),
        None => {}
    }
    if doubt.words <= 3 && confidence >= 0.8 {
        deduct(0.15, "a short message");
    }
    if ["greeting", "farewell", "small_talk", "agreement", "gratitude"].contains(&doubt.name)
        && confidence >= 0.85
    {
        deduct(0.1, "a label for every occasion");
    }
    if doubt.data_asked && !doubt.gives_data && confidence >= 0.8 {
        deduct(0.1, "data was asked for");
    }
    if doubt.objection && confidence >= 0.8 {
        deduct(0.1, "an objection");
    }
    if doubt.objection && confidence >= 0.75 && others.is_empty() {
        deduct(0.15, "an objection without alternatives");
    }
    ((confidence - off).clamp(0.1, 0.95), reasons)
}
