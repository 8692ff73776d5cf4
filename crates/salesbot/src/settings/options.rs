//! From checked values to the plain options of each crate: no strings for choices, nothing optional.

use salesbot_dialogue::Options;
use salesbot_dialogue::options::{
    Cta, DirectiveOptions, Disambiguation, Escalation, Fallback, Frustration, GuardOptions, LeadScoring,
    Limits, PERSONAS, POINTS, RuleSwitches,
};
use salesbot_engine::EngineOptions;
use salesbot_engine::nlg::{CtaOptions, WriterOptions};
use salesbot_engine::nlu::NluOptions;
use salesbot_knowledge::retriever::RetrieverOptions;

use super::Settings;
use super::keys::{PROFILES, list, pair};

impl Settings {
    /// The engine's plain options.
    pub fn engine_options(&self) -> EngineOptions {
        let on = |flag: &str| self.flags.acts(flag);
        EngineOptions {
            dialogue: self.dialogue(),
            nlu: NluOptions {
                tone: on("tone_analysis"),
                secondary: on("secondary_intent_detection"),
                context: on("refinement_pipeline"),
                structural: on("structural_frustration_detection"),
                short_answers: on("classification_refinement"),
                picks: on("option_selection_refinement"),
                mixed: on("composite_refinement"),
                told: on("data_aware_refinement"),
                objections: on("objection_refinement"),
                first_contact: on("first_contact_refinement"),
                greeting: on("greeting_context_refinement"),
                comparison: on("comparison_refinement"),
            },
            autonomous: on("autonomous_flow"),
            strict_counts: self.text("knowledge.strict_counts") == "true",
            writer: WriterOptions {
                company: self.text("company.name").to_owned(),
                vary: on("response_variations"),
                apologise: on("apology_system"),
                deduplicate_questions: on("question_deduplication"),
                retriever: RetrieverOptions {
                    typo: self.text("retriever.typo") == "true",
                    min_coverage: self.decimal("retriever.min_coverage"),
                    category_boost: self.decimal("retriever.category_boost"),
                    ..RetrieverOptions::default()
                },
                cta: CtaOptions {
                    offered_kinds: list(self.text("dialogue.cta.offered_kinds")).map(str::to_owned).collect(),
                    memory: on("context_cta_memory"),
                },
            },
        }
    }

    fn small(&self, key: &str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or(u32::MAX)
    }

    fn byte(&self, key: &str) -> u8 {
        u8::try_from(self.number(key)).unwrap_or(u8::MAX)
    }

    fn decimal(&self, key: &str) -> f32 {
        self.text(key).parse().unwrap_or(0.0)
    }

    fn long(&self, key: &str) -> i64 {
        self.text(key).parse().unwrap_or(0)
    }

    /// The value of a guard key, or its profile's.
    fn profiled(&self, key: &str, column: usize) -> u64 {
        let name = self.text("dialogue.guard.profile");
        let profile =
            PROFILES.iter().find(|(known, _)| *known == name).map_or(PROFILES[0].1, |(_, row)| *row);
        self.text(key).parse().unwrap_or(profile[column])
    }

    fn dialogue(&self) -> Options {
        let on = |flag: &str| self.flags.acts(flag);
        Options {
            limits: Limits {
                max_consecutive_objections: self.small("dialogue.limits.max_consecutive_objections"),
                max_total_objections: self.small("dialogue.limits.max_total_objections"),
                persona_objection_limits: PERSONAS
                    .iter()
                    .filter_map(|(name, _)| {
                        let key = format!("dialogue.limits.persona_objection_limits.{name}");
                        Some(((*name).to_owned(), pair(self.text(&key))?))
                    })
                    .collect(),
                max_gobacks: self.small("dialogue.limits.max_gobacks"),
                phase_origin_objection_escape: self.small("dialogue.limits.phase_origin_objection_escape"),
            },
            guard: GuardOptions {
                max_turns: u32::try_from(self.profiled("dialogue.guard.max_turns", 0)).unwrap_or(u32::MAX),
                timeout_seconds: i64::try_from(self.profiled("dialogue.guard.timeout_seconds", 1))
                    .unwrap_or(i64::MAX),
                active_gap_seconds: self.long("dialogue.guard.active_gap_seconds"),
                high_frustration_threshold: self.byte("dialogue.guard.high_frustration_threshold"),
                max_same_message: self.usize("dialogue.guard.max_same_message"),
                max_same_state: u32::try_from(self.profiled("dialogue.guard.max_same_state", 2))
                    .unwrap_or(u32::MAX),
                progress_check_interval: self.small("dialogue.guard.progress_check_interval"),
                min_unique_states_for_progress: self.usize("dialogue.guard.min_unique_states_for_progress"),
            },
            frustration: Frustration {
                elevated: self.byte("dialogue.frustration.thresholds.elevated"),
                moderate: self.byte("dialogue.frustration.thresholds.moderate"),
                warning: self.byte("dialogue.frustration.thresholds.warning"),
                high: self.byte("dialogue.frustration.thresholds.high"),
                critical: self.byte("dialogue.frustration.thresholds.critical"),
            },
            fallback: Fallback {
                same_tier_exit: self.small("dialogue.fallback.same_tier_exit"),
                total_exit: self.small("dialogue.fallback.total_exit"),
                options_after: self.small("dialogue.fallback.options_after"),
                menus_in_a_row: self.small("dialogue.fallback.menus_in_a_row"),
            },
            escalation: Escalation {
                frustration_threshold: self.small("dialogue.escalation.frustration_threshold"),
                misunderstanding_threshold: self.small("dialogue.escalation.misunderstanding_threshold"),
                high_value_company_size: self.long("dialogue.escalation.high_value_company_size"),
                complex_intents: list(self.text("dialogue.escalation.complex_intents"))
                    .map(str::to_owned)
                    .collect(),
            },
            lead_scoring: LeadScoring {
                enabled: on("lead_scoring"),
                warm: self.byte("dialogue.lead_scoring.warm"),
                hot: self.byte("dialogue.lead_scoring.hot"),
                very_hot: self.byte("dialogue.lead_scoring.very_hot"),
                decay_percent: self.long("dialogue.lead_scoring.decay_percent"),
                points: POINTS
                    .iter()
                    .map(|(name, _)| {
                        ((*name).to_owned(), self.long(&format!("dialogue.lead_scoring.points.{name}")))
                    })
                    .collect(),
            },
            cta: Cta {
                enabled: on("cta_generator"),
                min_turn: self.small("dialogue.cta.min_turn"),
                max_per_conversation: self.small("dialogue.cta.max_per_conversation"),
                max_frustration: self.byte("dialogue.cta.max_frustration"),
                soft_frustration: self.byte("dialogue.cta.soft_frustration"),
            },
            disambiguation: Disambiguation {
                enabled: on("unified_disambiguation"),
                by_gap: on("confidence_router"),
                high: self.byte("dialogue.disambiguation.high"),
                medium: self.byte("dialogue.disambiguation.medium"),
                low: self.byte("dialogue.disambiguation.low"),
                min: self.byte("dialogue.disambiguation.min"),
                gap: self.byte("dialogue.disambiguation.gap"),
                confirm_gap: self.byte("dialogue.disambiguation.confirm_gap"),
                min_option: self.byte("dialogue.disambiguation.min_option"),
                cooldown: self.small("dialogue.disambiguation.cooldown"),
            },
            directives: DirectiveOptions {
                enabled: on("context_response_directives"),
                max_words: self.usize("dialogue.response_directives.max_words"),
                low_engagement_words: self.usize("dialogue.response_directives.low_engagement_words"),
                repair_words: self.usize("dialogue.response_directives.repair_words"),
                rushed_words: self.usize("dialogue.response_directives.rushed_words"),
                frustrated_words: self.usize("dialogue.response_directives.frustrated_words"),
                critical_words: self.usize("dialogue.response_directives.critical_words"),
            },
            circular_flow: match self.text("dialogue.circular_flow.enabled") {
                "flag" => on("circular_flow"),
                own => own == "true",
            },
            rules: RuleSwitches {
                price_question: on("price_question_override"),
                conversation_guard: on("conversation_guard"),
                multi_tier_fallback: on("multi_tier_fallback"),
                guard_keeps_informed_phase: on("guard_informative_intent_check"),
                skip_speaks_for_state: on("guard_skip_resets_fallback"),
                stall_guard: on("universal_stall_guard"),
                stall_guard_acts: on("stall_guard_dual_proposal"),
                phase_exhausted: on("phase_exhausted_source"),
                pattern_guard: on("intent_pattern_guard"),
                dynamic_menus: on("dynamic_cta_fallback"),
                objection_handler: on("objection_handler"),
                phase_gating: on("phase_completion_gating"),
                greeting_safety: on("greeting_state_safety"),
                window: on("context_full_envelope"),
                overlays: on("context_policy_overlays"),
                overlays_in_shadow: on("context_shadow_mode"),
                engagement_v2: on("context_engagement_v2"),
            },
            sources_off: list(self.text("dialogue.sources_off")).map(str::to_owned).collect(),
        }
    }
}
