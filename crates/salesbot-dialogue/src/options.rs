//! The numbers of the dialogue engine, resolved from `settings.yaml` (`dialogue.*`). Defaults: the reference.

use std::collections::BTreeMap;

/// Plain numbers; every one of them is read by a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub limits: Limits,
    pub guard: GuardOptions,
    pub frustration: Frustration,
    pub fallback: Fallback,
    pub escalation: Escalation,
    pub lead_scoring: LeadScoring,
    pub cta: Cta,
    pub disambiguation: Disambiguation,
    pub directives: DirectiveOptions,
    /// Rank switch of go-back proposals (flag `circular_flow`).
    pub circular_flow: bool,
    /// Which rules take part, by flag.
    pub rules: RuleSwitches,
    /// Sources left out by name, `dialogue.sources_off`.
    pub sources_off: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// For clients of no known persona.
    pub max_consecutive_objections: u32,
    pub max_total_objections: u32,
    /// By persona: in a row, in all.
    pub persona_objection_limits: BTreeMap<String, (u32, u32)>,
    pub max_gobacks: u32,
    /// Objections in a row after which a talk goes back to the phase it came from.
    pub phase_origin_objection_escape: u32,
}

/// Objection limits of the personas the reference names: in a row, in all.
pub const PERSONAS: [(&str, (u32, u32)); 10] = [
    ("happy_path", (3, 5)),
    ("skeptic", (4, 7)),
    ("busy", (3, 5)),
    ("price_sensitive", (5, 9)),
    ("competitor_user", (4, 7)),
    ("aggressive", (5, 8)),
    ("technical", (4, 6)),
    ("tire_kicker", (6, 12)),
    ("analytical", (4, 6)),
    ("friendly", (4, 7)),
];

#[derive(Clone, Debug, PartialEq)]
pub struct GuardOptions {
    pub max_turns: u32,
    /// Seconds of active talk: only gaps shorter than `active_gap_seconds` count.
    pub timeout_seconds: i64,
    pub active_gap_seconds: i64,
    /// Equal to `frustration.high`.
    pub high_frustration_threshold: u8,
    pub max_same_message: usize,
    pub max_same_state: u32,
    pub progress_check_interval: u32,
    pub min_unique_states_for_progress: usize,
}

/// Bounds of the frustration levels, 0 to 10, each above the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frustration {
    pub elevated: u8,
    pub moderate: u8,
    pub warning: u8,
    pub high: u8,
    pub critical: u8,
}

/// When the four tiers of the fallback give way to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Fallbacks of one tier after which a talk that goes badly ends.
    pub same_tier_exit: u32,
    /// Fallbacks in all after which a talk without engagement ends.
    pub total_exit: u32,
    /// Fallbacks after which rephrasing gives way to a menu.
    pub options_after: u32,
    /// Menus in a row in one state, after which the phase is skipped.
    pub menus_in_a_row: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Escalation {
    pub frustration_threshold: u32,
    pub misunderstanding_threshold: u32,
    pub high_value_company_size: i64,
    pub complex_intents: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeadScoring {
    pub enabled: bool,
    /// Lower bounds of warm, hot and very_hot, in whole points.
    pub warm: u8,
    pub hot: u8,
    pub very_hot: u8,
    /// What is left of the score from one turn to the next, in per cent.
    pub decay_percent: i64,
    /// Points of each signal.
    pub points: BTreeMap<String, i64>,
}

/// Points of the signals, the reference's own.
pub const POINTS: [(&str, i64); 22] = [
    ("contact_provided", 35),
    ("demo_request", 30),
    ("price_with_size", 25),
    ("callback_request", 25),
    ("consultation_request", 20),
    ("explicit_problem", 15),
    ("competitor_comparison", 12),
    ("budget_mentioned", 10),
    ("timeline_mentioned", 10),
    ("multiple_questions", 8),
    ("features_question", 5),
    ("integrations_question", 5),
    ("price_question", 5),
    ("general_interest", 3),
    ("objection_price", -15),
    ("objection_competitor", -10),
    ("objection_no_time", -20),
    ("objection_think", -10),
    ("objection_no_need", -25),
    ("rejection_soft", -25),
    ("frustration", -15),
    ("unclear_repeated", -5),
];

/// Gates of the call to action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cta {
    pub enabled: bool,
    pub min_turn: u32,
    pub max_per_conversation: u32,
    /// Frustration from which none is made, and from which only soft ones are.
    pub max_frustration: u8,
    pub soft_frustration: u8,
}

/// When a message is asked back instead of being read; shares in whole per cent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disambiguation {
    pub enabled: bool,
    /// Asks by how near the next reading is; else by the confidence of the best one alone, below `low`.
    pub by_gap: bool,
    pub high: u8,
    pub medium: u8,
    pub low: u8,
    pub min: u8,
    pub gap: u8,
    pub confirm_gap: u8,
    pub min_option: u8,
    /// Turns between two clarifications.
    pub cooldown: u32,
}

/// Lengths of replies in words; the smallest that applies wins (generation reference, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectiveOptions {
    pub enabled: bool,
    pub max_words: usize,
    pub low_engagement_words: usize,
    pub repair_words: usize,
    pub rushed_words: usize,
    pub frustrated_words: usize,
    pub critical_words: usize,
}

/// A rule whose flag is off is not in the list of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSwitches {
    pub price_question: bool,
    pub conversation_guard: bool,
    pub multi_tier_fallback: bool,
    /// A phase is not skipped when the client has just told something.
    pub guard_keeps_informed_phase: bool,
    /// After a skip the state's own reply goes out, not the canned line.
    pub skip_speaks_for_state: bool,
    pub stall_guard: bool,
    /// The stall guard marks its action as well as moving on.
    pub stall_guard_acts: bool,
    pub phase_exhausted: bool,
    pub pattern_guard: bool,
    /// Menus of the presentation fit what was said.
    pub dynamic_menus: bool,
    /// A family of objections may end the talk when its attempts are used up.
    pub objection_handler: bool,
    /// Short cuts to the closing need a minimum of progress.
    pub phase_gating: bool,
    /// Trouble and requests for references lead from the greeting to the first phase.
    pub greeting_safety: bool,
    /// The course of the talk is looked at; off, conditions about it never hold.
    pub window: bool,
    pub overlays: bool,
    /// Overlays are traced and not applied.
    pub overlays_in_shadow: bool,
    pub engagement_v2: bool,
}

impl Default for Options {
    fn default() -> Self {
        let owned = |(name, value): &(&str, (u32, u32))| ((*name).to_owned(), *value);
        Self {
            limits: Limits {
                max_consecutive_objections: 4,
                max_total_objections: 6,
                persona_objection_limits: PERSONAS.iter().map(owned).collect(),
                max_gobacks: 2,
                phase_origin_objection_escape: 2,
            },
            guard: GuardOptions {
                max_turns: 25,
                timeout_seconds: 1800,
                active_gap_seconds: 600,
                high_frustration_threshold: 7,
                max_same_message: 2,
                max_same_state: 4,
                progress_check_interval: 5,
                min_unique_states_for_progress: 2,
            },
            frustration: Frustration { elevated: 2, moderate: 3, warning: 4, high: 7, critical: 9 },
            fallback: Fallback { same_tier_exit: 4, total_exit: 7, options_after: 3, menus_in_a_row: 3 },
            escalation: Escalation {
                frustration_threshold: 3,
                misunderstanding_threshold: 4,
                high_value_company_size: 100,
                complex_intents: vec!["request_sla".to_owned(), "question_customization".to_owned()],
            },
            lead_scoring: LeadScoring {
                enabled: true,
                warm: 30,
                hot: 50,
                very_hot: 70,
                decay_percent: 95,
                points: POINTS.iter().map(|(name, points)| ((*name).to_owned(), *points)).collect(),
            },
            cta: Cta {
                enabled: true,
                min_turn: 3,
                max_per_conversation: 3,
                max_frustration: 5,
                soft_frustration: 3,
            },
            disambiguation: Disambiguation {
                enabled: true,
                by_gap: true,
                high: 85,
                medium: 65,
                low: 45,
                min: 30,
                gap: 20,
                confirm_gap: 10,
                min_option: 25,
                cooldown: 3,
            },
            directives: DirectiveOptions {
                enabled: true,
                max_words: 60,
                low_engagement_words: 50,
                repair_words: 50,
                rushed_words: 30,
                frustrated_words: 40,
                critical_words: 20,
            },
            circular_flow: true,
            rules: RuleSwitches {
                price_question: true,
                conversation_guard: true,
                multi_tier_fallback: true,
                guard_keeps_informed_phase: true,
                skip_speaks_for_state: true,
                stall_guard: true,
                stall_guard_acts: true,
                phase_exhausted: true,
                pattern_guard: false,
                dynamic_menus: false,
                objection_handler: true,
                phase_gating: true,
                greeting_safety: true,
                window: true,
                overlays: true,
                overlays_in_shadow: false,
                engagement_v2: false,
            },
            sources_off: Vec::new(),
        }
    }
}

impl Limits {
    /// Objections in a row and in all that are argued with, for this persona.
    pub fn objections(&self, persona: Option<&str>) -> (u32, u32) {
        let own = persona.and_then(|name| self.persona_objection_limits.get(name));
        own.copied().unwrap_or((self.max_consecutive_objections, self.max_total_objections))
    }
}
