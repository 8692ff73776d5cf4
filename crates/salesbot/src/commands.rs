//! The commands that look into content: `check`, `kb`, `nlu`, `flow`, `flags`, `settings`, `snapshot`.
//! Results go to standard output, findings about content to standard error.

mod eval;
mod explain;
mod graph;
mod kb;
mod kb_eval;
mod nlu;
mod sarif;
mod spoil;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use explain::{Standing, chain_text};
pub use kb::{Kb, kb};
pub use nlu::{Nlu, nlu};
use salesbot_dialogue::flow::{Flow, StateId};
use salesbot_dialogue::{IntentCatalog, snapshot};
use salesbot_yaml::{Diagnostics, Severity};

use crate::content::Content;
use crate::flags::{ALIASES, FLAGS, Flag};
use crate::load::{self, Invalid};
use crate::settings::Settings;

/// What a command found; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Problems,
}

#[derive(Clone, Debug, Subcommand)]
pub enum FlowCommand {
    /// Names of the flows
    List,
    /// States of a flow with their rows, as loaded
    Show { flow: String, state: Option<String> },
    /// What is decided in a state on an intent: which row of which file, and what it beat
    Explain {
        flow: String,
        state: String,
        intent: String,
        /// A slot known before the message, such as company_size=8; may be repeated
        #[arg(long = "slot", value_name = "SLOT=VALUE")]
        slots: Vec<String>,
        /// Turns of the talk before this one
        #[arg(long, default_value_t = 2)]
        turn: u32,
        /// Consecutive turns in the state before this one
        #[arg(long, default_value_t = 0)]
        turns_in_state: u32,
        #[arg(long)]
        json: bool,
    },
    /// A picture of a flow: phases left to right, objections and exits apart
    Graph {
        flow: String,
        #[arg(long, value_enum, default_value_t = GraphFormat::Svg)]
        format: GraphFormat,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    Svg,
    Mermaid,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
    /// For code review tools (SARIF 2.1.0)
    Sarif,
}

/// Writes a line to standard output; a closed pipe ends the command quietly.
pub fn say(text: impl AsRef<str>) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.as_ref()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot write to standard output"),
    }
}

/// `check [DIR]`: loads everything as a start would and prints every finding.
///
/// # Errors
/// If the folder cannot be read.
pub fn check(folder: Option<&Path>, format: Format, strict: bool, show_notes: bool) -> Result<Found> {
    let found = match load::load(folder) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.downcast::<Invalid>().map(|Invalid(found)| found)?,
    };
    report(&found, format, strict, show_notes)
}

fn report(found: &Diagnostics, format: Format, strict: bool, show_notes: bool) -> Result<Found> {
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    if format == Format::Json {
        say(serde_json::to_string_pretty(found)?)?;
    } else if format == Format::Sarif {
        say(serde_json::to_string_pretty(&sarif::sarif(found))?)?;
    } else {
        let notes = found.count(Severity::Note);
        let shown = if show_notes { found.clone() } else { found.without_notes() };
        if !shown.is_empty() {
            writeln!(std::io::stderr(), "{shown}\n")?;
        }
        let more = if notes > 0 && !show_notes {
            format!(", {notes} notes (--notes shows them)")
        } else {
            String::new()
        };
        say(format!("{errors} errors, {warnings} warnings{more}"))?;
    }
    Ok(if errors > 0 || strict && warnings > 0 { Found::Problems } else { Found::Nothing })
}

/// `flow …`
///
/// # Errors
/// If content cannot be read.
pub fn flow(command: &FlowCommand, overlay: Option<&Path>) -> Result<Found> {
    let loaded = load::load(overlay)?;
    let catalog = &loaded.engine.catalog;
    let named = |flow: &str| {
        catalog.flow(flow).ok_or_else(|| {
            let names = catalog.names().collect::<Vec<_>>().join(", ");
            anyhow::anyhow!("there is no flow `{flow}`; available: {names}")
        })
    };
    match command {
        FlowCommand::Explain { flow, state, intent, slots, turn, turns_in_state, json } => {
            let standing = Standing { slots: slots.clone(), turn: *turn, turns_in_state: *turns_in_state };
            explain::explain(&loaded, named(flow)?, state, intent, &standing, *json)?;
        }
        FlowCommand::Graph { flow, format } => {
            let flow = named(flow)?;
            say(match format {
                GraphFormat::Svg => graph::svg(flow, catalog),
                GraphFormat::Mermaid => graph::mermaid(flow, catalog),
            })?;
        }
        FlowCommand::List => {
            for flow in catalog.flows() {
                say(format!("{:16} {}  {}", flow.name, flow.version, flow.phase_order.join(" → ")))?;
            }
        }
        FlowCommand::Show { flow, state } => {
            show(named(flow)?, state.as_deref(), &catalog.intents)?;
        }
    }
    Ok(Found::Nothing)
}

fn show(flow: &Flow, wanted: Option<&str>, intents: &IntentCatalog) -> Result<()> {
    if wanted.is_none() {
        say(format!("flow {} {}: {}", flow.name, flow.version, flow.description))?;
    }
    let mut order: Vec<StateId> = flow.states().map(|(id, _)| id).collect();
    order.sort_by_key(|id| (flow.order(*id), id.0));
    for id in order {
        let state = flow.state(id);
        if wanted.is_some_and(|name| name != state.name) {
            continue;
        }
        say(format!("\n{}  ({}:{})", state.name, state.file, state.line))?;
        say(format!("  goal: {}", state.goal))?;
        if !state.required.is_empty() {
            say(format!("  required: {}", state.required.join(", ")))?;
        }
        if wanted.is_some() {
            for (intent, chain) in &state.rules {
                say(format!("  on {} do {}", intents.name(*intent), chain_text(chain, Clone::clone)))?;
            }
            for (intent, chain) in &state.transitions {
                say(format!(
                    "  on {} go {}",
                    intents.name(*intent),
                    chain_text(chain, |to| flow.state(*to).name.clone())
                ))?;
            }
        } else {
            say(format!(
                "  {} rules, {} transitions, at most {} turns",
                state.rules.len(),
                state.transitions.len(),
                state.max_turns
            ))?;
        }
        if let Some(chain) = &state.data_complete {
            say(format!("  when complete go {}", chain_text(chain, |to| flow.state(*to).name.clone())))?;
        }
    }
    Ok(())
}

/// `flags`
///
/// # Errors
/// If the settings are invalid.
pub fn flags(overlay: Option<&Path>, as_json: bool) -> Result<Found> {
    let content = Content::open(overlay)?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let settings = Settings::resolve(&content.file("settings.yaml"), &environment).map_err(Invalid)?;
    for warning in &settings.warnings {
        writeln!(std::io::stderr(), "warning: {warning}")?;
    }
    let shown = |flag: &Flag| settings.flags.get(flag.name).map(|setting| (setting.on, setting.source));
    if as_json {
        let list: Vec<Value> = FLAGS
            .iter()
            .filter_map(|flag| {
                let (on, source) = shown(flag)?;
                Some(json!({
                    "name": flag.name, "value": on, "source": source, "part": flag.part.to_string(),
                    "depends_on": flag.needs, "dependencies_off": settings.flags.lacks(flag), "help": flag.help,
                }))
            })
            .collect();
        say(serde_json::to_string_pretty(&list)?)?;
        return Ok(Found::Nothing);
    }
    for flag in &FLAGS {
        let Some((on, source)) = shown(flag) else { continue };
        let lacks = settings.flags.lacks(flag);
        let needs = match (flag.needs, lacks.first()) {
            ([], _) => String::new(),
            (_, Some(off)) => format!("; needs {off}, which is off"),
            (needs, None) => format!("; needs {}", needs.join(", ")),
        };
        let part = flag.part.to_string();
        say(format!("{:34} {on:5} {source:12} {part:27} {}{needs}", flag.name, flag.help))?;
    }
    for (alias, setting) in ALIASES {
        say(format!(
            "{alias:34} {:5} {:12} {:27} stands for the setting `{setting}`",
            "-", "-", "waits: embeddings"
        ))?;
    }
    Ok(Found::Nothing)
}

/// `settings show`
///
/// # Errors
/// If the settings are invalid.
pub fn settings(overlay: Option<&Path>) -> Result<Found> {
    let content = Content::open(overlay)?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let settings = Settings::resolve(&content.file("settings.yaml"), &environment).map_err(Invalid)?;
    for (key, value) in settings.show() {
        say(format!("{key:48} {:28} {}", value.text, value.origin))?;
    }
    Ok(Found::Nothing)
}

/// `snapshot inspect FILE`: where the talk stands, without its texts.
///
/// # Errors
/// If the file is no snapshot.
pub fn inspect(file: &Path, migrate: bool, overlay: Option<&Path>) -> Result<Found> {
    let loaded = load::load(overlay)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", file.display()))?;
    let value = value.get("snapshot").unwrap_or(&value);
    let (state, warnings) = snapshot::restore(value, &loaded.engine.catalog)?;
    for warning in &warnings {
        writeln!(std::io::stderr(), "warning: {warning}")?;
    }
    if migrate {
        say(serde_json::to_string_pretty(&snapshot::save(&state))?)?;
        return Ok(Found::Nothing);
    }
    say(format!(
        "conversation {}, revision {}, flow {}, state {}",
        state.conversation_id, state.revision, state.flow, state.state
    ))?;
    say(format!(
        "turns {}, lead score {}, frustration {}",
        state.counters.turn,
        salesbot_dialogue::score::shown(state.lead.score),
        state.tone.frustration
    ))?;
    say(format!("known: {}", state.slots.keys().cloned().collect::<Vec<_>>().join(", ")))?;
    say(format!("size {} bytes", snapshot::save(&state).to_string().len()))?;
    Ok(Found::Nothing)
}
