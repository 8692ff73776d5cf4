//! Settings: defaults, then `settings.yaml`, then `SALESBOT_*`; every key typed, ranged and in use.

mod keys;
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use salesbot_yaml::{Diagnostics, Node, Place, SourceFile, items, parse};

use crate::flags::{FLAGS, Flags};
use keys::{KEYS, check};

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
        let rising = |keys: &[&str]| keys.windows(2).all(|pair| self.number(pair[0]) < self.number(pair[1]));
        let levels = ["elevated", "moderate", "warning", "high", "critical"]
            .map(|name| format!("dialogue.frustration.thresholds.{name}"));
        if !rising(&levels.each_ref().map(String::as_str)) {
            let message = "`dialogue.frustration.thresholds`: elevated < moderate < warning < high < critical must hold";
            diagnostics.error(file, Place::default(), "E12", message);
        }
        let guard = self.number("dialogue.guard.high_frustration_threshold");
        if guard != self.number("dialogue.frustration.thresholds.high") {
            let message = "`dialogue.guard.high_frustration_threshold` and `dialogue.frustration.thresholds.high` must be equal";
            diagnostics.error(file, Place::default(), "E12", message);
        }
        let bands = ["min", "low", "medium", "high"].map(|name| format!("dialogue.disambiguation.{name}"));
        if !rising(&bands.each_ref().map(String::as_str)) {
            let message = "`dialogue.disambiguation`: min < low < medium < high must hold";
            diagnostics.error(file, Place::default(), "E13", message);
        }
        if self.number("dialogue.disambiguation.confirm_gap") > self.number("dialogue.disambiguation.gap") {
            let message = "`dialogue.disambiguation`: confirm_gap must not be above gap";
            diagnostics.error(file, Place::default(), "E13", message);
        }
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
        for (key, _, default) in KEYS.iter().copied() {
            assert_eq!(settings.text(key), default, "{key}");
            assert_eq!(
                settings.values[key].origin, "settings",
                "{key} is missing from content/settings.yaml"
            );
        }
    }
}
