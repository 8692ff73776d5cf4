//! Settings: defaults, then `settings.yaml`, then `SALESBOT_*`; every key typed, ranged and in use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use salesbot_dialogue::Options;
use salesbot_engine::EngineOptions;
use salesbot_engine::nlg::WriterOptions;
use salesbot_engine::nlu::NluOptions;
use salesbot_yaml::{Diagnostics, Node, Place, SourceFile, items, parse};

use crate::flags::{FLAGS, Flags};

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Address,
    Truth,
    Number(u64, u64),
    OneOf(&'static [&'static str]),
    List,
}

/// Every key: path, kind, default. The file `content/settings.yaml` repeats the defaults with comments.
const KEYS: [(&str, Kind, &str); 35] = [
    ("company.name", Kind::Text, "Wipon"),
    ("llm.provider", Kind::OneOf(&["auto", "embedded"]), "auto"),
    ("llm.model", Kind::Text, "qwen3:14b"),
    ("flow.active", Kind::Text, "spin_selling"),
    ("server.listen", Kind::Address, "127.0.0.1:8000"),
    ("server.max_body_bytes", Kind::Number(1024, 1 << 30), "10485760"),
    ("server.max_concurrent_turns", Kind::Number(1, 1024), "4"),
    ("server.queue_limit", Kind::Number(0, 100_000), "64"),
    ("server.queue_timeout_s", Kind::Number(1, 600), "30"),
    ("server.drain_timeout_s", Kind::Number(0, 3600), "180"),
    ("limits.max_message_chars", Kind::Number(1, 100_000), "8000"),
    ("limits.max_snapshot_bytes", Kind::Number(1024, 1 << 30), "2097152"),
    ("knowledge.path", Kind::Text, ""),
    ("knowledge.strict_counts", Kind::Truth, "true"),
    ("trace.default", Kind::OneOf(&["full", "compact", "none"]), "full"),
    ("logging.level", Kind::OneOf(&["error", "warn", "info", "debug", "trace"]), "info"),
    ("dialogue.limits.max_consecutive_objections", Kind::Number(1, 100), "4"),
    ("dialogue.limits.max_total_objections", Kind::Number(1, 100), "6"),
    ("dialogue.limits.max_gobacks", Kind::Number(0, 100), "2"),
    ("dialogue.limits.phase_origin_objection_escape", Kind::Number(1, 100), "2"),
    ("dialogue.guard.max_turns", Kind::Number(1, 1000), "25"),
    ("dialogue.guard.timeout_seconds", Kind::Number(1, 1_000_000), "1800"),
    ("dialogue.guard.active_gap_seconds", Kind::Number(1, 1_000_000), "600"),
    ("dialogue.guard.high_frustration_threshold", Kind::Number(1, 10), "7"),
    ("dialogue.guard.max_same_message", Kind::Number(2, 100), "2"),
    ("dialogue.guard.max_same_state", Kind::Number(1, 100), "4"),
    ("dialogue.guard.progress_check_interval", Kind::Number(1, 100), "5"),
    ("dialogue.guard.min_unique_states_for_progress", Kind::Number(1, 100), "2"),
    ("dialogue.escalation.frustration_threshold", Kind::Number(1, 100), "3"),
    ("dialogue.escalation.misunderstanding_threshold", Kind::Number(1, 100), "4"),
    ("dialogue.escalation.high_value_company_size", Kind::Number(1, 10_000), "100"),
    ("dialogue.escalation.complex_intents", Kind::List, "request_sla, question_customization"),
    ("dialogue.lead_scoring.warm", Kind::Number(1, 100), "30"),
    ("dialogue.lead_scoring.hot", Kind::Number(1, 100), "50"),
    ("dialogue.lead_scoring.very_hot", Kind::Number(1, 100), "70"),
];

const PREFIX: &str = "SALESBOT_";
/// Environment names with this prefix that are not settings keys.
const NOT_KEYS: [&str; 3] = ["SALESBOT_CONTENT", "SALESBOT_TEST_MODELS", "SALESBOT_LISTEN"];

/// One effective value and its origin: `default`, `settings` or the name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub origin: String,
}

/// The resolved settings.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    pub flags: Flags,
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// All problems at once: unknown keys (E02), wrong values (E18), broken relations (E12, E13).
    pub fn resolve(file: &SourceFile, environment: &[(String, String)]) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut values: BTreeMap<&'static str, Value> = KEYS
            .iter()
            .map(|(key, _, text)| (*key, Value { text: (*text).to_owned(), origin: "default".to_owned() }))
            .collect();
        let mut flags = BTreeMap::new();
        if let Some(root) = parse(file, &mut diagnostics) {
            read_level(&root, "", file, &mut values, &mut flags, &mut diagnostics);
        }
        let mut warnings = Vec::new();
        let outside = SourceFile::new("environment", "");
        for (name, text) in environment
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX) && !NOT_KEYS.contains(&name.as_str()))
        {
            let path = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            match KEYS.iter().find(|(key, ..)| *key == path) {
                Some((key, kind, _)) => match check(text, *kind) {
                    Ok(text) => {
                        values.insert(key, Value { text, origin: name.clone() });
                    }
                    Err(reason) => {
                        diagnostics.error(
                            &outside,
                            Place::default(),
                            "E18",
                            format!("`{name}={text}`: {reason}"),
                        );
                    }
                },
                None => {
                    diagnostics
                        .error(&outside, Place::default(), "E02", format!("`{name}` is no settings key"))
                        .suggest(&path, KEYS.iter().map(|(key, ..)| *key));
                }
            }
        }
        let flags =
            Flags::resolve(&flags, environment.iter().cloned(), &mut warnings).unwrap_or_else(|reason| {
                diagnostics.error(&outside, Place::default(), "E18", reason);
                Flags::resolve(&BTreeMap::new(), [], &mut Vec::new()).expect("defaults are valid")
            });
        let settings = Self { values, flags, warnings };
        settings.check_relations(file, &mut diagnostics);
        if diagnostics.has_errors() { Err(diagnostics) } else { Ok(settings) }
    }

    fn check_relations(&self, file: &SourceFile, diagnostics: &mut Diagnostics) {
        let bands =
            ["warm", "hot", "very_hot"].map(|name| self.number(&format!("dialogue.lead_scoring.{name}")));
        if !(bands[0] < bands[1] && bands[1] < bands[2]) {
            diagnostics.error(
                file,
                Place::default(),
                "E13",
                "`dialogue.lead_scoring`: warm < hot < very_hot must hold",
            );
        }
    }

    pub fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |value| &value.text)
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }

    pub fn usize(&self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    pub fn seconds(&self, key: &str) -> Duration {
        Duration::from_secs(self.number(key))
    }

    pub fn listen(&self) -> SocketAddr {
        self.text("server.listen").parse().expect("checked when the settings were read")
    }

    pub fn knowledge_path(&self) -> Option<PathBuf> {
        Some(self.text("knowledge.path")).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Every key with its value and origin, in the order of the table.
    pub fn show(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        KEYS.iter().filter_map(|(key, ..)| Some((*key, self.values.get(key)?)))
    }

    /// The engine's plain options.
    pub fn engine_options(&self) -> EngineOptions {
        let small = |key: &str| u32::try_from(self.number(key)).unwrap_or(u32::MAX);
        let byte = |key: &str| u8::try_from(self.number(key)).unwrap_or(u8::MAX);
        let long = |key: &str| i64::try_from(self.number(key)).unwrap_or(i64::MAX);
        let on = |flag: &str| self.flags.on(flag);
        let mut dialogue = Options::default();
        let limits = &mut dialogue.limits;
        limits.max_consecutive_objections = small("dialogue.limits.max_consecutive_objections");
        limits.max_total_objections = small("dialogue.limits.max_total_objections");
        limits.max_gobacks = small("dialogue.limits.max_gobacks");
        limits.phase_origin_objection_escape = small("dialogue.limits.phase_origin_objection_escape");
        let guard = &mut dialogue.guard;
        guard.max_turns = small("dialogue.guard.max_turns");
        guard.timeout_seconds = long("dialogue.guard.timeout_seconds");
        guard.active_gap_seconds = long("dialogue.guard.active_gap_seconds");
        guard.high_frustration_threshold = byte("dialogue.guard.high_frustration_threshold");
        guard.max_same_message = self.usize("dialogue.guard.max_same_message");
        guard.max_same_state = small("dialogue.guard.max_same_state");
        guard.progress_check_interval = small("dialogue.guard.progress_check_interval");
        guard.min_unique_states_for_progress = self.usize("dialogue.guard.min_unique_states_for_progress");
        let escalation = &mut dialogue.escalation;
        escalation.frustration_threshold = small("dialogue.escalation.frustration_threshold");
        escalation.misunderstanding_threshold = small("dialogue.escalation.misunderstanding_threshold");
        escalation.high_value_company_size = long("dialogue.escalation.high_value_company_size");
        let list =
            self.text("dialogue.escalation.complex_intents").split(',').map(|name| name.trim().to_owned());
        escalation.complex_intents = list.filter(|name| !name.is_empty()).collect();
        let scoring = &mut dialogue.lead_scoring;
        scoring.enabled = on("lead_scoring");
        scoring.warm = byte("dialogue.lead_scoring.warm");
        scoring.hot = byte("dialogue.lead_scoring.hot");
        scoring.very_hot = byte("dialogue.lead_scoring.very_hot");
        dialogue.circular_flow = on("circular_flow");
        dialogue.rules.price_question = on("price_question_override");
        dialogue.rules.conversation_guard = on("conversation_guard");
        dialogue.rules.multi_tier_fallback = on("multi_tier_fallback");
        dialogue.rules.stall_guard = on("universal_stall_guard");
        dialogue.rules.objection_handler = on("objection_handler");
        EngineOptions {
            dialogue,
            nlu: NluOptions {
                tone: on("tone_analysis"),
                secondary: on("secondary_intent_detection"),
                context: on("refinement_pipeline"),
                structural: on("structural_frustration_detection"),
            },
            strict_counts: self.text("knowledge.strict_counts") == "true",
            writer: WriterOptions {
                company: self.text("company.name").to_owned(),
                vary: on("response_variations"),
                apologise: on("apology_system"),
            },
        }
    }
}

fn read_level(
    node: &Node,
    prefix: &str,
    file: &SourceFile,
    values: &mut BTreeMap<&'static str, Value>,
    flags: &mut BTreeMap<String, bool>,
    diagnostics: &mut Diagnostics,
) {
    for (key, value) in node.map().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        if prefix == "feature_flags" {
            read_flag(name, key, value, file, flags, diagnostics);
            continue;
        }
        if let Some((known, kind, _)) = KEYS.iter().find(|(known, ..)| *known == path) {
            let text = match value.list() {
                Some(_) => items(value).iter().filter_map(Node::text).collect::<Vec<_>>().join(", "),
                None => value.text().unwrap_or_default().to_owned(),
            };
            match check(&text, *kind) {
                Ok(text) => {
                    values.insert(known, Value { text, origin: "settings".to_owned() });
                }
                Err(reason) => {
                    diagnostics.error(file, value.place, "E18", format!("`{path}`: {reason}"));
                }
            }
            continue;
        }
        let is_level =
            path == "feature_flags" || KEYS.iter().any(|(known, ..)| known.starts_with(&format!("{path}.")));
        if is_level {
            read_level(value, &path, file, values, flags, diagnostics);
            continue;
        }
        diagnostics
            .error(file, key.place, "E02", format!("unknown settings key `{path}`"))
            .suggest(&path, KEYS.iter().map(|(known, ..)| *known));
    }
}

fn read_flag(
    name: &str,
    key: &Node,
    value: &Node,
    file: &SourceFile,
    flags: &mut BTreeMap<String, bool>,
    diagnostics: &mut Diagnostics,
) {
    if !FLAGS.iter().any(|flag| flag.name == name) {
        diagnostics
            .error(file, key.place, "E02", format!("unknown flag `{name}`"))
            .suggest(name, FLAGS.iter().map(|flag| flag.name));
        return;
    }
    match value.text() {
        Some("true") => flags.insert(name.to_owned(), true),
        Some("false") => flags.insert(name.to_owned(), false),
        _ => {
            diagnostics.error(file, value.place, "E18", format!("flag `{name}` is true or false"));
            None
        }
    };
}

fn check(text: &str, kind: Kind) -> Result<String, String> {
    let good = match kind {
        Kind::Text | Kind::List => true,
        Kind::Address => text.parse::<SocketAddr>().is_ok(),
        Kind::Truth => ["true", "false"].contains(&text),
        Kind::Number(low, high) => text.parse::<u64>().is_ok_and(|number| (low..=high).contains(&number)),
        Kind::OneOf(known) => known.contains(&text),
    };
    if good {
        return Ok(text.to_owned());
    }
    Err(match kind {
        Kind::Address => format!("expected an address with a port such as 127.0.0.1:8000, found `{text}`"),
        Kind::Truth => format!("expected true or false, found `{text}`"),
        Kind::Number(low, high) => format!("expected a whole number from {low} to {high}, found `{text}`"),
        Kind::OneOf(known) => format!("expected one of {}, found `{text}`", known.join(", ")),
        Kind::Text | Kind::List => format!("expected text, found `{text}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment: Vec<_> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Settings::resolve(&SourceFile::new("settings.yaml", text), &environment)
            .map_err(|found| found.to_string())
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_beats_the_default() {
        let settings =
            resolve("server:\n  queue_limit: 7\n", &[("SALESBOT_SERVER__LISTEN", "127.0.0.1:9")]).unwrap();
        assert_eq!(settings.usize("server.queue_limit"), 7);
        assert_eq!(settings.listen().port(), 9);
        assert_eq!(settings.text("llm.model"), "qwen3:14b");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let found = resolve("server:\n  queue_limt: 7\n", &[]).unwrap_err();
        assert!(
            found.contains("unknown settings key `server.queue_limt`")
                && found.contains("server.queue_limit"),
            "{found}"
        );
    }

    #[test]
    fn a_value_out_of_range_names_the_range() {
        let found = resolve("dialogue:\n  guard:\n    high_frustration_threshold: 70\n", &[]).unwrap_err();
        assert!(found.contains("from 1 to 10") && found.contains("settings.yaml:3:33"), "{found}");
    }

    #[test]
    fn the_shipped_file_repeats_the_defaults() {
        let shipped = include_str!("../../../content/settings.yaml");
        let settings = resolve(shipped, &[]).unwrap();
        for (key, _, default) in KEYS {
            assert_eq!(settings.text(key), default, "{key}");
            assert_eq!(
                settings.values[key].origin, "settings",
                "{key} is missing from content/settings.yaml"
            );
        }
    }
}
