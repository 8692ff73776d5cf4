//! Tests of the whole bot on its shipped content.

mod api;
mod classifier;
mod cli;
mod configs;
mod contacts;
mod diagnostics;
mod dialogues;
mod flags;
mod history;
mod knowledge;
mod properties;
mod question;
mod questions;
mod settings;
mod snapshots;
mod walks;

use std::path::PathBuf;
use std::sync::OnceLock;

use salesbot::api::{Call, process};
use salesbot::content::Content;
use salesbot::load::{self, Loaded};
use salesbot::problem::Problem;
use salesbot::settings::Settings;
use salesbot_engine::Engine;
use serde_json::Value;

/// The embedded content with the default settings, loaded once.
pub(crate) fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| load_with(&[]))
}

/// The same with an environment of its own; the machine's is not read.
pub(crate) fn load_with(environment: &[(&str, &str)]) -> Loaded {
    load::build(content(), &owned(environment)).expect("the shipped content")
}

/// The loaded bot with other settings: its content stays.
pub(crate) fn set(environment: &[(&str, &str)]) -> Result<(Engine, Settings), Vec<String>> {
    let settings = Settings::resolve(&content().file("settings.yaml"), &owned(environment))
        .map_err(|diagnostics| vec![diagnostics.to_string()])?;
    let options = settings.engine_options();
    Ok((Engine { options, ..loaded().engine.clone() }, settings))
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A folder laid over nothing: /etc and the environment must not decide a test.
fn content() -> Content {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-overlay");
    std::fs::create_dir_all(&empty).expect("a folder for tests");
    Content::open(Some(&empty)).expect("the embedded content")
}

/// One turn at a fixed time.
pub(crate) fn turn(body: &Value) -> Result<Value, Problem> {
    turn_of(loaded(), body)
}

pub(crate) fn turn_of(loaded: &Loaded, body: &Value) -> Result<Value, Problem> {
    turn_with(&loaded.engine, &loaded.settings, body)
}

pub(crate) fn turn_with(engine: &Engine, settings: &Settings, body: &Value) -> Result<Value, Problem> {
    let call = Call { request_id: "test", now: 1_760_000_000, measured: &|| 0.0 };
    process(engine, &load::door(settings), body, &call)
}

/// The data folder of the repository's tests.
pub(crate) fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(path)
}

/// `UPDATE_EXPECT=1 cargo test` rewrites expectations instead of checking them.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}
