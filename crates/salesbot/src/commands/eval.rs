//! Scores over labelled files: `nlu eval` and `kb eval` (formats: DESIGN, "Command line").

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use salesbot_dialogue::{SlotFill, Turn};
use salesbot_engine::Engine;
use salesbot_knowledge::Query;
use salesbot_knowledge::retriever::MIN_COVERAGE;

use super::{Found, say, standing};
use crate::load::Loaded;

fn lines(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}: not JSON", file.display(), at + 1))
        })
        .collect()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

/// `*` at the end of a pattern stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn percentile(sorted: &[u128], share: usize) -> u128 {
    if sorted.is_empty() { 0 } else { sorted[(sorted.len() - 1) * share / 100] }
}

#[derive(Default)]
struct Slots {
    right: usize,
    found: usize,
    wanted: usize,
}

/// Share of messages read rightly, and of slots filled rightly.
pub(super) fn understanding(
    loaded: &Loaded,
    file: &Path,
    as_json: bool,
    min_top1: Option<f64>,
) -> Result<Found> {
    let engine = &loaded.engine;
    let flow = engine.catalog.flow(loaded.settings.text("flow.active")).context("the active flow")?;
    let intents = &engine.catalog.intents;
    let cases = lines(file)?;
    let (mut top1, mut top3, mut violations, mut tones, mut tone_hits) = (0, 0, 0, 0, 0);
    let mut slots = Slots::default();
    let mut misses = Vec::new();
    let mut times = Vec::new();
    for case in &cases {
        let text = case["text"].as_str().context("a line without `text`")?;
        let state = standing(&case["context"], flow);
        let begun = Instant::now();
        let read = engine.nlu.understand(
            &Turn { message: text, state: &state, flow, now: 0 },
            intents,
            engine.options.nlu,
        );
        times.push(begun.elapsed().as_micros());
        let accept = texts(&case["accept"]);
        let name = intents.name(read.intent);
        let hit = accept.is_empty() || accept.iter().any(|wanted| wanted == name);
        let near = read
            .candidates
            .iter()
            .take(3)
            .any(|candidate| accept.iter().any(|wanted| wanted == intents.name(candidate.intent)));
        let harmful = texts(&case["reject"]).iter().any(|pattern| fits(pattern, name));
        top1 += usize::from(hit);
        top3 += usize::from(hit || near);
        violations += usize::from(harmful && !hit);
        let wrong_slots = score_slots(case, &read.slots, &mut slots);
        if let Some(tone) = case["tone"].as_str() {
            tones += 1;
            tone_hits += usize::from(read.tone.tone.name() == tone);
        }
        if !hit || !wrong_slots.is_empty() {
            misses.push(json!({"text": text, "accept": accept, "got": name, "confidence": read.confidence, "slots": wrong_slots, "violation": harmful && !hit}));
        }
    }
    times.sort_unstable();
    let share = |count: usize, of: usize| {
        if of == 0 { 1.0 } else { (count as f64 / of as f64 * 10_000.0).round() / 10_000.0 }
    };
    let report = json!({
        "n": cases.len(), "top1": share(top1, cases.len()), "top3": share(top3, cases.len()), "violations": violations,
        "slot_precision": share(slots.right, slots.found), "slot_recall": share(slots.right, slots.wanted), "tone": share(tone_hits, tones),
        "p50_us": percentile(&times, 50), "p99_us": percentile(&times, 99), "misses": misses,
    });
    if as_json {
        say(report.to_string())?;
    } else {
        for miss in report["misses"].as_array().into_iter().flatten() {
            say(miss.to_string())?;
        }
        let mut short = report.clone();
        short.as_object_mut().map(|map| map.remove("misses"));
        say(short.to_string())?;
    }
    let below = min_top1.is_some_and(|bar| share(top1, cases.len()) < bar);
    Ok(if below { Found::Problems } else { Found::Nothing })
}

/// Counts labelled slots; the phone and the e-mail of `contact_info` go by names of their own. Returns what is wrong.
fn score_slots(case: &Value, read: &[SlotFill], slots: &mut Slots) -> Vec<String> {
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

/// Recall of sections (or, where a line names only categories, of categories).
pub(super) fn knowledge(
    engine: &Engine,
    file: &Path,
    as_json: bool,
    min_recall5: Option<f64>,
) -> Result<Found> {
    let cases = lines(file)?;
    let depths = [1_usize, 2, 5, 10, 20];
    let mut hits = [0_usize; 5];
    let (mut reciprocal, mut abstained) = (0.0, 0);
    let mut times = Vec::new();
    let mut misses = Vec::new();
    for case in &cases {
        let text = case["query"].as_str().context("a line without `query`")?;
        let (topics, categories) = (texts(&case["topics"]), texts(&case["categories"]));
        let begun = Instant::now();
        let passages = engine.retriever.search(&Query { text: text.to_owned(), ..Query::default() }, 20);
        times.push(begun.elapsed().as_micros());
        abstained += usize::from(passages.first().is_none_or(|best| best.coverage < MIN_COVERAGE));
        let right = |at: usize| {
            let section = passages[at].section;
            if topics.is_empty() {
                categories.contains(&section.category)
            } else {
                topics.contains(&section.topic)
            }
        };
        let rank = (0..passages.len()).find(|at| right(*at));
        for (depth, hit) in depths.iter().zip(&mut hits) {
            *hit += usize::from(rank.is_some_and(|rank| rank < *depth));
        }
        match rank {
            Some(rank) => reciprocal += 1.0 / (rank as f64 + 1.0),
            None => misses.push(text.to_owned()),
        }
    }
    times.sort_unstable();
    let share = |count: usize| (count as f64 / cases.len().max(1) as f64 * 10_000.0).round() / 10_000.0;
    let recall: serde_json::Map<String, Value> =
        depths.iter().zip(hits).map(|(depth, hit)| (depth.to_string(), json!(share(hit)))).collect();
    let report = json!({
        "n": cases.len(), "recall_at": recall, "mrr": (reciprocal / cases.len().max(1) as f64 * 10_000.0).round() / 10_000.0, "abstained": abstained,
        "p50_us": percentile(&times, 50), "p99_us": percentile(&times, 99),
    });
    if !as_json {
        for miss in &misses {
            say(format!("missed: {miss}"))?;
        }
    }
    say(report.to_string())?;
    let below = min_recall5.is_some_and(|bar| share(hits[2]) < bar);
    Ok(if below { Found::Problems } else { Found::Nothing })
}
