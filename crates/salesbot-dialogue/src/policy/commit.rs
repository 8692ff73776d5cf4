//! Writing the decision into memory. Everything a later turn needs is here, each fact once.

use super::Decision;
use crate::flow::Flow;
use crate::options::Options;
use crate::score;
use crate::state::{DialogueState, KEPT_TURNS, keep_last, percent};
use crate::window::{TurnType, WINDOW, momentum, turn_type};
use crate::{Catalog, Exchange, Turn, Understanding};

/// What the reply adds to memory; made by `salesbot-engine::nlg`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyMemory {
    pub text: String,
    pub asked: Option<crate::Asked>,
    pub greeted: bool,
    pub apologised: bool,
    pub text_ids: Vec<String>,
    pub sections: Vec<String>,
    /// Kind of the call to action the reply ends with.
    pub cta: Option<String>,
}

/// The snapshot after the turn.
pub fn commit(
    turn: &Turn<'_>,
    understanding: &Understanding,
    decision: &Decision,
    reply: &ReplyMemory,
    catalog: &Catalog,
    options: &Options,
) -> DialogueState {
    let (flow, intents) = (turn.flow, &catalog.intents);
    let mut memory = decision.memory.clone();
    let from = flow.id(&turn.state.state).unwrap_or(flow.start);
    let moved = from != decision.next;
    let next = flow.state(decision.next);
    move_state(&mut memory, flow, turn, decision);
    count_guard(&mut memory, decision, moved);
    if moved || !understanding.slots.is_empty() {
        memory.counters.guard.last_progress_turn = memory.counters.turn;
    }
    if options.lead_scoring.enabled {
        score::apply(&mut memory, &decision.signals, &options.lead_scoring);
    }
    remember_episodes(&mut memory, turn, understanding, decision, catalog);
    memory.tone.frustration = understanding.tone.frustration;
    memory.tone.negative_turns =
        if understanding.tone.tone.is_negative() { memory.tone.negative_turns.saturating_add(1) } else { 0 };
    memory.tone.last = understanding.tone.tone.name().to_owned();
    memory.asked.clone_from(&reply.asked);
    let said = &mut memory.said;
    said.greeted |= reply.greeted;
    if reply.apologised {
        said.apologised = memory.counters.turn;
    }
    said.texts.extend(reply.text_ids.iter().cloned());
    keep_last(&mut said.texts, crate::state::KEPT_ITEMS);
    said.sections.extend(reply.sections.iter().cloned());
    keep_last(&mut said.sections, 8);
    said.ctas += u32::from(reply.cta.is_some());
    if let Some(kind) = turn.state.said.cta.clone()
        && ["rejection", "no_need", "objection_no_need"].contains(&intents.name(understanding.intent))
        && !said.ctas_refused.contains(&kind)
    {
        said.ctas_refused.push(kind);
    }
    said.cta.clone_from(&reply.cta);
    // Who refuses is not asked for a phone later; a phone given freely is always taken.
    let name = intents.name(understanding.intent);
    let at_contact = turn.state.asked.as_ref().is_some_and(|asked| asked.kind == "contact");
    said.contact_refused |= name == "rejection" || name == "data_deletion" || at_contact && name == "no_need";
    memory.turns.push(Exchange {
        user: turn.message.to_owned(),
        bot: reply.text.clone(),
        intent: if decision.clarify.is_empty() {
            intents.name(understanding.intent).to_owned()
        } else {
            super::clarify::INTENT.to_owned()
        },
        action: decision.action.clone(),
        state: flow.state(from).name.clone(),
        next: next.name.clone(),
        confidence: percent(f64::from(understanding.confidence)),
        has_data: !understanding.slots.is_empty(),
        asked: reply.asked.is_some(),
    });
    keep_last(&mut memory.turns, KEPT_TURNS);
    memory.revision += 1;
    memory
}

fn move_state(memory: &mut DialogueState, flow: &Flow, turn: &Turn<'_>, decision: &Decision) {
    let from = flow.id(&turn.state.state).unwrap_or(flow.start);
    let counters = &mut memory.counters;
    counters.finished = decision.is_final;
    if from == decision.next {
        counters.turns_in_state += 1;
        return;
    }
    counters.turns_in_state = 0;
    let next = flow.state(decision.next);
    if next.name == "handle_objection" {
        counters.return_state.get_or_insert_with(|| flow.state(from).name.clone());
    } else if flow.state(from).name == "handle_objection" && counters.objections.consecutive == 0 {
        counters.return_state = None;
    }
    let back = ["go_back_allowed", "autonomous_transition_back"];
    if decision.reasons.iter().any(|reason| back.contains(&reason.as_str())) {
        counters.gobacks += 1;
        for flag in &flow.state(from).on_enter_flags {
            memory.slots.remove(flag);
        }
    }
    for flag in &next.on_enter_flags {
        memory.slots.insert(flag.clone(), true.into());
    }
    if decision.reasons.iter().any(|reason| reason == "objection_limit_exceeded") {
        memory.slots.insert("_objection_limit_final".to_owned(), true.into());
    }
    memory.state.clone_from(&next.name);
}

fn count_guard(memory: &mut DialogueState, decision: &Decision, moved: bool) {
    let counters = &mut memory.counters;
    if let Some(tier) = decision.fallback_tier {
        counters.fallbacks += 1;
        *counters.tiers.entry(tier.to_owned()).or_default() += 1;
    }
    let menu = decision.fallback_tier == Some("fallback_tier_2") && !moved;
    counters.tier_2_streak = if menu { counters.tier_2_streak + 1 } else { 0 };
}

/// The events of the talk worth keeping, each with its turn.
fn remember_episodes(
    memory: &mut DialogueState,
    turn: &Turn<'_>,
    understanding: &Understanding,
    decision: &Decision,
    catalog: &Catalog,
) {
    let flow = turn.flow;
    let from = flow.id(&turn.state.state).unwrap_or(flow.start);
    let delta = flow.order(decision.next) - flow.order(from);
    let shape = turn_type(understanding.intent, delta, catalog);
    let had = |kind: &str| turn.state.episodes.iter().any(|episode| episode.kind == kind);
    if let Some((family, attempt)) = decision.objection {
        if !had("first_objection") {
            memory.remember("first_objection", family);
        } else if attempt > 1 {
            memory.remember("repeated_objection", &format!("{family} ×{attempt}"));
        }
    }
    if shape == TurnType::Progress && had("first_objection") && !had("breakthrough") {
        memory.remember("breakthrough", catalog.intents.name(understanding.intent));
    }
    let (was, is) = (momentum_before(turn, catalog), decision.window.momentum);
    if was.abs() > TURNING && is.abs() > TURNING && (was > 0.0) != (is > 0.0) {
        memory.remember("turning_point", decision.window.direction());
    }
    for fill in understanding.slots.iter().filter(|fill| !turn.state.has(&fill.slot)) {
        match fill.slot.as_str() {
            "pain_point" => memory.remember("pain_point", "pain_point"),
            slot if super::MEANINGFUL.contains(&slot) => memory.remember("data_revealed", slot),
            _ => {}
        }
    }
    if flow.state(decision.next).name == "success" && decision.next != from {
        memory.remember("successful_close", &flow.name);
    }
    if let Some(suggestion) = understanding.suggestion.as_ref().filter(|_| flow.autonomous) {
        let target = suggestion.next_state.as_deref().unwrap_or("stay");
        let reason = decision.reasons.iter().find(|reason| reason.starts_with("autonomous_"));
        let reason = reason.map_or("outranked", String::as_str);
        memory.remember(STAGE, &format!("{} → {target}: {reason}", flow.state(from).name));
        let stages = memory.episodes.iter().filter(|episode| episode.kind == STAGE).count();
        let mut over = stages.saturating_sub(KEPT_STAGES);
        memory.episodes.retain(|episode| {
            let drop = over > 0 && episode.kind == STAGE;
            over -= usize::from(drop);
            !drop
        });
    }
    if let Some(last) = turn.state.turns.last() {
        let outcome = memory.counters.actions.entry(last.action.clone()).or_default();
        match shape {
            TurnType::Progress => outcome.0 += 1,
            TurnType::Regress => outcome.1 += 1,
            _ => {}
        }
    }
    memory.counters.actions.retain(|_, (on, back)| *on + *back > 0);
}

/// Momentum on both sides of a turning point.
const TURNING: f64 = 0.2;
/// A stage decision of an autonomous flow.
const STAGE: &str = "stage";
/// Stage decisions kept.
const KEPT_STAGES: usize = 10;

/// The momentum as it stood when the last message came.
fn momentum_before(turn: &Turn<'_>, catalog: &Catalog) -> f64 {
    let past = &turn.state.turns[turn.state.turns.len().saturating_sub(WINDOW)..];
    let types = past.iter().filter_map(|past| {
        let order = |name: &str| turn.flow.id(name).map(|id| turn.flow.order(id));
        let delta = order(&past.next).zip(order(&past.state)).map_or(0, |(next, from)| next - from);
        Some(turn_type(catalog.intents.id(&past.intent)?, delta, catalog))
    });
    momentum(types)
}
