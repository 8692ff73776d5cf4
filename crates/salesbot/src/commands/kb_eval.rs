//! `kb eval`: how often the right section is found, and how often a question that no section answers is left alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use salesbot_knowledge::{Query, Retriever};

use super::eval::{lines, percentile, texts};
use super::spoil::Spoil;
use super::{Found, say};

#[derive(Clone, Debug, Args)]
pub struct Eval {
    /// Files of a JSON object a line: `query` and the `topics` (or `categories`) that answer it; neither where none does
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Another knowledge folder
    #[arg(long, value_name = "DIR")]
    pub knowledge: Option<PathBuf>,
    /// Spoil every question first
    #[arg(long, value_enum)]
    spoil: Option<Spoil>,
    /// One line, nothing of what was missed
    #[arg(long)]
    json: bool,
    /// Show what each level of `retriever.min_coverage` would leave alone
    #[arg(long)]
    calibrate: bool,
    /// Exit code 1 if the recall among the first five is below
    #[arg(long)]
    min_recall5: Option<f64>,
}

const DEPTHS: [usize; 5] = [1, 2, 5, 10, 20];

/// Questions of one kind.
#[derive(Default)]
struct Tally {
    asked: usize,
    hits: [usize; 5],
    reciprocal: f64,
    abstained: usize,
}

impl Tally {
    fn add(&mut self, rank: Option<usize>, abstained: bool) {
        self.asked += 1;
        self.abstained += usize::from(abstained);
        self.reciprocal += rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
        for (depth, hit) in DEPTHS.iter().zip(&mut self.hits) {
            *hit += usize::from(rank.is_some_and(|rank| rank < *depth));
        }
    }

    fn recall(&self, at: usize) -> f64 {
        rounded(self.hits[at] as f64, self.asked)
    }

    fn report(&self) -> Value {
        let recall: serde_json::Map<String, Value> =
            (0..DEPTHS.len()).map(|at| (DEPTHS[at].to_string(), json!(self.recall(at)))).collect();
        json!({
            "n": self.asked, "recall_at": recall, "mrr": rounded(self.reciprocal, self.asked),
            "abstained": rounded(self.abstained as f64, self.asked),
        })
    }
}

fn rounded(sum: f64, count: usize) -> f64 {
    (sum / count.max(1) as f64 * 10_000.0).round() / 10_000.0
}

/// Recall of sections (or, where a line names only categories, of categories), and abstention.
///
/// # Errors
/// If a file cannot be read or a line has no `query`.
pub(super) fn evaluate(retriever: &Retriever, options: &Eval) -> Result<Found> {
    let (mut all, mut foreign) = (Tally::default(), Tally::default());
    let mut kinds: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut times, mut missed, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for file in &options.files {
        for case in lines(file)? {
            let written = case["query"].as_str().context("a line without `query`")?;
            let text = options.spoil.map_or_else(|| written.to_owned(), |spoil| spoil.apply(written));
            let (topics, categories) = (texts(&case["topics"]), texts(&case["categories"]));
            let begun = Instant::now();
            let found = retriever.search(&Query { text: text.clone(), ..Query::default() }, 20);
            times.push(begun.elapsed().as_micros());
            let right = |section: &salesbot_knowledge::Section| {
                if topics.is_empty() {
                    categories.contains(&section.category)
                } else {
                    topics.contains(&section.topic)
                }
            };
            let answerable = !(topics.is_empty() && categories.is_empty());
            known.push((found.known, answerable));
            if !answerable {
                foreign.add(None, found.abstained);
                if !found.abstained {
                    let best = found.passages.first().map_or("", |best| best.section.id.as_str());
                    missed.push(format!("answered: {text} ({best})"));
                }
                continue;
            }
            let rank = found.passages.iter().position(|passage| right(passage.section));
            if rank.is_none() {
                missed.push(format!("missed: {text}"));
            }
            all.add(rank, found.abstained);
            let kind = case["kind"].as_str().unwrap_or("natural");
            kinds.entry(kind.to_owned()).or_default().add(rank, found.abstained);
        }
    }
    if times.is_empty() {
        bail!("no questions in the files");
    }
    times.sort_unstable();
    if !options.json {
        missed.iter().try_for_each(say)?;
    }
    if options.calibrate {
        calibrate(known)?;
    }
    let kinds: serde_json::Map<String, Value> =
        kinds.iter().map(|(kind, tally)| (kind.clone(), tally.report())).collect();
    let mut report = all.report();
    report["kinds"] = Value::Object(kinds);
    report["foreign"] = json!({"n": foreign.asked, "abstained": foreign.report()["abstained"]});
    report["p50_us"] = json!(percentile(&times, 50));
    report["p99_us"] = json!(percentile(&times, 99));
    say(report.to_string())?;
    let below = options.min_recall5.is_some_and(|bar| all.recall(2) < bar);
    Ok(if below { Found::Problems } else { Found::Nothing })
}

/// For each level: the share of answerable questions it leaves alone, and of the others.
fn calibrate(known: Vec<(f32, bool)>) -> Result<()> {
    let share = |level: f32, answerable: bool| {
        let of: Vec<f32> =
            known.iter().filter(|(_, own)| *own == answerable).map(|(known, _)| *known).collect();
        let below = of.iter().filter(|known| **known < level).count();
        rounded(100.0 * below as f64, of.len())
    };
    say("min_coverage   answerable left alone, %   others left alone, %")?;
    for step in 0..=20_u8 {
        let level = f32::from(step) / 20.0;
        say(format!("{level:12.2} {:26.1} {:22.1}", share(level, true), share(level, false)))?;
    }
    Ok(())
}
