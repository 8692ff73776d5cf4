//! The rules that propose. Each is a function of the view; none sees another's proposals. The order of
//! [`SOURCES`] breaks full ties.

use super::objection::{Family, family_of};
use super::{Move, Priority, Proposal, View};
use crate::flow::{Chain, Origin, StateId};
use crate::guard::Tier;
use crate::{IntentId, Options};

type Rule = fn(&View<'_>, &mut Proposals);

/// One knowledge source of the decision.
struct Source {
    name: &'static str,
    /// Whether it takes part, by the options its flag set at start-up.
    on: fn(&Options) -> bool,
    /// Acts on the intent of the message: silent while the client is asked what he meant.
    by_intent: bool,
    rule: Rule,
}

const fn source(name: &'static str, on: fn(&Options) -> bool, by_intent: bool, rule: Rule) -> Source {
    Source { name, on, by_intent, rule }
}

/// In tie-breaking order (dialogue reference, section 4); the contact in any message is ours.
static SOURCES: [Source; 16] = [
    source("GoBackGuardSource", always, true, go_back),
    source("ConversationGuardSource", |options| options.rules.multi_tier_fallback, false, conversation_guard),
    source("DisambiguationSource", |options| options.disambiguation.enabled, false, disambiguation),
    source("PriceQuestionSource", |options| options.rules.price_question, true, price_question),
    source("FactQuestionSource", always, true, fact_question),
    source("DataCollectorSource", always, false, data_collector),
    source("IntentPatternGuardSource", |options| options.rules.pattern_guard, true, pattern_guard),
    source("ObjectionGuardSource", always, true, objection_limit),
    source("ObjectionReturnSource", always, true, objection_return),
    source("IntentProcessorSource", always, true, intent_processor),
    source("AutonomousDecisionSource", always, true, autonomous),
    source("PhaseExhaustedSource", |options| options.rules.phase_exhausted, true, phase_exhausted),
    source("StallGuardSource", |options| options.rules.stall_guard, true, stall_guard),
    source("TransitionResolverSource", always, true, intent_transition),
    source("ContactSource", always, true, contact),
    source("EscalationSource", always, true, escalation),
];

/// Every source by name, in its order.
pub fn source_names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|source| source.name)
}

fn always(_: &Options) -> bool {
    true
}

pub(super) fn propose(view: &View<'_>) -> Vec<Proposal> {
    let mut proposals = Proposals { list: Vec::new(), source: "", intent: view.understanding.intent };
    let asks_back = !view.clarify.is_empty();
    for source in &SOURCES {
        let off = view.options.sources_off.iter().any(|name| name == source.name);
        if !off && (source.on)(view.options) && !(asks_back && source.by_intent) {
            proposals.source = source.name;
            proposals.intent = view.understanding.intent;
            (source.rule)(view, &mut proposals);
        }
    }
    proposals.list
}

struct Proposals {
    list: Vec<Proposal>,
    source: &'static str,
    intent: IntentId,
}

impl Proposals {
    fn add(
        &mut self,
        what: Move,
        priority: Priority,
        combinable: bool,
        origin: Origin,
        reason: impl Into<String>,
    ) {
        let (source, intent) = (self.source, self.intent);
        let reason = reason.into();
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
fn go_back(view: &View<'_>, proposals: &mut Proposals) {
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
fn conversation_guard(view: &View<'_>, proposals: &mut Proposals) {
    let Some(tier) = view.guard.filter(|_| view.clarify.is_empty()) else { return };
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

/// Two readings that are handled differently: the client is asked which he meant.
fn disambiguation(view: &View<'_>, proposals: &mut Proposals) {
    if !view.clarify.is_empty() {
        proposals.act_alone("ask_clarification", Priority::High, "disambiguation_needed");
    }
}

/// Answers a price question at once, in any state, main or in passing.
fn price_question(view: &View<'_>, proposals: &mut Proposals) {
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
fn fact_question(view: &View<'_>, proposals: &mut Proposals) {
    let narrowed = view.catalog.groups.get("fact_questions");
    let asked =
        |id: &IntentId| view.intents.is_fact_question(*id) && narrowed.is_none_or(|group| group.contains(id));
    let Some(intent) = view.understanding.intents().find(asked) else { return };
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
fn data_collector(view: &View<'_>, proposals: &mut Proposals) {
    let state = view.state();
    // Who asks to go back is not moved on, even out of a phase of one turn.
    let goes_back = view.catalog.in_group(view.understanding.intent, "go_back")
        && !view.has_data()
        && !gobacks_spent(view);
    // Where a model leads the talk, filled slots alone do not.
    let led = view.flow.autonomous && state.phase.is_some() && view.understanding.suggestion.is_some();
    if state.is_final || state.required.is_empty() || !view.has_all_required() || goes_back || led {
        return;
    }
    if let Some(target) = state.data_complete.as_ref().and_then(|chain| pick(chain, view)) {
        proposals.go(*target, Priority::Normal, Origin::DataComplete, "data_complete");
    }
}

/// The same kind of intent again and again: a gentle push on, or in the close the answer and the number.
fn pattern_guard(view: &View<'_>, proposals: &mut Proposals) {
    let intent = view.understanding.intent;
    for pattern in view.catalog.patterns.iter().filter(|pattern| pattern.intents.contains(&intent)) {
        let persona = view.memory.text("persona").unwrap_or("default");
        let Some(&(streak, total)) = pattern.limits.get(persona).or_else(|| pattern.limits.get("default"))
        else {
            continue;
        };
        let in_a_row = view.streak_of(|id| pattern.intents.contains(&id));
        let in_all = view.total_of(|id| pattern.intents.contains(&id));
        if in_a_row < streak && in_all < total {
            continue;
        }
        let action = if view.state().name == "close" { "close_answer_and_collect" } else { "nudge_progress" };
        let priority = if in_a_row >= streak * 2 { Priority::High } else { Priority::Normal };
        proposals.act(action, priority, Origin::Engine, format!("intent_pattern_{}", pattern.name));
    }
}

/// Stops arguing at the limit, or when a family that may close comes again after its attempts.
fn objection_limit(view: &View<'_>, proposals: &mut Proposals) {
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
fn objection_return(view: &View<'_>, proposals: &mut Proposals) {
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
    } else if view.is_objection() && !is_phase {
        let (_, in_all) = view.objection_limits();
        let reason = if objections.consecutive >= 3 {
            "objection_loop_escape_to_entry_state"
        } else if objections.total + 1 >= in_all {
            "objection_total_escape_to_entry_state"
        } else {
            return;
        };
        proposals.go(view.flow.entry, Priority::Normal, Origin::Engine, reason);
    }
}

/// The state's own rule for the intent; without one the taxonomy's answer.
fn intent_processor(view: &View<'_>, proposals: &mut Proposals) {
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
    // A talk that was won or handed over is not reopened by what a client adds.
    let open = !view.state().is_final && transition_of(view, intent).is_none();
    let moves_on = spec.fallback_state.as_deref().filter(|_| open);
    if let Some(target) = moves_on.and_then(|name| view.flow.id(name))
        && target != view.state
    {
        proposals.go(target, Priority::Low, Origin::Engine, format!("taxonomy_transition_{name}"));
    }
}

/// What a language model suggested for an autonomous flow, within its bounds: its own stages, the close, the
/// soft close; never a win, never a hand-over.
fn autonomous(view: &View<'_>, proposals: &mut Proposals) {
    if !view.flow.autonomous || view.state().phase.is_none() {
        return;
    }
    let Some(suggestion) = &view.understanding.suggestion else {
        // Nobody suggests: the stage's own rules speak, and data moves it.
        return;
    };
    let act = |proposals: &mut Proposals, reason: &str| {
        proposals.act("autonomous_respond", Priority::Normal, Origin::Engine, reason);
    };
    let Some(name) = suggestion.next_state.as_deref() else {
        let reason = if suggestion.failed { "autonomous_llm_fallback" } else { "autonomous_action" };
        return act(proposals, reason);
    };
    let target = view.flow.id(name).filter(|id| {
        view.flow.state(*id).phase.is_some()
            || ["close", "soft_close"].contains(&view.flow.state(*id).name.as_str())
    });
    let Some(target) = target else { return act(proposals, "autonomous_invalid_target") };
    let last = ["close", "soft_close"].contains(&view.flow.state(target).name.as_str());
    let missing = |slot: &String| !view.memory.has(slot);
    if last && view.state().terminal_requirements.iter().any(missing) {
        return act(proposals, "autonomous_requirements_missing");
    }
    let backwards = view.flow.order(target) < view.flow.order(view.state) && !last;
    if backwards && gobacks_spent(view) {
        return act(proposals, "autonomous_go_back_limit");
    }
    act(proposals, "autonomous_action");
    if target != view.state {
        let reason = if backwards { "autonomous_transition_back" } else { "autonomous_transition" };
        proposals.go(target, Priority::Normal, Origin::Engine, reason);
    }
}

/// Turns without facts in a state from which the stall guard leads on softly.
fn soft_stall(max_turns: u32) -> u32 {
    max_turns.saturating_sub(1).max(3)
}

/// A phase that yields nothing: a menu, once the client has nothing of his own to say.
fn phase_exhausted(view: &View<'_>, proposals: &mut Proposals) {
    let state = view.state();
    let turns = view.turns_in_state();
    let due = state.max_turns > 0 && (state.options_from_turn..soft_stall(state.max_turns)).contains(&turns);
    let leads_on = transition_of(view, view.understanding.intent).is_some_and(|target| target != view.state);
    // An annoyed client gets no menu.
    let calm = !view.is_frustrated(view.options.frustration.elevated);
    if due && calm && !view.is_progressing() && !view.has_data() && view.says_nothing() && !leads_on {
        proposals.act("offer_options", Priority::Normal, Origin::Engine, "phase_exhausted_options");
    }
}

/// No state holds a talk for ever.
fn stall_guard(view: &View<'_>, proposals: &mut Proposals) {
    let state = view.state();
    if state.max_turns == 0 || view.speaks_for_itself() {
        return;
    }
    if transition_of(view, view.understanding.intent).is_some_and(|target| target != view.state) {
        return;
    }
    let turns = view.turns_in_state();
    let hard = turns >= state.max_turns;
    let soft = turns >= soft_stall(state.max_turns) && !view.is_progressing() && !view.has_data();
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
    if view.options.rules.stall_guard_acts {
        proposals.act(action, priority, Origin::Engine, reason);
    }
    proposals.go(exit, priority, Origin::Engine, reason);
}

/// Where the state sends this intent.
fn intent_transition(view: &View<'_>, proposals: &mut Proposals) {
    let intent = view.understanding.intent;
    let name = view.intents.name(intent);
    let goes_back = view.catalog.in_group(intent, "go_back");
    if goes_back && (gobacks_spent(view) || view.has_data()) {
        return;
    }
    // Without the switch the greeting keeps who comes with trouble; a hand-over row leads him on at once.
    let safe = view.options.rules.greeting_safety || view.state().name != crate::state::START;
    if !safe && view.catalog.in_group(intent, "greeting_redirect") {
        return;
    }
    let Some(mut target) = transition_of(view, intent) else { return };
    let saved = view.before.counters.return_state.as_deref().and_then(|name| view.flow.id(name));
    if let Some(saved) = saved.filter(|_| goes_back && view.state().name == "handle_objection") {
        // Back from an objection is where the talk was when it came.
        target = saved;
    }
    // "Stay" does not hold a phase that is complete.
    if target == view.state && !view.state().required.is_empty() && view.has_all_required() {
        return;
    }
    let high =
        ["rejection", "hard_no", "end_conversation", "explicit_close_request", "farewell"].contains(&name);
    let priority = if high { Priority::High } else { Priority::Normal };
    proposals.go(target, priority, Origin::IntentTransition, format!("intent_transition_{name}"));
}

/// A phone number or e-mail in the message is the goal of the talk, whatever else the message says.
fn contact(view: &View<'_>, proposals: &mut Proposals) {
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
        proposals.act("collect_contact", Priority::High, Origin::Engine, "contact_in_message");
        proposals.go(target, Priority::High, Origin::Engine, "contact_in_message");
    }
}

/// Hands over to a person: on request, on sensitive topics, when we keep failing.
fn escalation(view: &View<'_>, proposals: &mut Proposals) {
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
