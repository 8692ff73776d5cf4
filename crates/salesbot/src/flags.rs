//! Feature flags: one table drives `FF_*`, the settings file, `salesbot flags` and the wiring.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use salesbot_yaml::nearest;

mod table;

pub use table::FLAGS;

/// Where a flag stands today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Turns a part on or off at start-up.
    Wired,
    /// The behaviour is always on; the flag is accepted and changes nothing.
    Always,
    /// The part is not built yet.
    Waits(&'static str),
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wired => out.write_str("acts"),
            Self::Always => out.write_str("always on"),
            Self::Waits(part) => write!(out, "waits: {part}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    pub default: bool,
    pub help: &'static str,
    pub part: Part,
    /// Flags without which this one does nothing.
    pub needs: &'static [&'static str],
}

/// Environment names that stand for settings, as in the older service.
pub const ALIASES: [(&str, &str); 3] = [
    ("reranker", "reranker.enabled"),
    ("category_router", "category_router.enabled"),
    ("embeddings", "retriever.use_embeddings"),
];

/// A flag's value and where it came from: `default`, `settings` or `environment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub on: bool,
    pub source: &'static str,
}

/// Effective values of all flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    values: BTreeMap<&'static str, Setting>,
}

impl Flags {
    /// Defaults, then the settings file, then `FF_<name>` in any letter case.
    ///
    /// # Errors
    /// A sentence for a value that is neither true nor false.
    pub fn resolve(
        settings: &BTreeMap<String, bool>,
        environment: impl IntoIterator<Item = (String, String)>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, String> {
        let mut values: BTreeMap<&'static str, Setting> =
            FLAGS.iter().map(|flag| (flag.name, Setting { on: flag.default, source: "default" })).collect();
        for (name, on) in settings {
            if let Some((key, _)) = values.get_key_value(name.as_str()) {
                values.insert(key, Setting { on: *on, source: "settings" });
            }
        }
        let mut seen: BTreeMap<&'static str, bool> = BTreeMap::new();
        for (key, text) in environment {
            let Some(name) = key.strip_prefix("FF_").or_else(|| key.strip_prefix("ff_")) else { continue };
            let name = name.to_lowercase();
            if let Some((_, setting)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
                warnings.push(format!("`{key}` stands for `{setting}`, whose part is not built yet"));
                continue;
            }
            let Some((known, _)) = values.get_key_value(name.as_str()) else {
                let near = nearest(&name, FLAGS.iter().map(|flag| flag.name));
                let hint = near.map(|near| format!("; did you mean `FF_{near}`?")).unwrap_or_default();
                warnings.push(format!("`{key}` is no known flag{hint}"));
                continue;
            };
            let on = truth(&text)
                .ok_or_else(|| format!("`{key}={text}`: a flag is true or false (1/0, yes/no, on/off)"))?;
            if seen.insert(known, on).is_some_and(|earlier| earlier != on) {
                warnings.push(format!("`{key}` is set twice with different values; the last one counts"));
            }
            values.insert(known, Setting { on, source: "environment" });
        }
        Ok(Self { values })
    }

    pub fn on(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|setting| setting.on)
    }

    /// What a flag needs and does not have.
    pub fn lacks(&self, flag: &Flag) -> Vec<&'static str> {
        flag.needs.iter().copied().filter(|needed| !self.acts(needed)).collect()
    }

    /// On, and so is all it needs.
    pub fn acts(&self, name: &str) -> bool {
        self.on(name)
            && FLAGS.iter().find(|flag| flag.name == name).is_some_and(|flag| self.lacks(flag).is_empty())
    }

    pub fn get(&self, name: &str) -> Option<Setting> {
        self.values.get(name).copied()
    }

    pub fn names() -> BTreeSet<String> {
        FLAGS.iter().map(|flag| flag.name.to_owned()).collect()
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(environment: &[(&str, &str)]) -> (Result<Flags, String>, Vec<String>) {
        let mut warnings = Vec::new();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let flags =
            Flags::resolve(&BTreeMap::from([("lead_scoring".to_owned(), false)]), environment, &mut warnings);
        (flags, warnings)
    }

    #[test]
    fn the_environment_wins_over_settings_in_any_letter_case() {
        let (flags, warnings) = resolve(&[("FF_LEAD_SCORING", "on"), ("FF_tone_analysis", "0")]);
        let flags = flags.unwrap();
        assert!(flags.on("lead_scoring") && !flags.on("tone_analysis"));
        assert_eq!(flags.get("lead_scoring").unwrap().source, "environment");
        assert!(warnings.is_empty());
    }

    #[test]
    fn an_unknown_flag_is_a_warning_with_the_nearest_name() {
        let (_, warnings) = resolve(&[("FF_tone_analisys", "true")]);
        assert_eq!(warnings, ["`FF_tone_analisys` is no known flag; did you mean `FF_tone_analysis`?"]);
    }

    #[test]
    fn a_value_that_is_no_truth_is_an_error() {
        assert!(resolve(&[("FF_tone_analysis", "maybe")]).0.is_err());
    }
}
