//! `nlu parse` and `nlu eval`: what was understood, and how often rightly.

mod report;
mod scores;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use salesbot_dialogue::flow::Flow;
use salesbot_dialogue::{DialogueState, IntentCatalog, IntentSpec, SlotFill, Turn};
use salesbot_engine::nlu::Nlu as Understands;
use salesbot_yaml::Diagnostics;

use super::eval::{lines, texts};
use super::{Found, say};
use crate::content::Content;
use crate::load::{self, Loaded};
use scores::{Scored, Scores};

#[derive(Clone, Debug, Subcommand)]
pub enum Nlu {
    /// Read messages from standard input, one a line, and print what was understood
    Parse,
    /// Score the understanding over labelled messages
    Eval {
        /// One JSON object a line: text, accept, reject, context, slots, absent, tone
        file: Option<PathBuf>,
        /// Score the held-out utterances of the intent files instead of a file
        #[arg(long, conflicts_with = "file")]
        held_out: bool,
        /// Score the examples themselves, each part by a classifier trained on the other parts
        #[arg(long, conflicts_with_all = ["file", "held_out"], value_parser = clap::value_parser!(u32).range(2..=20))]
        folds: Option<u32>,
        #[arg(long)]
        json: bool,
        #[arg(long)]
        min_top1: Option<f64>,
        /// Write report.md and confusion.svg into this folder
        #[arg(long)]
        report: Option<PathBuf>,
    },
}

/// `nlu …`
///
/// # Errors
/// If the input cannot be read.
pub fn nlu(command: &Nlu, overlay: Option<&Path>) -> Result<Found> {
    let loaded = load::load(overlay)?;
    match command {
        Nlu::Parse => {
            for line in std::io::stdin().lock().lines() {
                let line = line.context("the input is not UTF-8 text")?;
                if line.trim().is_empty() {
                    continue;
                }
                let given = serde_json::from_str::<Value>(&line).ok().filter(Value::is_object);
                let (text, context) = match &given {
                    Some(value) => {
                        (value["text"].as_str().unwrap_or_default().to_owned(), value["context"].clone())
                    }
                    None => (line, Value::Null),
                };
                say(parse(&loaded, &text, &context)?.to_string())?;
            }
            Ok(Found::Nothing)
        }
        Nlu::Eval { file, held_out, folds, json, min_top1, report } => {
            let mut scores = Scores::default();
            let nlu = &loaded.engine.nlu;
            match (file, held_out, folds) {
                (Some(file), ..) => evaluate(&loaded, nlu, &lines(file)?, &mut scores)?,
                (None, true, _) => evaluate(&loaded, nlu, &held_out_cases(&loaded), &mut scores)?,
                (None, false, Some(folds)) => cross_validate(&loaded, overlay, *folds, &mut scores)?,
                (None, false, None) => {
                    bail!("name a file of labelled messages, or ask for `--held-out` or `--folds 5`")
                }
            }
            if let Some(folder) = report {
                let what = if *held_out { "held-out utterances" } else { "cross-validation" };
                let name = file.as_ref().map_or_else(
                    || what.to_owned(),
                    |file| file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                );
                report::write(folder, &name, &scores, &loaded.engine.catalog.intents)?;
            }
            let summary = scores.summary();
            if *json {
                let mut whole = summary;
                whole["misses"] = scores.misses.clone().into();
                say(whole.to_string())?;
            } else {
                for miss in &scores.misses {
                    say(miss.to_string())?;
                }
                say(summary.to_string())?;
            }
            let below = min_top1.is_some_and(|bar| scores.top1() < bar);
            Ok(if below { Found::Problems } else { Found::Nothing })
        }
    }
}

/// The turn a message without a context is taken for.
const MID_TALK: u32 = 5;

/// A state as the `context` of an evaluation line describes it: state, asked, last_action, slots.
fn standing(context: &Value, flow: &Flow) -> DialogueState {
    let mut state = DialogueState { flow: flow.name.clone(), ..DialogueState::default() };
    if let Some(name) = context["state"].as_str() {
        name.clone_into(&mut state.state);
    }
    if let Ok(asked) = serde_json::from_value::<salesbot_dialogue::Asked>(context["asked"].clone()) {
        state.asked = Some(asked);
    }
    if context.is_null() {
        // Nowhere in particular: the rules for a first message stay out of it.
        state.counters.turn = MID_TALK;
    } else {
        let action = context["last_action"].as_str().unwrap_or_default().to_owned();
        state.turns.push(salesbot_dialogue::Exchange {
            action,
            asked: state.asked.is_some(),
            ..Default::default()
        });
        state.counters.turn = 1;
    }
    if let Some(slots) = context["slots"].as_object() {
        state.slots.extend(slots.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    state
}

fn active(loaded: &Loaded) -> Result<&Flow> {
    loaded.engine.catalog.flow(loaded.settings.text("flow.active")).context("the active flow")
}

fn rounded(value: f32) -> f64 {
    f64::from((value * 10_000.0).round()) / 10_000.0
}

fn parse(loaded: &Loaded, text: &str, context: &Value) -> Result<Value> {
    let engine = &loaded.engine;
    let flow = active(loaded)?;
    let state = standing(context, flow);
    let turn = Turn { message: text, state: &state, flow, now: 0 };
    let intents = &engine.catalog.intents;
    let read = engine.nlu.understand(&turn, intents, engine.options.nlu);
    Ok(json!({
        "text": text,
        "intent": intents.name(read.intent),
        "confidence": rounded(read.confidence),
        "method": read.method,
        "original_intent": read.original_intent.map(|id| intents.name(id)),
        "alternatives": read.candidates.iter().take(3).map(|candidate| json!({
            "intent": intents.name(candidate.intent), "score": rounded(candidate.score), "evidence": candidate.evidence,
        })).collect::<Vec<_>>(),
        "secondary": read.secondary.iter().map(|id| intents.name(*id)).collect::<Vec<_>>(),
        "questions": read.questions.iter().map(|question| json!({"intent": intents.name(question.intent), "text": question.text})).collect::<Vec<_>>(),
        "slots": read.slots,
        "tone": {"tone": read.tone.tone, "frustration": read.tone.frustration, "signals": read.tone.signals},
        "language": read.language,
        "asks": read.asks,
        "repairs": read.repairs,
        "context_rules": read.because,
    }))
}

fn held_out_cases(loaded: &Loaded) -> Vec<Value> {
    let intents = loaded.engine.catalog.intents.iter();
    intents
        .flat_map(|(_, spec)| {
            spec.held_out.iter().map(|text| json!({"text": text, "accept": [spec.name.as_str()]}))
        })
        .collect()
}

/// `*` at the end of a pattern stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// Examples in `folds` parts, dealt out by a hash of the text; each is read by a classifier that has not seen it.
fn cross_validate(loaded: &Loaded, overlay: Option<&Path>, folds: u32, scores: &mut Scores) -> Result<()> {
    let sources = Content::open(overlay)?.sources();
    let intents = &loaded.engine.catalog.intents;
    let part = |text: &str| salesbot_models::linear::hash(text) % folds;
    for fold in 0..folds {
        let mut cases = Vec::new();
        let mut specs = Vec::new();
        let concepts = Arc::clone(&loaded.engine.retriever.language().concepts);
        for (_, spec) in intents.iter() {
            let (seen, unseen): (Vec<String>, Vec<String>) =
                spec.examples.iter().cloned().partition(|text| part(text) != fold);
            let case = |text: &String| json!({"text": text, "accept": [spec.name.as_str()]});
            cases.extend(unseen.iter().map(case));
            specs.push(IntentSpec { examples: seen, ..spec.clone() });
        }
        let catalog = IntentCatalog::from_specs(specs);
        let mut diagnostics = Diagnostics::default();
        let mut nlu = Understands::load(
            &sources.nlu,
            &catalog,
            Arc::clone(&concepts),
            &mut std::iter::empty(),
            &mut diagnostics,
        );
        anyhow::ensure!(!diagnostics.has_errors(), "{diagnostics}");
        nlu.learn(loaded.engine.retriever.knowledge.vocabulary());
        evaluate(loaded, &nlu, &cases, scores)?;
    }
    Ok(())
}

fn evaluate(loaded: &Loaded, nlu: &Understands, cases: &[Value], scores: &mut Scores) -> Result<()> {
    let engine = &loaded.engine;
    let flow = active(loaded)?;
    let intents = &engine.catalog.intents;
    for case in cases {
        let text = case["text"].as_str().context("a line without `text`")?;
        let state = standing(&case["context"], flow);
        let turn = Turn { message: text, state: &state, flow, now: 0 };
        let begun = Instant::now();
        let read = nlu.understand(&turn, intents, engine.options.nlu);
        scores.times_us.push(begun.elapsed().as_micros());
        let accept = texts(&case["accept"]);
        let got = intents.name(read.intent);
        let accepts = |name: &str| accept.iter().any(|wanted| wanted == name);
        let hit = accept.is_empty() || accepts(got);
        let near = read.candidates.iter().take(3).any(|other| accepts(intents.name(other.intent)));
        let alike = accept
            .iter()
            .filter_map(|wanted| intents.id(wanted))
            .any(|wanted| scores::handled_alike(intents.get(wanted), intents.get(read.intent)));
        let harmful = !hit && texts(&case["reject"]).iter().any(|pattern| fits(pattern, got));
        let wrong_slots = score_slots(case, &read.slots, &mut scores.slots);
        if let Some(tone) = case["tone"].as_str() {
            scores.tones += 1;
            scores.tone_hits += usize::from(read.tone.tone.name() == tone);
        }
        if !hit || !wrong_slots.is_empty() {
            scores.misses.push(json!({"text": text, "accept": accept, "got": got, "confidence": rounded(read.confidence), "slots": wrong_slots, "violation": harmful}));
        }
        scores.list.push(Scored {
            wanted: if hit { got.to_owned() } else { accept.first().cloned().unwrap_or_default() },
            got: got.to_owned(),
            confidence: read.confidence,
            sure: nlu.is_sure(&read),
            hit,
            near: hit || near,
            handled: hit || alike,
            harmful,
        });
    }
    Ok(())
}

/// Counts labelled slots; the phone and the e-mail of `contact_info` go by names of their own. Returns what is wrong.
fn score_slots(case: &Value, read: &[SlotFill], slots: &mut scores::Slots) -> Vec<String> {
    let value = |name: &str| -> Option<Value> {
        let part = |part: &str| {
            read.iter()
                .find(|fill| fill.slot == "contact_info")
                .map(|fill| fill.value[part].clone())
                .filter(|value| !value.is_null())
        };
        match name {
            "phone" | "email" => part(name),
            name => read.iter().find(|fill| fill.slot == name).map(|fill| fill.value.clone()),
        }
    };
    let same = |a: &Value, b: &Value| match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a.to_lowercase() == b.to_lowercase(),
        _ => a == b,
    };
    let mut wrong = Vec::new();
    for (name, wanted) in case["slots"].as_object().into_iter().flatten() {
        slots.wanted += 1;
        match value(name) {
            Some(found) if same(&found, wanted) => {
                slots.right += 1;
                slots.found += 1;
            }
            Some(found) => {
                slots.found += 1;
                wrong.push(format!("{name}: {found}, not {wanted}"));
            }
            None => wrong.push(format!("{name}: missing {wanted}")),
        }
    }
    for name in texts(&case["absent"]) {
        if let Some(found) = value(&name) {
            slots.found += 1;
            wrong.push(format!("{name}: {found} should be absent"));
        }
    }
    wrong
}
