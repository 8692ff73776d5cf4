//! Every settings key: path, what it may hold, default. `content/settings.yaml` repeats them with comments.

use std::net::SocketAddr;

use salesbot_dialogue::policy::source_names;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Address,
    Truth,
    Number(u64, u64),
    /// A number with decimals, from the first to the second.
    Decimal(f32, f32),
    /// A number, or `profile`: as the guard's profile says.
    Profiled(u64, u64),
    /// Points, below zero too.
    Points,
    /// Objections in a row and in all.
    Pair,
    OneOf(&'static [&'static str]),
    List,
    /// Names of sources of the decision.
    Sources,
    Kinds,
}

use Kind::{Address, Decimal, Kinds, List, Number, OneOf, Pair, Points, Profiled, Sources, Text, Truth};

/// The numbers a guard profile sets: turns, seconds, turns in one state.
pub(super) const PROFILES: [(&str, [u64; 3]); 3] =
    [("default", [25, 1800, 4]), ("strict", [15, 900, 3]), ("relaxed", [40, 3600, 6])];

type Key = (&'static str, Kind, &'static str);

pub(super) const KEYS: &[Key] = &[
    ("company.name", Text, "Wipon"),
    ("llm.provider", OneOf(&["auto", "embedded"]), "auto"),
    ("llm.model", Text, "qwen3:14b"),
    ("flow.active", Text, "spin_selling"),
    ("server.listen", Address, "127.0.0.1:8000"),
    ("server.max_body_bytes", Number(1024, 1 << 30), "10485760"),
    ("server.max_concurrent_turns", Number(1, 1024), "4"),
    ("server.queue_limit", Number(0, 100_000), "64"),
    ("server.queue_timeout_s", Number(1, 600), "30"),
    ("server.drain_timeout_s", Number(0, 3600), "180"),
    ("limits.max_message_chars", Number(1, 100_000), "8000"),
    ("limits.max_snapshot_bytes", Number(1024, 1 << 30), "2097152"),
    ("knowledge.path", Text, ""),
    ("knowledge.strict_counts", Truth, "true"),
    ("retriever.typo", Truth, "true"),
    ("retriever.min_coverage", Decimal(0.0, 1.0), "0.45"),
    ("retriever.category_boost", Decimal(1.0, 10.0), "1.15"),
    ("trace.default", OneOf(&["full", "compact", "none"]), "full"),
    ("logging.level", OneOf(&["error", "warn", "info", "debug", "trace"]), "info"),
    ("dialogue.limits.max_consecutive_objections", Number(1, 100), "4"),
    ("dialogue.limits.max_total_objections", Number(1, 100), "6"),
    ("dialogue.limits.persona_objection_limits.happy_path", Pair, "3, 5"),
    ("dialogue.limits.persona_objection_limits.skeptic", Pair, "4, 7"),
    ("dialogue.limits.persona_objection_limits.busy", Pair, "3, 5"),
    ("dialogue.limits.persona_objection_limits.price_sensitive", Pair, "5, 9"),
    ("dialogue.limits.persona_objection_limits.competitor_user", Pair, "4, 7"),
    ("dialogue.limits.persona_objection_limits.aggressive", Pair, "5, 8"),
    ("dialogue.limits.persona_objection_limits.technical", Pair, "4, 6"),
    ("dialogue.limits.persona_objection_limits.tire_kicker", Pair, "6, 12"),
    ("dialogue.limits.persona_objection_limits.analytical", Pair, "4, 6"),
    ("dialogue.limits.persona_objection_limits.friendly", Pair, "4, 7"),
    ("dialogue.limits.max_gobacks", Number(0, 100), "2"),
    ("dialogue.limits.phase_origin_objection_escape", Number(1, 100), "2"),
    ("dialogue.guard.profile", OneOf(&["default", "strict", "relaxed"]), "default"),
    ("dialogue.guard.max_turns", Profiled(1, 1000), "profile"),
    ("dialogue.guard.timeout_seconds", Profiled(1, 1_000_000), "profile"),
    ("dialogue.guard.active_gap_seconds", Number(1, 1_000_000), "600"),
    ("dialogue.guard.high_frustration_threshold", Number(1, 10), "7"),
    ("dialogue.guard.max_same_message", Number(2, 100), "2"),
    ("dialogue.guard.max_same_state", Profiled(1, 100), "profile"),
    ("dialogue.guard.progress_check_interval", Number(1, 100), "5"),
    ("dialogue.guard.min_unique_states_for_progress", Number(1, 100), "2"),
    ("dialogue.escalation.frustration_threshold", Number(1, 100), "3"),
    ("dialogue.escalation.misunderstanding_threshold", Number(1, 100), "4"),
    ("dialogue.escalation.high_value_company_size", Number(1, 10_000), "100"),
    ("dialogue.escalation.complex_intents", List, "request_sla, question_customization"),
    ("dialogue.lead_scoring.warm", Number(1, 100), "30"),
    ("dialogue.lead_scoring.hot", Number(1, 100), "50"),
    ("dialogue.lead_scoring.very_hot", Number(1, 100), "70"),
    ("dialogue.lead_scoring.decay_percent", Number(0, 100), "95"),
    ("dialogue.lead_scoring.points.contact_provided", Points, "35"),
    ("dialogue.lead_scoring.points.demo_request", Points, "30"),
    ("dialogue.lead_scoring.points.price_with_size", Points, "25"),
    ("dialogue.lead_scoring.points.callback_request", Points, "25"),
    ("dialogue.lead_scoring.points.consultation_request", Points, "20"),
    ("dialogue.lead_scoring.points.explicit_problem", Points, "15"),
    ("dialogue.lead_scoring.points.competitor_comparison", Points, "12"),
    ("dialogue.lead_scoring.points.budget_mentioned", Points, "10"),
    ("dialogue.lead_scoring.points.timeline_mentioned", Points, "10"),
    ("dialogue.lead_scoring.points.multiple_questions", Points, "8"),
    ("dialogue.lead_scoring.points.features_question", Points, "5"),
    ("dialogue.lead_scoring.points.integrations_question", Points, "5"),
    ("dialogue.lead_scoring.points.price_question", Points, "5"),
    ("dialogue.lead_scoring.points.general_interest", Points, "3"),
    ("dialogue.lead_scoring.points.objection_price", Points, "-15"),
    ("dialogue.lead_scoring.points.objection_competitor", Points, "-10"),
    ("dialogue.lead_scoring.points.objection_no_time", Points, "-20"),
    ("dialogue.lead_scoring.points.objection_think", Points, "-10"),
    ("dialogue.lead_scoring.points.objection_no_need", Points, "-25"),
    ("dialogue.lead_scoring.points.rejection_soft", Points, "-25"),
    ("dialogue.lead_scoring.points.frustration", Points, "-15"),
    ("dialogue.lead_scoring.points.unclear_repeated", Points, "-5"),
    ("dialogue.frustration.thresholds.elevated", Number(1, 10), "2"),
    ("dialogue.frustration.thresholds.moderate", Number(1, 10), "3"),
    ("dialogue.frustration.thresholds.warning", Number(1, 10), "4"),
    ("dialogue.frustration.thresholds.high", Number(1, 10), "7"),
    ("dialogue.frustration.thresholds.critical", Number(1, 10), "9"),
    ("dialogue.fallback.same_tier_exit", Number(1, 100), "4"),
    ("dialogue.fallback.total_exit", Number(1, 100), "7"),
    ("dialogue.fallback.options_after", Number(1, 100), "3"),
    ("dialogue.fallback.menus_in_a_row", Number(1, 100), "3"),
    ("dialogue.cta.min_turn", Number(1, 100), "3"),
    ("dialogue.cta.max_per_conversation", Number(0, 100), "3"),
    ("dialogue.cta.max_frustration", Number(1, 10), "5"),
    ("dialogue.cta.soft_frustration", Number(1, 10), "3"),
    ("dialogue.cta.offered_kinds", Kinds, "demo, contact, info"),
    ("dialogue.circular_flow.enabled", OneOf(&["flag", "true", "false"]), "flag"),
    ("dialogue.disambiguation.high", Number(1, 100), "85"),
    ("dialogue.disambiguation.medium", Number(1, 100), "65"),
    ("dialogue.disambiguation.low", Number(1, 100), "45"),
    ("dialogue.disambiguation.min", Number(0, 100), "30"),
    ("dialogue.disambiguation.gap", Number(0, 100), "20"),
    ("dialogue.disambiguation.confirm_gap", Number(0, 100), "10"),
    ("dialogue.disambiguation.min_option", Number(1, 100), "25"),
    ("dialogue.disambiguation.cooldown", Number(0, 100), "3"),
    ("dialogue.response_directives.max_words", Number(10, 500), "60"),
    ("dialogue.response_directives.low_engagement_words", Number(10, 500), "50"),
    ("dialogue.response_directives.repair_words", Number(10, 500), "50"),
    ("dialogue.response_directives.frustrated_words", Number(10, 500), "40"),
    ("dialogue.response_directives.rushed_words", Number(10, 500), "30"),
    ("dialogue.response_directives.critical_words", Number(5, 500), "20"),
    ("dialogue.sources_off", Sources, ""),
];

/// The value as it is kept, or what is wrong with it.
pub(super) fn check(text: &str, kind: Kind) -> Result<String, String> {
    let number =
        |text: &str, low: u64, high: u64| text.parse::<u64>().is_ok_and(|n| (low..=high).contains(&n));
    let all = |known: &dyn Fn(&str) -> bool| list(text).all(known);
    let good = match kind {
        Text | List => true,
        Address => text.parse::<SocketAddr>().is_ok(),
        Truth => ["true", "false"].contains(&text),
        Number(low, high) => number(text, low, high),
        Decimal(low, high) => text.parse::<f32>().is_ok_and(|n| (low..=high).contains(&n)),
        Profiled(low, high) => text == "profile" || number(text, low, high),
        Points => text.parse::<i64>().is_ok_and(|points| (-100..=100).contains(&points)),
        Pair => pair(text).is_some(),
        OneOf(known) => known.contains(&text),
        Sources => all(&|name| source_names().any(|known| known == name)),
        Kinds => all(&|name| KINDS.contains(&name)),
    };
    if good {
        return Ok(text.to_owned());
    }
    Err(match kind {
        Address => format!("expected an address with a port such as 127.0.0.1:8000, found `{text}`"),
        Truth => format!("expected true or false, found `{text}`"),
        Number(low, high) => format!("expected a whole number from {low} to {high}, found `{text}`"),
        Decimal(low, high) => format!("expected a number from {low} to {high}, found `{text}`"),
        Profiled(low, high) => {
            format!("expected a whole number from {low} to {high} or `profile`, found `{text}`")
        }
        Points => format!("expected points from -100 to 100, found `{text}`"),
        Pair => format!("expected two numbers from 1 to 100, `[in a row, in all]`, found `{text}`"),
        OneOf(known) => format!("expected one of {}, found `{text}`", known.join(", ")),
        Sources => format!(
            "expected names of sources ({}), found `{text}`",
            source_names().collect::<Vec<_>>().join(", ")
        ),
        Kinds => format!("expected kinds of {}, found `{text}`", KINDS.join(", ")),
        Text | List => format!("expected text, found `{text}`"),
    })
}

const KINDS: [&str; 4] = salesbot_engine::nlg::banks::KINDS;

/// The items of a list value.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub(super) fn pair(text: &str) -> Option<(u32, u32)> {
    let numbers: Vec<u32> =
        list(text).filter_map(|item| item.parse().ok()).filter(|n| (1..=100).contains(n)).collect();
    match numbers[..] {
        [one, other] if list(text).count() == 2 => Some((one, other)),
        _ => None,
    }
}
