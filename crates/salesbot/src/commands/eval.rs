//! Labelled files, a JSON object a line, and the scores of `kb eval` over them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use salesbot_knowledge::{Query, Retriever};

use super::{Found, say};

pub(super) fn lines(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}: not JSON", file.display(), at + 1))
        })
        .collect()
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

pub(super) fn percentile(sorted: &[u128], share: usize) -> u128 {
    if sorted.is_empty() { 0 } else { sorted[(sorted.len() - 1) * share / 100] }
}

/// Recall of sections (or, where a line names only categories, of categories).
pub(super) fn knowledge(
    retriever: &Retriever,
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
        let found = retriever.search(&Query { text: text.to_owned(), ..Query::default() }, 20);
        times.push(begun.elapsed().as_micros());
        abstained += usize::from(found.abstained);
        let passages = found.passages;
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
