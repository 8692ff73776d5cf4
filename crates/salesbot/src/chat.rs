//! `salesbot chat`: the bot at the console. On a terminal with history and commands; piped, one message a
//! line and one reply a message.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rustyline::error::ReadlineError;
use serde_json::{Value, json};

use crate::api::{self, Call, Door};
use crate::load::{self, Loaded};

#[derive(Clone, Debug, clap::Args)]
pub struct ChatArgs {
    /// Flow to talk in; the one of the settings if not given
    #[arg(long)]
    flow: Option<String>,
    /// Seed of the wordings, for a talk that can be repeated
    #[arg(long)]
    seed: Option<u64>,
    /// Unix seconds to take as the present
    #[arg(long)]
    now: Option<i64>,
    /// Print one API response object per line
    #[arg(long)]
    json: bool,
}

const HELP: &str = "/state what the bot knows · /trace the last decision · /reset a new talk · /save FILE · /load FILE · /quit";

struct Chat {
    loaded: Loaded,
    door: Door,
    args: ChatArgs,
    snapshot: Option<Value>,
    last: Option<Value>,
    turns: u64,
}

/// Runs until the end of the input or `/quit`.
///
/// # Errors
/// If the console cannot be read or written.
pub fn run(loaded: Loaded, args: ChatArgs) -> Result<()> {
    let door = load::door(&loaded.settings);
    let mut chat = Chat { loaded, door, args, snapshot: None, last: None, turns: 0 };
    if std::io::stdin().is_terminal() && !chat.args.json { chat.interactive() } else { chat.piped() }
}

impl Chat {
    fn piped(&mut self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        for line in std::io::stdin().lock().lines() {
            let line = line.context("the input is not UTF-8 text")?;
            if line.trim().is_empty() {
                continue;
            }
            let shown = match self.turn(&line) {
                Ok(response) if self.args.json => response.to_string(),
                Ok(response) => response["response"].as_str().unwrap_or_default().to_owned(),
                Err(problem) if self.args.json => problem.to_string(),
                Err(problem) => format!("error: {}", problem["detail"].as_str().unwrap_or_default()),
            };
            match writeln!(out, "{shown}").and_then(|()| out.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    fn interactive(&mut self) -> Result<()> {
        let mut out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(out, "{HELP}")?;
        let mut editor = rustyline::DefaultEditor::new()?;
        let history = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".salesbot_history"));
        if let Some(path) = &history {
            editor.load_history(path).ok();
        }
        loop {
            let line = match editor.readline("> ") {
                Ok(line) => line,
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => break,
                Err(error) => return Err(error.into()),
            };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            editor.add_history_entry(line).ok();
            if let Some(command) = line.strip_prefix('/') {
                if command == "quit" || command == "exit" {
                    break;
                }
                let shown = self.command(command).unwrap_or_else(|error| format!("error: {error:#}"));
                writeln!(out, "{shown}")?;
                continue;
            }
            match self.turn(line) {
                Ok(response) => {
                    writeln!(out, "{bold}{}{plain}", response["response"].as_str().unwrap_or_default())?;
                    if response["is_final"] == true {
                        writeln!(
                            out,
                            "(the talk is over: {}; /reset begins a new one)",
                            response["state"].as_str().unwrap_or_default()
                        )?;
                    }
                }
                Err(problem) => writeln!(out, "error: {}", problem["detail"].as_str().unwrap_or_default())?,
            }
        }
        if let Some(path) = &history {
            editor.save_history(path).ok();
        }
        Ok(())
    }

    fn command(&mut self, command: &str) -> Result<String> {
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        let argument = argument.trim();
        Ok(match name {
            "help" => HELP.to_owned(),
            "reset" => {
                self.snapshot = None;
                self.last = None;
                "a new talk begins".to_owned()
            }
            "state" => match &self.last {
                Some(last) => serde_json::to_string_pretty(&json!({
                    "state": last["state"], "phase": last["spin_phase"], "collected_data": last["collected_data"],
                    "lead_score": last["lead_score"], "frustration_level": last["frustration_level"], "asked": last["snapshot"]["asked"],
                }))?,
                None => "nothing said yet".to_owned(),
            },
            "trace" => match &self.last {
                Some(last) => serde_json::to_string_pretty(&json!({
                    "intent": last["intent"], "confidence": last["confidence"], "action": last["action"], "reason_codes": last["reason_codes"],
                    "sources": last["sources"], "proposals": last["resolution_trace"]["proposals"],
                    "context_rules": last["decision_trace"]["classification"]["context_rules"],
                }))?,
                None => "nothing said yet".to_owned(),
            },
            "save" if !argument.is_empty() => {
                let snapshot = self.snapshot.as_ref().context("nothing said yet")?;
                std::fs::write(argument, serde_json::to_string_pretty(snapshot)?)
                    .with_context(|| format!("cannot write `{argument}`"))?;
                format!("saved to {argument}")
            }
            "load" if !argument.is_empty() => {
                let text =
                    std::fs::read_to_string(argument).with_context(|| format!("cannot read `{argument}`"))?;
                let snapshot: Value =
                    serde_json::from_str(&text).with_context(|| format!("`{argument}` is not JSON"))?;
                salesbot_dialogue::snapshot::restore(&snapshot, &self.loaded.engine.catalog)?;
                self.snapshot = Some(snapshot);
                format!("the talk of {argument} goes on")
            }
            "save" | "load" => format!("/{name} needs a file name"),
            other => format!("unknown command `/{other}`; {HELP}"),
        })
    }

    fn turn(&mut self, message: &str) -> Result<Value, Value> {
        self.turns += 1;
        let mut options = json!({"trace": "full"});
        if let Some(seed) = self.args.seed {
            options["seed"] = json!(seed);
        }
        let body = json!({
            "message": message,
            "snapshot": self.snapshot,
            "flow_name": if self.snapshot.is_none() { json!(self.args.flow) } else { Value::Null },
            "options": options,
        });
        let begun = Instant::now();
        let measured = || begun.elapsed().as_secs_f64() * 1000.0;
        let present = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(0))
        };
        let request_id = format!("chat-{}", self.turns);
        let call =
            Call { request_id: &request_id, now: self.args.now.unwrap_or_else(present), measured: &measured };
        let response = api::process(&self.loaded.engine, &self.door, &body, &call)
            .map_err(|problem| problem.body(&request_id))?;
        self.snapshot = Some(response["snapshot"].clone());
        self.last = Some(response.clone());
        Ok(response)
    }
}
