//! Feature flags: one table drives `FF_*`, the settings file, `salesbot flags` and the wiring.

use std::collections::{BTreeMap, BTreeSet};

use salesbot_yaml::nearest;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    pub default: bool,
    pub help: &'static str,
    pub part: Part,
    /// Flags without which this one does nothing.
    pub needs: &'static [&'static str],
}

const fn flag(name: &'static str, default: bool, part: Part, help: &'static str) -> Flag {
    Flag { name, default, help, part, needs: needs(name) }
}

/// Dependencies of the reference; those on settings are the settings' own affair.
const NEEDS: [(&str, &[&str]); 36] = [
    ("multi_tier_fallback", &["conversation_guard"]),
    ("intent_disambiguation", &["cascade_classifier"]),
    ("dynamic_cta_fallback", &["multi_tier_fallback"]),
    ("context_shadow_mode", &["context_policy_overlays"]),
    ("context_response_directives", &["context_full_envelope"]),
    ("context_policy_overlays", &["context_full_envelope"]),
    ("context_engagement_v2", &["context_full_envelope"]),
    ("context_cta_memory", &["cta_generator"]),
    ("cascade_tone_analyzer", &["tone_analysis"]),
    ("tone_semantic_tier2", &["cascade_tone_analyzer"]),
    ("tone_llm_tier3", &["cascade_tone_analyzer"]),
    ("personalization_v2", &["personalization"]),
    ("personalization_adaptive_style", &["personalization_v2"]),
    ("personalization_semantic_industry", &["personalization_v2"]),
    ("personalization_session_memory", &["personalization_v2"]),
    ("guard_informative_intent_check", &["conversation_guard"]),
    ("guard_skip_resets_fallback", &["multi_tier_fallback"]),
    ("confidence_router_logging", &["confidence_router"]),
    ("classification_refinement", &["refinement_pipeline"]),
    ("objection_refinement", &["refinement_pipeline"]),
    ("composite_refinement", &["refinement_pipeline"]),
    ("option_selection_refinement", &["refinement_pipeline"]),
    ("confidence_calibration", &["refinement_pipeline"]),
    ("response_diversity_logging", &["response_diversity"]),
    ("response_boundary_retry", &["response_boundary_validator"]),
    ("response_boundary_fallback", &["response_boundary_validator"]),
    ("question_deduplication_logging", &["question_deduplication"]),
    ("apology_system", &["tone_analysis"]),
    ("secondary_intent_detection", &["refinement_pipeline"]),
    ("structural_frustration_detection", &["context_full_envelope"]),
    ("greeting_context_refinement", &["refinement_pipeline"]),
    ("first_contact_refinement", &["refinement_pipeline"]),
    ("stall_guard_dual_proposal", &["universal_stall_guard"]),
    ("data_aware_refinement", &["refinement_pipeline"]),
    ("conversation_guard_in_pipeline", &["conversation_guard"]),
    ("comparison_refinement", &["refinement_pipeline"]),
];

const fn needs(name: &str) -> &'static [&'static str] {
    let mut at = 0;
    while at < NEEDS.len() {
        if same(NEEDS[at].0, name) {
            return NEEDS[at].1;
        }
        at += 1;
    }
    &[]
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// All flags of the reference, in its order.
pub const FLAGS: [Flag; 65] = [
    flag("tone_analysis", true, Part::Wired, "read the mood of each message"),
    flag("response_variations", true, Part::Wired, "vary wordings within a talk"),
    flag("lead_scoring", true, Part::Wired, "score the lead 0 to 100"),
    flag("circular_flow", true, Part::Wired, "let the client go back a phase"),
    flag("multi_tier_fallback", true, Part::Wired, "act on what the guard finds"),
    flag("conversation_guard", true, Part::Wired, "watch for loops and endless talks"),
    flag("structured_logging", true, Part::Wired, "JSON log lines"),
    flag(
        "metrics_tracking",
        true,
        Part::Waits("metrics"),
        "keep per-conversation metrics in the snapshot and export process",
    ),
    flag(
        "personalization",
        true,
        Part::Waits("personalisation"),
        "add size- and industry-dependent value proposition, demo pitch and",
    ),
    flag("objection_handler", true, Part::Wired, "count attempts per objection family and close softly"),
    flag("cta_generator", true, Part::Wired, "append a call to action when the gates allow it"),
    flag(
        "intent_disambiguation",
        false,
        Part::Waits("understanding stages"),
        "disambiguation inside the rule-based classifier by merged scores",
    ),
    flag("unified_disambiguation", true, Part::Wired, "one disambiguation engine for every classifier"),
    flag(
        "cascade_classifier",
        true,
        Part::Waits("embeddings"),
        "rule result below the confidence floor is re-checked by embeddings",
    ),
    flag(
        "semantic_objection_detection",
        true,
        Part::Waits("embeddings"),
        "embedding check for objections that no pattern matched",
    ),
    flag(
        "dynamic_cta_fallback",
        false,
        Part::Wired,
        "tier-2 fallback options depend on competitor, pain, last intent and",
    ),
    flag(
        "context_full_envelope",
        true,
        Part::Wired,
        "build the full per-turn context object used by policies and directives",
    ),
    flag("context_shadow_mode", false, Part::Wired, "policy decisions are computed, traced and not applied"),
    flag(
        "context_response_directives",
        true,
        Part::Wired,
        "derive tone, length, dialogue moves and memory directives for",
    ),
    flag("context_policy_overlays", true, Part::Wired, "policy overlays may replace the action"),
    flag(
        "context_engagement_v2",
        false,
        Part::Wired,
        "engagement from message length, questions, latency of replies and",
    ),
    flag(
        "context_cta_memory",
        false,
        Part::Wired,
        "call-to-action choice remembers which kinds were refused or ignored",
    ),
    flag("cascade_tone_analyzer", true, Part::Waits("tone tiers"), "tiered tone analysis"),
    flag(
        "tone_semantic_tier2",
        true,
        Part::Waits("embeddings"),
        "embedding tier when pattern confidence is under 0.85",
    ),
    flag(
        "tone_llm_tier3",
        false,
        Part::Waits("language model"),
        "llm tier when both cheaper tiers are unsure",
    ),
    flag(
        "llm_classifier",
        false,
        Part::Waits("language model"),
        "intent and data extraction by the llm with a json schema",
    ),
    flag("personalization_v2", false, Part::Waits("personalisation"), "behaviour-adaptive personalisation"),
    flag(
        "personalization_adaptive_style",
        false,
        Part::Waits("personalisation"),
        "style selector: verbosity, pitch, question style, cta approach,",
    ),
    flag(
        "personalization_semantic_industry",
        false,
        Part::Waits("personalisation"),
        "industry by embeddings with accumulated confidence",
    ),
    flag(
        "personalization_session_memory",
        false,
        Part::Waits("personalisation"),
        "track which actions moved the dialogue forward",
    ),
    flag(
        "response_deduplication",
        true,
        Part::Waits("model writer"),
        "detect near-duplicate answers and regenerate once",
    ),
    flag("price_question_override", true, Part::Wired, "answer a price question in any state"),
    flag("guard_informative_intent_check", true, Part::Wired, "phase skip"),
    flag(
        "guard_skip_resets_fallback",
        true,
        Part::Wired,
        "after a phase skip the normal answer is generated for the new state",
    ),
    flag(
        "confidence_router",
        true,
        Part::Waits("understanding stages"),
        "gap-based routing: execute, confirm, clarify, fall back by confidence",
    ),
    flag(
        "confidence_router_logging",
        true,
        Part::Waits("understanding stages"),
        "log uncertain classifications",
    ),
    flag(
        "classification_refinement",
        true,
        Part::Waits("understanding stages"),
        "short answers are re-read against the last bot question",
    ),
    flag(
        "objection_refinement",
        true,
        Part::Waits("understanding stages"),
        "objection intents are validated against context",
    ),
    flag(
        "composite_refinement",
        true,
        Part::Waits("understanding stages"),
        "in messages that carry data plus a meta remark, data wins",
    ),
    flag(
        "option_selection_refinement",
        true,
        Part::Waits("understanding stages"),
        "ordinals and numbers select an offered option",
    ),
    flag("refinement_pipeline", true, Part::Wired, "let context change a reading"),
    flag(
        "confidence_calibration",
        true,
        Part::Waits("language model"),
        "calibrate the llm self-reported confidence",
    ),
    flag(
        "response_diversity",
        true,
        Part::Waits("model writer"),
        "replace worn-out openings after generation, categories by",
    ),
    flag("response_diversity_logging", true, Part::Waits("model writer"), "count and log each replacement"),
    flag("response_boundary_validator", true, Part::Wired, "final validation of the answer text"),
    flag(
        "response_boundary_retry",
        true,
        Part::Waits("language model"),
        "one targeted repair call when violations remain after deterministic",
    ),
    flag(
        "response_boundary_fallback",
        true,
        Part::Waits("model writer"),
        "deterministic safe text when violations remain",
    ),
    flag("question_deduplication", true, Part::Wired, "never ask for data already collected"),
    flag(
        "question_deduplication_logging",
        true,
        Part::Waits("model writer"),
        "count and log each filtered question",
    ),
    flag("apology_system", true, Part::Wired, "apologise once when it is due"),
    flag("secondary_intent_detection", true, Part::Wired, "find further questions in a message"),
    flag(
        "structural_frustration_detection",
        true,
        Part::Wired,
        "raise frustration on deflected repeats and shrinking messages",
    ),
    flag(
        "greeting_state_safety",
        true,
        Part::Wired,
        "in greeting states a set of intents always redirects to the entry",
    ),
    flag(
        "greeting_context_refinement",
        true,
        Part::Waits("understanding stages"),
        "greeting classification is corrected by context",
    ),
    flag(
        "first_contact_refinement",
        true,
        Part::Waits("understanding stages"),
        "objection-looking words in the first messages are not treated as",
    ),
    flag("universal_stall_guard", true, Part::Wired, "leave a state after its maximum of turns"),
    flag(
        "stall_guard_dual_proposal",
        true,
        Part::Wired,
        "the stall guard proposes action and transition together",
    ),
    flag(
        "data_aware_refinement",
        true,
        Part::Waits("understanding stages"),
        "unclear intent becomes information-provided when data were extracted",
    ),
    flag(
        "phase_exhausted_source",
        true,
        Part::Wired,
        "option menu when a phase is stuck but not yet stalled",
    ),
    flag("phase_completion_gating", true, Part::Wired, "shortcuts to closing require minimum progress"),
    flag(
        "conversation_guard_in_pipeline",
        true,
        Part::Always,
        "the guard proposes inside the decision pipeline instead of before it",
    ),
    flag(
        "simulation_diagnostic_mode",
        false,
        Part::Waits("simulator"),
        "raised limits in the simulator for bug hunting",
    ),
    flag("intent_pattern_guard", false, Part::Wired, "configured intent patterns"),
    flag(
        "comparison_refinement",
        false,
        Part::Waits("understanding stages"),
        "comparison messages become the comparison intent",
    ),
    flag("autonomous_flow", true, Part::Wired, "the autonomous flow lets the llm choose phase transitions"),
];

/// Environment names that stand for settings, as in the older service.
const ALIASES: [(&str, &str); 3] = [
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
