//! `kb`: the knowledge folder by itself. Of the rest of the content it takes what is known of the language: words that
//! count for nothing (`nlu/categories.yaml`), words that mean the same, words that are no slips.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use salesbot_dialogue::IntentCatalog;
use salesbot_engine::nlg::facts::Categories;
use salesbot_knowledge::concepts::Concepts;
use salesbot_knowledge::retriever::Language;
use salesbot_knowledge::words::words;
use salesbot_knowledge::{Knowledge, Query, Retriever, check, day};
use salesbot_yaml::Diagnostics;

use super::kb_eval::{Eval, evaluate};
use super::{Format, Found, report, say};
use crate::content::Content;
use crate::load::Invalid;

#[derive(Clone, Debug, Subcommand)]
pub enum Kb {
    /// Check the knowledge folder
    Check {
        folder: Option<PathBuf>,
        /// text, json or sarif
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[arg(long)]
        json: bool,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
        /// Show what is worth a look but no fault: two prices for one thing, keywords that say nothing
        #[arg(long)]
        notes: bool,
    },
    /// Search and explain the scores
    Search {
        text: String,
        #[arg(long, default_value_t = 5)]
        k: usize,
        /// A category the question is expected to be about; may be repeated
        #[arg(long = "category", value_name = "NAME")]
        categories: Vec<String>,
        #[arg(long, value_name = "DIR")]
        knowledge: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Recall and abstention over files of labelled questions
    Eval(Eval),
    /// Company, counts by category, sizes of the index
    Info {
        #[arg(long, value_name = "DIR")]
        knowledge: Option<PathBuf>,
    },
    /// Lengths of facts, numbers of keywords and questions, sums of money
    Stats {
        #[arg(long, value_name = "DIR")]
        knowledge: Option<PathBuf>,
    },
}

/// `kb …`
///
/// # Errors
/// If content or a file cannot be read.
pub fn kb(command: &Kb, overlay: Option<&Path>) -> Result<Found> {
    match command {
        Kb::Check { folder, format, json, strict, notes } => {
            let content = open(overlay, folder.as_deref())?;
            let format = if *json { Format::Json } else { *format };
            report(&findings(&content), format, *strict, *notes)
        }
        Kb::Search { text, k, categories, knowledge, json } => {
            let (retriever, _) = retriever(&open(overlay, knowledge.as_deref())?)?;
            search(&retriever, text, *k, categories, *json)?;
            Ok(Found::Nothing)
        }
        Kb::Eval(options) => {
            let (retriever, _) = retriever(&open(overlay, options.knowledge.as_deref())?)?;
            evaluate(&retriever, options)
        }
        Kb::Info { knowledge } => info(&open(overlay, knowledge.as_deref())?),
        Kb::Stats { knowledge } => stats(&open(overlay, knowledge.as_deref())?),
    }
}

fn open(overlay: Option<&Path>, knowledge: Option<&Path>) -> Result<Content> {
    let mut content = Content::open(overlay)?;
    if let Some(folder) = knowledge {
        content.replace_knowledge(folder)?;
    }
    Ok(content)
}

fn today() -> i32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    day(i64::try_from(now).unwrap_or(i64::MAX))
}

fn intents(content: &Content) -> IntentCatalog {
    IntentCatalog::load(&content.sources().intents, &mut Diagnostics::default())
}

fn categories(content: &Content, intents: &IntentCatalog) -> Categories {
    Categories::load(&content.sources().categories, intents, &mut Diagnostics::default())
}

/// All findings about the knowledge of the content, in order.
pub(super) fn findings(content: &Content) -> Diagnostics {
    let mut found = Diagnostics::default();
    let reachable = categories(content, &intents(content)).reachable();
    let sources = content.sources().knowledge;
    let knowledge = Knowledge::load(&sources, true, &mut found);
    check(&sources, &knowledge, &reachable, today(), &mut found);
    found.sort();
    found
}

fn retriever(content: &Content) -> Result<(Retriever, f64)> {
    let mut found = Diagnostics::default();
    let concepts = Arc::new(Concepts::load(&content.sources().nlu.concepts, &mut Diagnostics::default()));
    let intents = intents(content);
    let language = Language { concepts, ..categories(content, &intents).language };
    let sources = content.sources().knowledge;
    let begun = Instant::now();
    let knowledge = Knowledge::load(&sources, false, &mut found);
    if found.has_errors() {
        found.sort();
        return Err(Invalid(found).into());
    }
    let mut retriever = Retriever::new(knowledge, language);
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    // Words met more than once in the examples are no slips of words that a section has, here as in a talk.
    let examples = intents.iter().flat_map(|(_, intent)| &intent.examples);
    let (mut once, mut known) = (HashSet::new(), HashSet::new());
    for word in examples.flat_map(|example| words(example)) {
        if let Some(again) = once.replace(word) {
            known.insert(again);
        }
    }
    retriever.learn(known.iter().map(String::as_str));
    Ok((retriever, ms))
}

fn search(retriever: &Retriever, text: &str, k: usize, categories: &[String], as_json: bool) -> Result<()> {
    let query = Query {
        text: text.to_owned(),
        categories: categories.to_vec(),
        today: Some(today()),
        ..Query::default()
    };
    let found = retriever.search(&query, k);
    if as_json {
        let passages: Vec<Value> = found
            .passages
            .iter()
            .map(|passage| {
                json!({"section": passage.section.id, "score": passage.score, "letter": passage.letter,
                    "concept": passage.concept, "theme": passage.theme, "home": passage.home, "nearest": passage.nearest, "coverage": passage.coverage,
                    "matched": passage.matched, "facts": passage.section.facts})
            })
            .collect();
        let corrections: Vec<Value> = found
            .corrections
            .iter()
            .map(|correction| json!({"from": correction.from, "to": correction.to, "kind": correction.kind}))
            .collect();
        return say(serde_json::to_string_pretty(&json!({
            "query": text, "corrections": corrections, "unknown_names": found.unknown_names, "margin": found.margin,
            "known": found.known, "abstained": found.abstained, "results": passages,
        }))?);
    }
    for correction in &found.corrections {
        say(format!("{} is read as {} ({})", correction.from, correction.to, correction.kind))?;
    }
    if !found.unknown_names.is_empty() {
        say(format!("no section knows {}", found.unknown_names.join(", ")))?;
    }
    if found.passages.is_empty() {
        return say("nothing found");
    }
    say(format!(
        "margin {:.2}{}",
        found.margin,
        if found.abstained { ", too little is covered for an answer" } else { "" }
    ))?;
    for (at, passage) in found.passages.iter().enumerate() {
        say(format!(
            "{}. {}  score {:.3}: covers {:.2}, letters {:.2}, concepts {:.2}, theme {:.2}, nearest phrase {:.2}; matched {}",
            at + 1,
            passage.section.id,
            passage.score,
            passage.coverage,
            passage.letter,
            passage.concept,
            passage.theme,
            passage.nearest,
            passage.matched.join(" ")
        ))?;
        for line in passage.section.facts.lines() {
            say(format!("   {line}"))?;
        }
    }
    Ok(())
}

fn info(content: &Content) -> Result<Found> {
    let (retriever, ms) = retriever(content)?;
    let knowledge = &retriever.knowledge;
    say(format!("{}: {}", knowledge.meta.company_name, knowledge.meta.company_description))?;
    let sizes = retriever.sizes();
    say(format!("sections {}, last updated {}", knowledge.sections.len(), knowledge.meta.last_updated))?;
    say(format!(
        "read, checked and indexed in {ms:.0} ms; {} stems in {} places, {} pieces in {} places, {} phrases, about {:.1} MiB",
        sizes.stems,
        sizes.stem_places,
        sizes.pieces,
        sizes.piece_places,
        sizes.phrases,
        sizes.bytes as f64 / 1_048_576.0
    ))?;
    for (category, count) in knowledge.categories() {
        say(format!("  {category:14} {count}"))?;
    }
    Ok(Found::Nothing)
}

fn stats(content: &Content) -> Result<Found> {
    let mut found = Diagnostics::default();
    let knowledge = Knowledge::load(&content.sources().knowledge, false, &mut found);
    let row = |name: &str, mut counts: Vec<usize>| {
        counts.sort_unstable();
        let at =
            |share: usize| counts.get(counts.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
        let sum: usize = counts.iter().sum();
        say(format!(
            "{name:24} all {sum:7}   least {:4}   p10 {:4}   median {:4}   p90 {:4}   most {:4}",
            at(0),
            at(10),
            at(50),
            at(90),
            at(100)
        ))
    };
    let sections = &knowledge.sections;
    row("characters of facts", sections.iter().map(|section| section.facts.chars().count()).collect())?;
    row("keywords", sections.iter().map(|section| section.keywords.len()).collect())?;
    row("questions", sections.iter().map(|section| section.questions.len()).collect())?;
    row("sums of money", sections.iter().map(|section| section.facts.matches('₸').count()).collect())?;
    row("links", sections.iter().map(|section| section.links.len()).collect())?;
    for priority in (1..=10).rev() {
        let count = sections.iter().filter(|section| section.priority == priority).count();
        if count > 0 {
            say(format!("priority {priority:2}: {count}"))?;
        }
    }
    Ok(Found::Nothing)
}
