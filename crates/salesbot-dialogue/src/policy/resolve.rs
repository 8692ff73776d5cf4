//! Which proposal wins: by (priority, rank, order). One place, nothing after it.

use super::{Decision, Merge, Move, Priority, Proposal, View, directives, overlay};
use crate::flow::{Goal, Kind, Origin, RankRule, StateId};

/// A proposal no row of `priorities` matches.
const NO_RANK: u32 = 10_000;
/// What the bot does when nobody proposes an action.
const DEFAULT_ACTION: &str = "continue_current_goal";
/// Skipped phases in one turn: more than any flow has in a row.
const MAX_SKIPS: usize = 8;

pub(super) fn resolve(view: &View<'_>, mut proposals: Vec<Proposal>) -> Decision {
    for proposal in &mut proposals {
        proposal.rank = rank(view, proposal);
    }
    let action = best(&proposals, |proposal| proposal.kind() == Kind::Action);
    let alone = action.filter(|at| !proposals[*at].combinable);
    let transition = best(&proposals, |proposal| {
        proposal.kind() == Kind::Transition
            && alone.is_none_or(|at| {
                proposals[at].source == proposal.source && proposals[at].reason == proposal.reason
            })
    });
    let merge = match (action, transition) {
        (Some(_), Some(_)) => Merge::Merged,
        (Some(_), None) if alone.is_some() => Merge::Blocked,
        (Some(_), None) => Merge::ActionOnly,
        (None, Some(_)) => Merge::TransitionOnly,
        (None, None) => Merge::NoProposals,
    };
    let mut reasons = Vec::new();
    for at in [action, transition].into_iter().flatten() {
        proposals[at].won = true;
        if !reasons.contains(&proposals[at].reason) {
            reasons.push(proposals[at].reason.clone());
        }
    }
    let mut next = match transition.map(|at| &proposals[at].what) {
        Some(Move::Go(target)) => *target,
        _ => view.state,
    };
    if transition.is_none()
        && alone.is_none()
        && let Some(target) = view.state().any.as_ref().and_then(|chain| chain.default)
    {
        next = target;
        reasons.push("fallback_any_transition".to_owned());
    }
    if view.flow.state(next).name == "success"
        && view.flow.goal == Goal::Contact
        && !view.memory.contact().valid
    {
        // A sale is not won without a way to reach the client.
        next = view.flow.id("close").unwrap_or(view.state);
        reasons.push("contact_missing".to_owned());
    }
    let mut visited = vec![view.state];
    next = skip_phases(view, next, &mut visited, &mut reasons);
    if !reasons.iter().any(|reason| reason == "go_back_allowed") {
        next = pass_complete(view, next, &mut visited, &mut reasons);
    }
    if next != view.state {
        visited.push(next);
    }
    let entered = view.flow.state(next);
    let requested = match action.map(|at| &proposals[at].what) {
        Some(Move::Act(name)) => name.clone(),
        _ => DEFAULT_ACTION.to_owned(),
    };
    let moved = next != view.state;
    let verdict = overlay::weigh(view, &requested, next);
    let mut chosen = requested.clone();
    if let Some(instead) = verdict.action.filter(|_| !view.options.rules.overlays_in_shadow) {
        overrule(view, instead, verdict.reason, &mut proposals, &mut reasons);
        instead.clone_into(&mut chosen);
    }
    chosen = match (&entered.on_enter, chosen.as_str()) {
        (Some(on_enter), _) if moved => on_enter.clone(),
        // A menu belongs to the state it was offered in.
        (_, "offer_options") if moved => "continue_conversation".to_owned(),
        (_, "guard_skip_phase") if moved && view.options.rules.skip_speaks_for_state => {
            "continue_conversation".to_owned()
        }
        _ => chosen,
    };
    let tier = tier_of(&requested);
    let ends = ["objection_limit_exceeded", "conversation_guard_soft_close"];
    let ended = reasons.iter().any(|reason| ends.contains(&reason.as_str()));
    Decision {
        fallback_tier: tier,
        action: chosen,
        requested,
        overlay: verdict,
        window: crate::window::Window::blank(),
        directives: directives::Directives::default(),
        cta: Err("no_cta_available"),
        clarify: Vec::new(),
        menu: None,
        next,
        visited,
        is_final: entered.is_final || ended || (view.before.counters.finished && next == view.state),
        reasons,
        proposals,
        merge,
        objection: None,
        signals: Vec::new(),
        memory: view.memory.clone(),
    }
}

/// Enters the overlay's action among the proposals, in place of the winner.
fn overrule(
    view: &View<'_>,
    action: &str,
    reason: Option<&str>,
    proposals: &mut Vec<Proposal>,
    reasons: &mut Vec<String>,
) {
    let reason = reason.unwrap_or("policy").to_owned();
    for proposal in proposals.iter_mut().filter(|proposal| proposal.kind() == Kind::Action) {
        if proposal.won {
            reasons.retain(|known| *known != proposal.reason);
            proposal.won = false;
        }
    }
    reasons.insert(0, reason.clone());
    proposals.push(Proposal {
        source: "PolicyOverlay",
        what: Move::Act(action.to_owned()),
        priority: Priority::Low,
        rank: NO_RANK,
        combinable: true,
        reason,
        origin: Origin::Engine,
        intent: view.understanding.intent,
        won: true,
    });
}

fn best(proposals: &[Proposal], wanted: impl Fn(&Proposal) -> bool) -> Option<usize> {
    (0..proposals.len())
        .filter(|at| wanted(&proposals[*at]))
        .min_by_key(|at| (proposals[*at].priority, proposals[*at].rank, *at))
}

fn tier_of(action: &str) -> Option<&'static str> {
    match action {
        "guard_rephrase" => Some("fallback_tier_1"),
        "guard_offer_options" => Some("fallback_tier_2"),
        "guard_skip_phase" => Some("fallback_tier_3"),
        "guard_soft_close" => Some("soft_close"),
        _ => None,
    }
}

fn rank(view: &View<'_>, proposal: &Proposal) -> u32 {
    let ranks =
        view.flow.priorities.iter().filter(|rule| matches(view, rule, proposal)).map(|rule| rule.rank);
    ranks.min().unwrap_or(NO_RANK)
}

fn matches(view: &View<'_>, rule: &RankRule, proposal: &Proposal) -> bool {
    let intent = view.understanding.intent;
    let on = rule.flag.as_deref().is_none_or(|flag| flag != "circular_flow" || view.options.circular_flow);
    let action = match &proposal.what {
        Move::Act(name) => Some(name),
        Move::Go(_) => None,
    };
    on && rule.kind.is_none_or(|kind| kind == proposal.kind())
        && rule.from.is_none_or(|from| from == proposal.origin)
        && rule.intents.as_ref().is_none_or(|intents| intents.contains(&intent))
        && (!rule.question || view.intents.is_question(intent))
        && (!rule.progress || view.flow.progress_intents.contains(&intent))
        && rule.action.as_ref().is_none_or(|wanted| action == Some(wanted))
        && rule.when.as_ref().is_none_or(|condition| condition.holds(view))
}

/// Leaving a phase forwards, phases whose skip condition holds are passed over.
fn skip_phases(
    view: &View<'_>,
    from: StateId,
    visited: &mut Vec<StateId>,
    reasons: &mut Vec<String>,
) -> StateId {
    let mut next = from;
    if view.state().phase.is_none() || from == view.state {
        return next;
    }
    let temperature = view.memory.text("lead_temperature").filter(|_| view.options.lead_scoring.enabled);
    for _ in 0..MAX_SKIPS {
        let state = view.flow.state(next);
        let conditions = state.phase.as_ref().and_then(|phase| view.flow.skip_conditions.get(phase));
        let by_condition = conditions.is_some_and(|list| list.iter().any(|condition| condition.holds(view)));
        let skipped = temperature.and_then(|name| view.flow.skip_phases.get(name));
        let by_lead = skipped.zip(state.phase.as_ref()).is_some_and(|(list, phase)| list.contains(phase));
        let skippable = view.flow.order(next) > view.flow.order(view.state) && (by_condition || by_lead);
        let Some(after) = state.next.filter(|_| skippable) else { break };
        visited.push(next);
        reasons.push(format!("phase_skipped_{}", state.name));
        next = after;
    }
    next
}

/// A phase entered with all its data already known asks nothing new: the talk goes on to the next one in the
/// same turn. From the greeting the entry phase is passed only when its optional facts are known too.
fn pass_complete(
    view: &View<'_>,
    from: StateId,
    visited: &mut Vec<StateId>,
    reasons: &mut Vec<String>,
) -> StateId {
    let mut next = from;
    let greeted = view.state().name == crate::state::START;
    for _ in 0..MAX_SKIPS {
        let state = view.flow.state(next);
        let has = |slot: &String| view.memory.has(slot);
        let complete = state.required.iter().all(has) && (!greeted || state.optional.iter().all(has));
        let entered = next != view.state && state.phase.is_some() && !state.required.is_empty();
        let onward = state.data_complete.as_ref().and_then(|chain| chain.default);
        let Some(after) = onward.filter(|_| entered && complete) else { break };
        visited.push(next);
        reasons.push(format!("phase_complete_{}", state.name));
        next = after;
    }
    next
}
