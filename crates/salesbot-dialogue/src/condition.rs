//! Conditions of flow rows: `when: client_stuck`, or a tree of them.
//!
//! A condition is a pure predicate over the frozen [`View`] of a turn. Names, groups and slots resolve at
//! load; evaluation cannot fail: a missing value makes a comparison false.

use std::collections::{BTreeMap, BTreeSet};

use salesbot_yaml::{Diagnostics, Node, SourceFile};

use crate::policy::View;
use crate::window::{Level, Trend};
use crate::{IntentCatalog, IntentId, Tone};

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Named(&'static Named),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    AtLeast(usize, Vec<Self>),
    Slot(String, Test),
    IntentTotal(BTreeSet<IntentId>, u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    AtLeast(i64),
    AtMost(i64),
    Filled,
    Empty,
}

/// A predicate of the engine. The table below is also what `salesbot check` and the docs list.
pub struct Named {
    pub name: &'static str,
    pub holds: fn(&View<'_>) -> bool,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Named {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let joined = |parts: &[Self], word: &str| {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| match part {
                    Self::All(_) | Self::Any(_) => format!("({part})"),
                    other => other.to_string(),
                })
                .collect();
            parts.join(word)
        };
        match self {
            Self::Named(named) => out.write_str(named.name),
            Self::All(parts) => out.write_str(&joined(parts, " and ")),
            Self::Any(parts) => out.write_str(&joined(parts, " or ")),
            Self::Not(part) => write!(out, "not {part}"),
            Self::AtLeast(n, parts) => write!(out, "{n} of ({})", joined(parts, ", ")),
            Self::Slot(slot, Test::AtLeast(n)) => write!(out, "{slot} ≥ {n}"),
            Self::Slot(slot, Test::AtMost(n)) => write!(out, "{slot} ≤ {n}"),
            Self::Slot(slot, Test::Filled) => write!(out, "{slot} known"),
            Self::Slot(slot, Test::Empty) => write!(out, "{slot} unknown"),
            Self::IntentTotal(intents, n) => write!(out, "{n} of {} intents said", intents.len()),
        }
    }
}

impl Condition {
    pub fn holds(&self, view: &View<'_>) -> bool {
        match self {
            Self::Named(named) => (named.holds)(view),
            Self::All(parts) => parts.iter().all(|part| part.holds(view)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(view)),
            Self::Not(part) => !part.holds(view),
            Self::AtLeast(n, parts) => parts.iter().filter(|part| part.holds(view)).count() >= *n,
            Self::Slot(slot, test) => match test {
                Test::Filled => view.memory.has(slot),
                Test::Empty => !view.memory.has(slot),
                Test::AtLeast(n) => view.memory.number(slot).is_some_and(|value| value >= *n),
                Test::AtMost(n) => view.memory.number(slot).is_some_and(|value| value <= *n),
            },
            Self::IntentTotal(intents, n) => view.total_of(|id| intents.contains(&id)) >= *n,
        }
    }
}

/// What a condition in YAML may refer to.
pub struct Scope<'a> {
    pub intents: &'a IntentCatalog,
    pub groups: &'a BTreeMap<String, Vec<IntentId>>,
    /// Conditions of `_base/conditions.yaml`, already resolved.
    pub shared: &'a BTreeMap<String, Condition>,
    pub slots: &'a BTreeSet<String>,
    /// Takes the names of shared conditions that are used.
    pub used: &'a std::cell::RefCell<BTreeSet<String>>,
}

/// Reads a `when`. `None` means wrong and reported (E07).
pub fn read(
    node: &Node,
    scope: &Scope<'_>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<Condition> {
    if let Some(name) = node.text() {
        return named(name, node, scope, file, diagnostics);
    }
    let Some([(key, value)]) = node.map().filter(|map| map.len() == 1) else {
        return comparison(node, scope, file, diagnostics);
    };
    let parts = |diagnostics: &mut Diagnostics| -> Option<Vec<Condition>> {
        let list = value.list().unwrap_or(std::slice::from_ref(value));
        let parts: Vec<_> = list.iter().map(|part| read(part, scope, file, diagnostics)).collect();
        parts.into_iter().collect()
    };
    match key.text() {
        Some("and") => Some(Condition::All(parts(diagnostics)?)),
        Some("or") => Some(Condition::Any(parts(diagnostics)?)),
        Some("not") => Some(Condition::Not(Box::new(read(value, scope, file, diagnostics)?))),
        Some("count") => {
            let at_least = value.get("at_least").and_then(Node::text).and_then(|text| text.parse().ok());
            let of = value.get("of").and_then(Node::list);
            let (Some(at_least), Some(of)) = (at_least, of) else {
                return wrong(value, "write `count: {of: [..], at_least: n}`", file, diagnostics);
            };
            let parts: Option<Vec<_>> = of.iter().map(|part| read(part, scope, file, diagnostics)).collect();
            Some(Condition::AtLeast(at_least, parts?))
        }
        Some("intent_total") => {
            let of = value.get("of").and_then(Node::text);
            let gte = value.get("gte").and_then(Node::text).and_then(|text| text.parse().ok());
            let (Some(of), Some(gte)) = (of, gte) else {
                return wrong(value, "write `intent_total: {of: GROUP, gte: n}`", file, diagnostics);
            };
            let Some(group) = members(of, scope) else {
                diagnostics
                    .error(file, value.place, "E08", format!("unknown intent or group `{of}`"))
                    .suggest(of, scope.groups.keys().map(String::as_str).chain(scope.intents.names()));
                return None;
            };
            Some(Condition::IntentTotal(group, gte))
        }
        _ => wrong(node, "known forms: and, or, not, count, slot, intent_total", file, diagnostics),
    }
}

fn comparison(
    node: &Node,
    scope: &Scope<'_>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<Condition> {
    let Some(slot) = node.get("slot").and_then(Node::text) else {
        return wrong(
            node,
            "a condition is a name or one of and, or, not, count, slot, intent_total",
            file,
            diagnostics,
        );
    };
    if !scope.slots.contains(slot) {
        diagnostics
            .error(file, node.place, "E07", format!("unknown slot `{slot}`"))
            .suggest(slot, scope.slots.iter().map(String::as_str));
        return None;
    }
    let number = |key: &str| node.get(key).and_then(Node::text).and_then(|text| text.parse().ok());
    let test = match node.get("is").and_then(Node::text) {
        Some("filled") => Some(Test::Filled),
        Some("empty") => Some(Test::Empty),
        _ => number("gte").map(Test::AtLeast).or_else(|| number("lte").map(Test::AtMost)),
    };
    let Some(test) = test else {
        return wrong(node, "compare with `gte: n`, `lte: n` or `is: filled|empty`", file, diagnostics);
    };
    Some(Condition::Slot(slot.to_owned(), test))
}

fn named(
    name: &str,
    node: &Node,
    scope: &Scope<'_>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<Condition> {
    let name = name.strip_prefix("custom:").unwrap_or(name);
    if let Some(shared) = scope.shared.get(name) {
        scope.used.borrow_mut().insert(name.to_owned());
        return Some(shared.clone());
    }
    let meant = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, meant)| meant);
    if let Some(found) = BUILT_IN.iter().find(|known| known.name == meant) {
        return Some(Condition::Named(found));
    }
    diagnostics.error(file, node.place, "E07", format!("unknown condition `{name}`")).suggest(
        name,
        BUILT_IN.iter().map(|known| known.name).chain(scope.shared.keys().map(String::as_str)),
    );
    None
}

fn members(name: &str, scope: &Scope<'_>) -> Option<BTreeSet<IntentId>> {
    if let Some(group) = scope.groups.get(name) {
        return Some(group.iter().copied().collect());
    }
    if let Some(id) = scope.intents.id(name) {
        return Some(BTreeSet::from([id]));
    }
    let base: BTreeSet<_> = scope
        .intents
        .iter()
        .filter(|(_, spec)| spec.groups.iter().any(|group| group == name))
        .map(|(id, _)| id)
        .collect();
    (!base.is_empty()).then_some(base)
}

fn wrong(node: &Node, hint: &str, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Condition> {
    diagnostics.error(file, node.place, "E07", "cannot read this condition").hint(hint);
    None
}

macro_rules! conditions {
    ($($name:ident: |$view:ident| $body:expr;)*) => {
        /// Every condition the engine knows by name (dialogue reference, section 17.2).
        pub static BUILT_IN: &[Named] = &[$(Named { name: stringify!($name), holds: |$view| $body }),*];
    };
}

conditions! {
    // Data
    has_pricing_data: |v| v.memory.has("company_size") || v.memory.has("users_count");
    has_company_size: |v| v.memory.has("company_size");
    has_pain_point: |v| has_pain(v);
    has_pain_and_company_size: |v| has_pain(v) && v.memory.has("company_size");
    has_contact_info: |v| v.memory.slots.contains_key("contact_info");
    has_validated_contact: |v| v.memory.contact().valid;
    has_valid_email: |v| v.memory.contact().valid && v.memory.contact().email.is_some();
    has_valid_phone: |v| v.memory.contact().valid && v.memory.contact().phone.is_some();
    has_competitor_mention: |v| v.memory.has("competitor_name") || v.memory.has("competitor_mentioned")
        || v.memory.has("current_crm");
    has_high_interest: |v| v.memory.has("high_interest");
    has_desired_outcome: |v| v.memory.has("desired_outcome");
    has_financial_impact: |v| v.memory.has("financial_impact") || v.memory.has("budget_range");
    missing_required_data: |v| !v.has_all_required();
    has_all_required_data: |v| v.has_all_required();
    brings_facts: |v| v.has_data();
    // Counts of intents
    price_repeated_2x: |v| v.streak_of(|id| v.intents.is_price(id)) >= 2;
    price_repeated_3x: |v| v.streak_of(|id| v.intents.is_price(id)) >= 3;
    price_total_count_2x: |v| v.total_of(|id| v.intents.is_price(id)) >= 2;
    price_total_count_3x: |v| v.total_of(|id| v.intents.is_price(id)) >= 3;
    technical_question_repeated_2x: |v| v.streak_of(|id| v.intents.in_group(id, "technical_question")) >= 2;
    question_total_count_2x: |v| v.intents.is_question(v.understanding.intent) && v.total_of(|id| id == v.understanding.intent) >= 2;
    unclear_consecutive_3x: |v| v.streak_of(|id| id == v.intents.unclear()) >= 3;
    unclear_total_count_3x: |v| v.total_of(|id| id == v.intents.unclear()) >= 3;
    has_multiple_questions: |v| v.total_of(|id| v.intents.is_question(id)) >= 3;
    objection_limit_reached: |v| v.objection_limit_reached();
    objection_consecutive_3x: |v| v.memory.counters.objections.consecutive >= v.objection_limits().0;
    objection_total_5x: |v| v.memory.counters.objections.total >= v.objection_limits().1;
    objection_repeated: |v| v.is_objection() && v.streak_of(|id| id == v.understanding.intent) >= 2;
    objection_loop_escape: |v| v.state().name == "handle_objection" && v.is_objection()
        && (v.memory.counters.objections.consecutive >= 3
            || v.memory.counters.objections.total + 1 >= v.objection_limits().1);
    is_current_intent_objection: |v| v.is_objection();
    is_current_intent_positive: |v| v.intents.is_positive(v.understanding.intent);
    is_spin_progress_intent: |v| ["situation_provided", "problem_revealed", "implication_acknowledged", "need_expressed"]
        .contains(&v.intents.name(v.understanding.intent));
    is_current_intent_question: |v| v.intents.is_question(v.understanding.intent);
    has_secondary_price_question: |v| v.understanding.secondary.iter().any(|id| v.intents.is_price(*id));
    has_secondary_question_intent: |v| v.understanding.secondary.iter().any(|id| v.intents.is_question(*id));
    // State
    is_phase_state: |v| v.state().phase.is_some();
    in_phase: |v| v.state().phase.is_some();
    in_situation_phase: |v| v.state().phase.as_deref() == Some("situation");
    in_problem_phase: |v| v.state().phase.as_deref() == Some("problem");
    in_implication_phase: |v| v.state().phase.as_deref() == Some("implication");
    in_need_payoff_phase: |v| v.state().phase.as_deref() == Some("need_payoff");
    post_phase: |v| v.state().phase.is_none() && v.state().name != "greeting";
    came_through_phases: |v| v.before.turns.iter().any(|turn|
        v.flow.id(&turn.state).is_some_and(|id| v.flow.state(id).phase.is_some()));
    in_protected_state: |v| ["greeting", "success", "soft_close"].contains(&v.state().name.as_str());
    is_presentation_state: |v| v.state().name == "presentation";
    is_close_state: |v| v.state().name == "close";
    is_greeting_state: |v| v.state().name == "greeting";
    is_handle_objection_state: |v| v.state().name == "handle_objection";
    is_soft_close_state: |v| v.state().name == "soft_close";
    is_success_state: |v| v.state().name == "success";
    is_final: |v| v.state().is_final;
    is_terminal_state: |v| ["success", "soft_close", "escalated"].contains(&v.state().name.as_str());
    // Turns; the first turn is number 1
    is_first_turn: |v| v.turn_number() == 1;
    is_early_conversation: |v| v.turn_number() < 3;
    is_late_conversation: |v| v.turn_number() >= 10;
    is_extended_conversation: |v| v.turn_number() >= 20;
    turn_number_gte_3: |v| v.turn_number() >= 3;
    greeting_too_long: |v| v.state().name == "greeting" && v.turn_number() >= 3;
    // Composite
    can_answer_price: |v| can_answer_price(v);
    should_deflect_price: |v| v.state().phase.is_some() && !can_answer_price(v);
    should_answer_question_now: |v| v.is_frustrated(v.options.frustration.warning)
        || v.total_of(|id| v.intents.is_price(id)) >= 2
        || v.understanding.tone.tone == Tone::Rushed
        || v.understanding.secondary.iter().any(|id| v.intents.is_price(*id));
    ready_for_presentation: |v| v.memory.has("company_size") && has_pain(v);
    ready_for_close: |v| v.memory.contact().valid;
    can_handle_with_roi: |v| v.memory.has("company_size") && has_pain(v);
    has_completed_minimum_phases: |v| !v.options.rules.phase_gating
        || ["presentation", "close", "soft_close", "handle_objection", "escalated"].contains(&v.state().name.as_str())
            || (v.memory.has("company_size") && has_pain(v))
            || v.turn_number() >= 6;
    // Mood and course of the talk
    client_frustrated: |v| v.is_frustrated(v.options.frustration.moderate);
    client_very_frustrated: |v| v.is_frustrated(v.options.frustration.warning);
    frustration_warning: |v| v.is_frustrated(v.options.frustration.elevated);
    momentum_positive: |v| v.window.is_positive();
    momentum_negative: |v| v.window.is_negative();
    momentum_strong_positive: |v| v.window.momentum > 0.5;
    momentum_strong_negative: |v| v.window.momentum < -0.5;
    engagement_high: |v| v.window.level == Level::High;
    engagement_low: |v| v.window.level <= Level::Low;
    engagement_declining: |v| v.window.engagement_trend == Trend::Declining;
    confidence_declining: |v| v.window.confidence_trend == Trend::Declining;
    breakthrough_detected: |v| v.window.since_breakthrough.is_some();
    in_breakthrough_window: |v| v.window.in_breakthrough();
    guard_intervened: |v| v.guard.is_some();
    should_be_careful: |v| v.is_frustrated(v.options.frustration.elevated) || v.window.is_negative();
    can_accelerate: |v| v.window.is_positive() && v.window.level == Level::High
        && v.understanding.tone.frustration == 0;
    unclear_count_high: |v| v.window.unclear >= 3;
    client_stuck: |v| v.is_stuck();
    client_oscillating: |v| v.is_oscillating();
    has_repeated_question: |v| v.understanding.repeated;
    repeated_price_question: |v| v.understanding.repeated && v.intents.is_price(v.understanding.intent);
    many_objections: |v| v.memory.counters.objections.total >= 3;
    needs_repair: |v| v.is_stuck() || v.is_oscillating() || v.understanding.repeated;
    should_answer_directly: |v| v.is_frustrated(v.options.frustration.elevated) || v.understanding.repeated
        || v.window.confidence_trend == Trend::Declining || v.understanding.tone.tone == Tone::Rushed;
    // Lead
    lead_temperature_hot: |v| v.memory.text("lead_temperature") == Some("hot");
    lead_temperature_very_hot: |v| v.memory.text("lead_temperature") == Some("very_hot");
    lead_temperature_cold: |v| v.memory.text("lead_temperature") == Some("cold");
}

/// Names of the older service for conditions of today.
const ALIASES: [(&str, &str); 7] = [
    ("has_objection", "is_current_intent_objection"),
    ("is_spin_state", "is_phase_state"),
    ("in_spin_phase", "in_phase"),
    ("post_spin_phase", "post_phase"),
    ("has_oscillation", "client_oscillating"),
    ("has_breakthrough", "breakthrough_detected"),
    ("turns_since_breakthrough_ok", "in_breakthrough_window"),
];

fn can_answer_price(view: &View<'_>) -> bool {
    view.memory.has("company_size")
        || view.memory.has("users_count")
        || view.streak_of(|id| view.intents.is_price(id)) >= 3
}

fn has_pain(view: &View<'_>) -> bool {
    view.memory.has("pain_point") || view.memory.has("pain_category")
}
