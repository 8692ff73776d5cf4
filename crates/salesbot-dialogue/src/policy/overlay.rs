//! Overlays: second thoughts about the action, never about the state. They look at the winner of the
//! resolution inside `decide`; what they put in its place is one more proposal in the trace. Cascade: dialogue
//! reference, section 6; the first overlay that decides ends it.

use super::View;
use super::objection::family_of;
use crate::flow::StateId;
use crate::window::Trend;

/// What became of the action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// `no_override`, `price_question`, `price_already_correct`, `repair_clarify`, …
    pub decision: &'static str,
    pub action: Option<&'static str>,
    pub reason: Option<&'static str>,
    /// `stuck`, `oscillation`, `echo` or `stalled`.
    pub repair: Option<&'static str>,
}

/// Actions that already answer a price question.
const PRICE_CORRECT: [&str; 10] = [
    "answer_with_pricing",
    "answer_with_pricing_direct",
    "answer_with_pricing_brief",
    "answer_pricing_details",
    "answer_with_facts",
    "answer_with_roi",
    "calculate_roi_response",
    "compare_pricing",
    "explain_payment_terms",
    "handle_discount_request",
];
/// Replies that spoke of the price.
const PRICED: [&str; 4] = [
    "answer_with_pricing",
    "answer_with_pricing_direct",
    "answer_with_pricing_brief",
    "answer_pricing_details",
];
/// Left alone by repair: they answer.
const PROTECTED: [&str; 15] = [
    "answer_with_pricing",
    "answer_with_pricing_direct",
    "answer_with_facts",
    "answer_pricing_details",
    "answer_with_knowledge",
    "answer_question",
    "answer_and_continue",
    "answer_with_summary",
    "handle_objection",
    "handle_repeated_objection",
    "reframe_value",
    "empathize_and_redirect",
    "offer_options",
    "explain_feature",
    "demonstrate_feature",
];
/// Actions that push.
const AGGRESSIVE: [&str; 4] =
    ["transition_to_presentation", "transition_to_close", "ask_for_demo", "ask_for_contact"];
/// Turns in a state, without progress or facts, from which the talk has stalled.
const STALLED: u32 = 3;

fn none(decision: &'static str) -> Verdict {
    Verdict { decision, ..Verdict::default() }
}

fn instead(decision: &'static str, action: &'static str, reason: &'static str) -> Verdict {
    Verdict { decision, action: Some(action), reason: Some(reason), repair: None }
}

/// Weighs the winning action and the state it leads to.
pub(super) fn weigh(view: &View<'_>, action: &str, next: StateId) -> Verdict {
    let state = view.state();
    let moved = next != view.state;
    let ends = ["soft_close", "escalated", "success"].contains(&view.flow.state(next).name.as_str());
    let allowed =
        state.phase.is_some() || ["presentation", "handle_objection"].contains(&state.name.as_str());
    let guarded = action.starts_with("guard_") || action.starts_with("stall_guard_") || view.guard.is_some();
    if !view.options.rules.overlays || !allowed || guarded || ends || view.understanding.tone.warning {
        return none("no_override");
    }
    if let Some(verdict) = price(view, action) {
        return verdict;
    }
    if let Some(verdict) = repair(view, action, moved) {
        return verdict;
    }
    if let Some(verdict) = objection(view) {
        return verdict;
    }
    if view.window.in_breakthrough() {
        return Verdict {
            decision: "breakthrough_cta",
            reason: Some("policy.cta_soft"),
            ..Verdict::default()
        };
    }
    let unsure = view.window.confidence_trend == Trend::Declining || view.window.is_negative();
    if AGGRESSIVE.contains(&action) && unsure && !moved {
        return instead("conservative", "continue_current_goal", "policy.conservative");
    }
    none("no_override")
}

fn price(view: &View<'_>, action: &str) -> Option<Verdict> {
    let asked = view.understanding.intents().any(|id| view.intents.is_price(id));
    if !asked || !view.options.rules.price_question {
        return None;
    }
    let spoken =
        view.before.turns.iter().rev().take(5).filter(|turn| PRICED.contains(&turn.action.as_str())).count();
    if spoken >= 2 && PRICED.contains(&action) {
        return Some(instead("price_question", "answer_with_pricing_brief", "policy.price_override"));
    }
    if PRICE_CORRECT.contains(&action) || !view.intents.is_price(view.understanding.intent) {
        return Some(none("price_already_correct"));
    }
    // An action that words the price in the flow's own way is an answer too.
    let own =
        ["present_business_case", "present_roi", "discuss_budget", "answer_briefly", "handle_negotiation"];
    if own.contains(&action) {
        return Some(none("price_already_correct"));
    }
    Some(instead("price_question", "answer_with_pricing", "policy.price_override"))
}

/// A talk that goes in circles is set right, unless the message has something of its own to say.
fn repair(view: &View<'_>, action: &str, moved: bool) -> Option<Verdict> {
    let after_stall = view.before.last_action().starts_with("transition_to_")
        || view.before.last_action() == "continue_conversation";
    // Manners get their own word, and whatever has an answer of its own keeps it.
    let manners = ["greeting", "gratitude", "request_brevity"];
    let polite = manners.contains(&view.intents.name(view.understanding.intent));
    let speaks = !view.says_nothing() || polite || view.has_data() || moved;
    if after_stall || speaks || PROTECTED.contains(&action) {
        return None;
    }
    let exempt = view.state().name == "handle_objection";
    let found = if view.is_stuck() {
        ("repair_clarify", "clarify_one_question", "stuck")
    } else if view.is_oscillating() {
        ("repair_summarize", "summarize_and_clarify", "oscillation")
    } else if view.window.echo {
        ("repair_summarize", "summarize_and_clarify", "echo")
    } else if !exempt && view.turns_in_state() >= STALLED && !view.is_progressing() {
        ("repair_choices", "nudge_progress", "stalled")
    } else {
        return None;
    };
    let (decision, action, trigger) = found;
    Some(Verdict { repair: Some(trigger), ..instead(decision, action, "policy.repair_mode") })
}

/// An objection of a kind already answered needs another answer.
fn objection(view: &View<'_>) -> Option<Verdict> {
    let family = family_of(view.intents.name(view.understanding.intent))?;
    let objections = &view.memory.counters.objections;
    if objections.families.get(family.name).copied().unwrap_or(0) < 2 || view.objection_limit_reached() {
        return None;
    }
    let (in_a_row, _) = view.objection_limits();
    Some(if objections.total >= in_a_row {
        instead("objection_escalate", "handle_repeated_objection", "objection.escalate")
    } else {
        instead("objection_reframe", "reframe_value", "objection.repeat")
    })
}
