//! The rules that propose. Each is a function of the view; none sees another's proposals.
//!
//! Not here yet: disambiguation, pattern guard, phase-exhausted menu, autonomous decision (they come with the
//! full engine). The order of [`SOURCES`] breaks full ties.

use super::objection::{Family, family_of};
use super::{Move, Priority, Proposal, View};
use crate::flow::{Chain, Origin, StateId};
use crate::guard::{self, Tier};
use crate::{IntentId, Options};

type Source = fn(&View<'_>, &mut Proposals<'_>);
/// Whether a source takes part, by the options its flag set at start-up.
type Switch = fn(&Options) -> bool;

/// In tie-breaking order (dialogue reference, section 4).
const SOURCES: [(&str, Switch, Source); 12] = [
    ("GoBackGuardSource", always, go_back),
    ("ConversationGuardSource", |options| options.rules.conversation_guard, conversation_guard),
    ("PriceQuestionSource", |options| options.rules.price_question, price_question),
    ("FactQuestionSource", always, fact_question),
    ("DataCollectorSource", always, data_collector),
    ("ObjectionGuardSource", always, objection_limit),
    ("ObjectionReturnSource", always, objection_return),
    ("IntentProcessorSource", always, intent_processor),
    ("StallGuardSource", |options| options.rules.stall_guard, stall_guard),
    ("TransitionResolverSource", always, intent_transition),
    ("ContactSource", always, contact),
    ("EscalationSource", always, escalation),
];

fn always(_: &Options) -> bool {
    true
}

pub(super) fn propose(view: &View<'_>) -> Vec<Proposal> {
    let mut proposals = Proposals { list: Vec::new(), source: "", intent: view.understanding.intent };
    for (name, on, source) in SOURCES {
        if on(view.options) {
            proposals.source = name;
            proposals.intent = view.understanding.intent;
            source(view, &mut proposals);
        }
    }
    proposals.list
}

struct Proposals<'a> {
    list: Vec<Proposal>,
    source: &'a str,
    intent: IntentId,
}

impl Proposals<'_> {
    fn add(
        &mut self,
        what: Move,
        priority: Priority,
        combinable: bool,
        origin: Origin,
        reason: impl Into<String>,
    ) {
        let source = SOURCES.iter().map(|(name, ..)| *name).find(|name| *name == self.source).unwrap_or("");
        let reason = reason.into();
        let intent = self.intent;
        self.list.push(Proposal {
            source,
            what,
            priority,
            rank: 0,
            combinable,
            reason,
            origin,
            intent,
            won: false,
        });
    }

    fn act(
        &mut self,
        action: impl Into<String>,
        priority: Priority,
        origin: Origin,
        reason: impl Into<String>,
    ) {
        self.add(Move::Act(action.into()), priority, true, origin, reason);
    }

    /// An action that keeps every other source's transition out.
    fn act_alone(&mut self, action: impl Into<String>, priority: Priority, reason: impl Into<String>) {
        self.add(Move::Act(action.into()), priority, false, Origin::Engine, reason);
    }

    fn go(&mut self, to: StateId, priority: Priority, origin: Origin, reason: impl Into<String>) {
        self.add(Move::Go(to), priority, true, origin, reason);
    }
}

fn pick<'c, T>(chain: &'c Chain<T>, view: &View<'_>) -> Option<&'c T> {
    let case = chain.cases.iter().find(|(condition, _)| condition.holds(view)).map(|(_, value)| value);
    case.or(chain.default.as_ref())
}

fn rule_of<'v>(view: &View<'v>, intent: IntentId) -> Option<&'v String> {
    pick(view.state().rules.get(&intent)?, view)
}

fn transition_of(view: &View<'_>, intent: IntentId) -> Option<StateId> {
    pick(view.state().transitions.get(&intent)?, view).copied()
}

/// No more going back in this talk, or none at all while the flag is off.
fn gobacks_spent(view: &View<'_>) -> bool {
    view.before.counters.gobacks >= view.options.limits.max_gobacks || !view.options.circular_flow
}

/// Acknowledges a wish to go back; at most `max_gobacks` times a talk.
fn go_back(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let intent = view.understanding.intent;
    if !view.catalog.in_group(intent, "go_back") || transition_of(view, intent).is_none() {
        return;
    }
    // A correction that names the new value is data, not a wish to return.
    if view.intents.is(intent, "correct_info") && view.has_data() {
        proposals.act_alone("acknowledge_correction", Priority::High, "go_back_correction");
    } else if view.before.counters.gobacks >= view.options.limits.max_gobacks {
        proposals.act_alone("go_back_limit_reached", Priority::High, "go_back_limit_reached");
    } else {
        proposals.act("acknowledge_go_back", Priority::Normal, Origin::Engine, "go_back_allowed");
    }
}

/// Loops, repeats and talks that run too long; never over a message that speaks for itself.
fn conversation_guard(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let Some(tier) = guard::check(view) else { return };
    if !view.options.rules.multi_tier_fallback {
        return;
    }
    let reason = format!("conversation_guard_{}", tier.name());
    match tier {
        Tier::Rephrase => proposals.act("guard_rephrase", Priority::Normal, Origin::Engine, reason),
        Tier::Options => proposals.act_alone("guard_offer_options", Priority::High, reason),
        Tier::Skip(target) => {
            proposals.act("guard_skip_phase", Priority::High, Origin::Engine, reason.clone());
            proposals.go(target, Priority::High, Origin::Engine, format!("{reason}_transition"));
        }
        Tier::SoftClose => {
            proposals.act("guard_soft_close", Priority::Critical, Origin::Engine, reason.clone());
            proposals.go(
                view.flow.soft_close,
                Priority::Critical,
                Origin::Engine,
                format!("{reason}_transition"),
            );
        }
    }
}

/// Answers a price question at once, in any state, main or in passing.
fn price_question(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let Some(intent) = view.understanding.intents().find(|id| view.intents.is_price(*id)) else { return };
    proposals.intent = intent;
    let default = match view.intents.name(intent) {
        "discount_request" => "handle_discount_request",
        "payment_terms" => "explain_payment_terms",
        "pricing_comparison" => "compare_pricing",
        "budget_question" => "discuss_budget",
        _ => "answer_with_pricing",
    };
    let action = rule_of(view, intent).map_or(default, String::as_str);
    proposals.act(action, Priority::High, Origin::StateRule, "price_question_priority");
}

/// Answers any other question that the knowledge base is for.
fn fact_question(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let Some(intent) = view.understanding.intents().find(|id| view.intents.is_fact_question(*id)) else {
        return;
    };
    proposals.intent = intent;
    let name = view.intents.name(intent);
    let default = match name {
        "question_technical" => "answer_technical_question",
        "question_security" => "answer_security_question",
        "question_stability" => "answer_reliability_question",
        "question_support" => "explain_support_options",
        "question_training" => "explain_training_options",
        "question_implementation" => "explain_implementation_process",
        "question_mobile" => "explain_mobile_features",
        "comparison" => "compare_with_competitor",
        _ if name.starts_with("question_tis_") => "explain_tis_solution",
        _ if name.starts_with("question_fiscal_") => "explain_fiscal_requirements",
        _ if name.starts_with("question_analytics_") => "explain_analytics_features",
        _ => "answer_with_facts",
    };
    let action = rule_of(view, intent).map_or(default, String::as_str);
    proposals.act(action, Priority::High, Origin::StateRule, "fact_question_detected");
}

/// All required slots hold: the phase is done, in the same turn.
fn data_collector(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let state = view.state();
    // Who asks to go back is not moved on, even out of a phase of one turn.
    let goes_back = view.catalog.in_group(view.understanding.intent, "go_back")
        && !view.has_data()
        && !gobacks_spent(view);
    if state.is_final || state.required.is_empty() || !view.has_all_required() || goes_back {
        return;
    }
    if let Some(target) = state.data_complete.as_ref().and_then(|chain| pick(chain, view)) {
        proposals.go(*target, Priority::Normal, Origin::DataComplete, "data_complete");
    }
}

/// Stops arguing at the limit, or when a family that may close comes again after its attempts.
fn objection_limit(view: &View<'_>, proposals: &mut Proposals<'_>) {
    if view.objection_limit_reached() && view.is_objection() {
        proposals.act(
            "objection_limit_reached",
            Priority::Critical,
            Origin::Engine,
            "objection_limit_exceeded",
        );
        proposals.go(view.flow.soft_close, Priority::Critical, Origin::Engine, "objection_limit_exceeded");
    } else if let Some(family) = family_of(view.intents.name(view.understanding.intent))
        && view.options.rules.objection_handler
        && is_used_up(view, family)
    {
        proposals.act("soft_close", Priority::High, Origin::Engine, "objection_attempts_used_up");
        proposals.go(view.flow.soft_close, Priority::High, Origin::Engine, "objection_attempts_used_up");
    }
}

fn is_used_up(view: &View<'_>, family: &Family) -> bool {
    let attempts = view.memory.counters.objections.families.get(family.name).copied().unwrap_or(0);
    family.may_close && attempts > family.attempts
}

/// Brings the talk back from an objection to the phase it came from.
fn objection_return(view: &View<'_>, proposals: &mut Proposals<'_>) {
    if view.state().name != "handle_objection" {
        return;
    }
    let Some(saved) = view.before.counters.return_state.as_deref().and_then(|name| view.flow.id(name)) else {
        return;
    };
    let is_phase = view.flow.state(saved).phase.is_some();
    let intent = view.understanding.intent;
    // Thanks and a hello are manners, not a yes.
    let manners = ["gratitude", "greeting"].contains(&view.intents.name(intent));
    let returns = (view.intents.is_positive(intent) && !manners) || view.intents.is_question(intent);
    let objections = &view.memory.counters.objections;
    if returns && is_phase {
        proposals.go(saved, Priority::High, Origin::Engine, "objection_return_to_phase");
    } else if returns {
        proposals.go(view.flow.entry, Priority::Normal, Origin::Engine, "objection_return_to_entry_state");
    } else if view.is_objection()
        && is_phase
        && objections.consecutive >= view.options.limits.phase_origin_objection_escape
    {
        proposals.go(saved, Priority::High, Origin::Engine, "objection_phase_origin_escape");
    } else if view.is_objection()
        && !is_phase
        && (objections.consecutive >= 3 || objections.total + 1 >= view.options.limits.max_total_objections)
    {
        proposals.go(
            view.flow.entry,
            Priority::Normal,
            Origin::Engine,
            "objection_loop_escape_to_entry_state",
        );
    }
}

/// The state's own rule for the intent; without one the taxonomy's answer.
fn intent_processor(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let intent = view.understanding.intent;
    let name = view.intents.name(intent);
    if view.intents.is_price(intent) && view.options.rules.price_question {
        return;
    }
    if let Some(action) = rule_of(view, intent) {
        proposals.act(action, Priority::Normal, Origin::StateRule, format!("rule_{name}"));
        return;
    }
    if let Some(family) = family_of(name) {
        let action = format!("handle_objection_{}", family.name);
        proposals.act(action, Priority::Low, Origin::Engine, format!("taxonomy_fallback_{name}"));
        return;
    }
    let spec = view.intents.get(intent);
    if let Some(action) = &spec.fallback_action {
        proposals.act(action, Priority::Low, Origin::Engine, format!("taxonomy_fallback_{name}"));
    }
    let moves_on = spec.fallback_state.as_deref().filter(|_| transition_of(view, intent).is_none());
    if let Some(target) = moves_on.and_then(|name| view.flow.id(name))
        && target != view.state
    {
        proposals.go(target, Priority::Low, Origin::Engine, format!("taxonomy_transition_{name}"));
    }
}

/// No state holds a talk for ever.
fn stall_guard(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let state = view.state();
    if state.max_turns == 0 || view.speaks_for_itself() {
        return;
    }
    if transition_of(view, view.understanding.intent).is_some_and(|target| target != view.state) {
        return;
    }
    let turns = view.turns_in_state();
    let hard = turns >= state.max_turns;
    let soft = turns >= (state.max_turns - 1).max(3) && !view.has_data();
    if !hard && !soft {
        return;
    }
    let saved = view.before.counters.return_state.as_deref().and_then(|name| view.flow.id(name));
    let exit = if state.name == "handle_objection" { saved.or(state.stall_exit) } else { state.stall_exit };
    let Some(exit) = exit.or_else(|| view.flow.id("close")).filter(|exit| *exit != view.state) else {
        return;
    };
    let (priority, reason) = match hard {
        true => (Priority::High, "max_turns_in_state_exceeded"),
        false => (Priority::Normal, "stall_soft_progression"),
    };
    let action = match hard {
        true => format!("transition_to_{}", view.flow.state(exit).name),
        false => "continue_conversation".to_owned(),
    };
    proposals.act(action, priority, Origin::Engine, reason);
    proposals.go(exit, priority, Origin::Engine, reason);
}

/// Where the state sends this intent.
fn intent_transition(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let intent = view.understanding.intent;
    let name = view.intents.name(intent);
    let goes_back = view.catalog.in_group(intent, "go_back");
    if goes_back && (gobacks_spent(view) || view.has_data()) {
        return;
    }
    let Some(target) = transition_of(view, intent) else { return };
    let high = name == "rejection" || name == "farewell";
    let priority = if high { Priority::High } else { Priority::Normal };
    proposals.go(target, priority, Origin::IntentTransition, format!("intent_transition_{name}"));
}

/// A phone number or e-mail in the message is the goal of the talk, whatever else the message says.
fn contact(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let intent = view.understanding.intent;
    if !view.brings_contact()
        || view.intents.is(intent, "contact_provided")
        || view.intents.is_objection(intent)
    {
        return;
    }
    let refuses = view.intents.in_category(intent, "exit");
    let by_state = view.intents.id("contact_provided").and_then(|id| transition_of(view, id));
    if let Some(target) = by_state.filter(|_| !refuses) {
        proposals.go(target, Priority::High, Origin::Engine, "contact_in_message");
    }
}

/// Hands over to a person: on request, on sensitive topics, when we keep failing.
fn escalation(view: &View<'_>, proposals: &mut Proposals<'_>) {
    let options = &view.options.escalation;
    let intents = view.intents;
    let asked_for =
        |name: &str| intents.id(name).is_some_and(|id| view.understanding.intents().any(|own| own == id));
    let total = |name: &str| view.memory.total(name);
    let intent = intents.name(view.understanding.intent);
    let (reason, priority) = if asked_for("request_human")
        || (intent == "need_help" && total("need_help") >= 2)
    {
        ("explicit_request", Priority::Critical)
    } else if intents.in_category(view.understanding.intent, "sensitive") {
        ("sensitive_topic", Priority::Critical)
    } else if intents.in_category(view.understanding.intent, "frustration")
        && total("frustration_expression") + total("impatience_expression") >= options.frustration_threshold
    {
        ("frustration_threshold", Priority::High)
    } else if intent == "unclear" && total("unclear") >= options.misunderstanding_threshold {
        ("misunderstanding_threshold", Priority::High)
    } else if view.memory.number("company_size").is_some_and(|size| size >= options.high_value_company_size)
        && options.complex_intents.iter().any(|name| name == intent)
    {
        ("high_value_complex", Priority::High)
    } else {
        return;
    };
    if view.state().is_final {
        return;
    }
    let reason = format!("escalation_{reason}");
    proposals.act_alone("escalate_to_human", priority, reason.clone());
    let target = view.flow.entry_points.get("escalation").copied().unwrap_or(view.flow.escalated);
    proposals.go(target, priority, Origin::Engine, reason);
}
