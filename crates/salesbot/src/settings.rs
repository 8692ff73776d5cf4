//! Settings: defaults, then `settings.yaml`, then `SALESBOT_*`; every key typed, ranged and in use.

mod keys;
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use salesbot_yaml::{Diagnostics, Node, Place, SourceFile, items, parse};

use crate::flags::{FLAGS, Flags};
use keys::{KEYS, check};

/// Blocks of the service as a whole; no configuration has its own.
const SERVICE_ALONE: [&str; 4] = ["server", "limits", "logging", "llm"];
/// Blocks of `dialogue` that may be changed while the service runs.
pub const SAFE_KEYS: [&str; 9] = [
    "limits",
    "lead_scoring",
    "guard",
    "frustration",
    "fallback",
    "cta",
    "circular_flow",
    "response_directives",
    "disambiguation",
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
        Self::layered(file, None, environment)
    }

    /// The same with the settings of a named configuration over those of the service.
    ///
    /// # Errors
    /// As [`Settings::resolve`]; E23 for a key that is the service's alone.
    pub fn layered(
        file: &SourceFile,
        config: Option<&SourceFile>,
        environment: &[(String, String)],
    ) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut values: BTreeMap<&'static str, Value> = KEYS
            .iter()
            .map(|(key, _, text)| (*key, Value { text: (*text).to_owned(), origin: "default".to_owned() }))
            .collect();
        let mut flags = BTreeMap::new();
        if let Some(root) = parse(file, &mut diagnostics) {
            read_level(&root, "", file, "settings", &mut values, &mut flags, &mut diagnostics);
        }
        if let Some(file) = config
            && let Some(root) = parse(file, &mut diagnostics)
        {
            for (key, _) in root.map().unwrap_or_default() {
                let name = key.text().unwrap_or_default();
                if SERVICE_ALONE.contains(&name) {
                    let message = format!(
                        "`{name}` belongs in the service's own settings.yaml, not in a configuration"
                    );
                    diagnostics.error(file, key.place, "E23", message);
                }
            }
            read_level(&root, "", file, "configuration", &mut values, &mut flags, &mut diagnostics);
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

    /// These settings with `overrides` (block → values, as in `dialogue` of settings.yaml) over them.
    ///
    /// # Errors
    /// The reason for each block that cannot be applied.
    pub fn with_overrides(&self, overrides: &Map<String, Json>) -> Result<Self, BTreeMap<String, String>> {
        let mut settings = self.clone();
        let mut rejected = BTreeMap::new();
        for (block, value) in overrides {
            if !SAFE_KEYS.contains(&block.as_str()) {
                rejected.insert(block.clone(), "structural key, requires redeploy".to_owned());
            } else if let Err(reason) = settings.override_level(&format!("dialogue.{block}"), value) {
                rejected.insert(block.clone(), reason);
            }
        }
        if !rejected.is_empty() {
            return Err(rejected);
        }
        let mut found = Diagnostics::default();
        settings.check_relations(&SourceFile::new("override", ""), &mut found);
        if let Some(broken) = found.first_message() {
            // The blocks that break it alone; together, all of them.
            let alone = |block: &&String| {
                overrides.len() > 1
                    && overrides.get(*block).is_some_and(|value| {
                        self.with_overrides(&Map::from_iter([((*block).clone(), value.clone())])).is_err()
                    })
            };
            let mut guilty: Vec<&String> = overrides.keys().filter(alone).collect();
            if guilty.is_empty() {
                guilty = overrides.keys().collect();
            }
            return Err(guilty.into_iter().map(|block| (block.clone(), broken.to_owned())).collect());
        }
        Ok(settings)
    }

    fn override_level(&mut self, path: &str, value: &Json) -> Result<(), String> {
        if let Some((known, kind, _)) = KEYS.iter().find(|(known, ..)| *known == path) {
            let text = match value {
                Json::String(text) => text.clone(),
                Json::Array(items) => {
                    let texts =
                        items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned));
                    texts.collect::<Vec<_>>().join(", ")
                }
                Json::Object(_) | Json::Null => return Err(format!("`{path}` is a single value")),
                other => other.to_string(),
            };
            let text = check(&text, *kind).map_err(|reason| format!("`{path}`: {reason}"))?;
            self.values.insert(known, Value { text, origin: "override".to_owned() });
            return Ok(());
        }
        let level = KEYS.iter().any(|(known, ..)| known.starts_with(&format!("{path}.")));
        let Some(fields) = value.as_object().filter(|_| level) else {
            let near = salesbot_yaml::nearest(path, KEYS.iter().map(|(key, ..)| *key));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(if level {
                format!("`{path}` is a block of values")
            } else {
                format!("unknown key `{path}`{hint}")
            });
        };
        fields.iter().try_for_each(|(key, value)| self.override_level(&format!("{path}.{key}"), value))
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
    origin: &str,
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
                    values.insert(known, Value { text, origin: origin.to_owned() });
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
            read_level(value, &path, file, origin, values, flags, diagnostics);
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
        Settings::resolve(&SourceFile::new("settings.yaml", text.to_owned()), &environment)
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
