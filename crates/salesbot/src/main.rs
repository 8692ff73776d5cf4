//! `salesbot`: command line. Exit codes: 0 ok, 1 findings, 2 usage, 3 configuration invalid, 4 dependency unavailable.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use salesbot::chat::ChatArgs;
use salesbot::commands::{self, FlowCommand, Format, Found, Kb, Nlu};
use salesbot::content::ContentError;
use salesbot::load::{self, Invalid};
use salesbot::{chat, http};

#[derive(Debug, Parser)]
#[command(name = "salesbot", version, about = "A self-hosted B2B sales dialogue service in one binary")]
struct Cli {
    /// Folder with your own content, laid over the embedded one
    #[arg(long, global = true, value_name = "DIR")]
    content: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Talk to the bot at the console
    Chat(ChatArgs),
    /// Serve the HTTP API
    Serve {
        /// Address and port
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
    },
    /// Check all content as a start would
    Check {
        folder: Option<PathBuf>,
        #[arg(long)]
        json: bool,
        /// text, json or sarif
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
        /// Show notes too: things worth knowing that are no faults
        #[arg(long)]
        notes: bool,
    },
    /// The knowledge base
    #[command(subcommand)]
    Kb(Kb),
    /// Understanding of messages
    #[command(subcommand)]
    Nlu(Nlu),
    /// Flows
    #[command(subcommand)]
    Flow(FlowCommand),
    /// Feature flags with their values and sources
    Flags {
        #[arg(long)]
        json: bool,
    },
    /// Effective settings
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Look into a snapshot
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Version of the binary
    Version,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Every key with its value and origin
    Show,
}

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    /// Where a talk stands
    Inspect { file: PathBuf },
    /// The snapshot in today's version
    Migrate { file: PathBuf },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(Found::Nothing) => ExitCode::SUCCESS,
        Ok(Found::Problems) => ExitCode::from(1),
        Err(error) => {
            let invalid = error.is::<Invalid>() || error.is::<ContentError>();
            let shown = if error.is::<Invalid>() { format!("{error}") } else { format!("error: {error:#}") };
            writeln!(std::io::stderr(), "{shown}").ok();
            ExitCode::from(if invalid { 3 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Found> {
    let overlay = cli.content.as_deref();
    match cli.command {
        Command::Chat(args) => {
            log("warn", false);
            chat::run(load::load(overlay)?, args)?;
            Ok(Found::Nothing)
        }
        Command::Serve { listen } => {
            let loaded = load::load(overlay)?;
            log(loaded.settings.text("logging.level"), loaded.settings.flags.on("structured_logging"));
            for warning in &loaded.settings.warnings {
                tracing::warn!("{warning}");
            }
            let listen = listen.unwrap_or_else(|| loaded.settings.listen());
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(http::serve(loaded, listen))?;
            Ok(Found::Nothing)
        }
        Command::Check { folder, json, format, strict, notes } => {
            let format = if json { Format::Json } else { format };
            commands::check(folder.as_deref().or(overlay), format, strict, notes)
        }
        Command::Kb(command) => commands::kb(&command, overlay),
        Command::Nlu(command) => commands::nlu(&command, overlay),
        Command::Flow(command) => commands::flow(&command, overlay),
        Command::Flags { json } => commands::flags(overlay, json),
        Command::Settings(SettingsCommand::Show) => commands::settings(overlay),
        Command::Snapshot(SnapshotCommand::Inspect { file }) => commands::inspect(&file, false, overlay),
        Command::Snapshot(SnapshotCommand::Migrate { file }) => commands::inspect(&file, true, overlay),
        Command::Version => {
            commands::say(format!("salesbot {}", env!("CARGO_PKG_VERSION")))?;
            Ok(Found::Nothing)
        }
    }
}

/// Logs go to standard error: JSON lines for machines (flag `structured_logging`), plain ones on a terminal.
/// `RUST_LOG` overrides the level.
fn log(level: &str, structured: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let writer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if structured && !std::io::stderr().is_terminal() { writer.json().init() } else { writer.init() }
}
