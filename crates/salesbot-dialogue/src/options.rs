//! The numbers of the dialogue engine, resolved from `settings.yaml` (`dialogue.*`). Defaults: the reference.

/// Plain numbers; every one of them is read by exactly one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub limits: Limits,
    pub guard: GuardOptions,
    pub escalation: Escalation,
    pub lead_scoring: LeadScoring,
    /// Rank switch of go-back proposals (flag `circular_flow`).
    pub circular_flow: bool,
    /// Which rules take part, by flag.
    pub rules: RuleSwitches,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub max_consecutive_objections: u32,
    pub max_total_objections: u32,
    pub max_gobacks: u32,
    /// Objections in a row after which a talk goes back to the phase it came from.
    pub phase_origin_objection_escape: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GuardOptions {
    pub max_turns: u32,
    /// Seconds of active talk: only gaps shorter than `active_gap_seconds` count.
    pub timeout_seconds: i64,
    pub active_gap_seconds: i64,
    pub high_frustration_threshold: u8,
    pub max_same_message: usize,
    pub max_same_state: u32,
    pub progress_check_interval: u32,
    pub min_unique_states_for_progress: usize,
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
}

/// A rule whose flag is off is not in the list of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSwitches {
    pub price_question: bool,
    pub conversation_guard: bool,
    pub multi_tier_fallback: bool,
    pub stall_guard: bool,
    /// A family of objections may end the talk when its attempts are used up.
    pub objection_handler: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits {
                max_consecutive_objections: 4,
                max_total_objections: 6,
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
            escalation: Escalation {
                frustration_threshold: 3,
                misunderstanding_threshold: 4,
                high_value_company_size: 100,
                complex_intents: vec!["request_sla".to_owned(), "question_customization".to_owned()],
            },
            lead_scoring: LeadScoring { enabled: true, warm: 30, hot: 50, very_hot: 70 },
            circular_flow: true,
            rules: RuleSwitches {
                price_question: true,
                conversation_guard: true,
                multi_tier_fallback: true,
                stall_guard: true,
                objection_handler: true,
            },
        }
    }
}
