//! Writing the decision into memory. Everything a later turn needs is here, each fact once.

use super::Decision;
use crate::flow::Flow;
use crate::options::Options;
use crate::score;
use crate::state::{DialogueState, KEPT_TURNS, keep_last, percent};
use crate::{Exchange, Turn, Understanding};

/// What the reply adds to memory; made by `salesbot-engine::nlg`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyMemory {
    pub text: String,
    pub asked: Option<crate::Asked>,
    pub greeted: bool,
    pub apologised: bool,
    pub text_ids: Vec<String>,
    pub sections: Vec<String>,
    pub cta: bool,
}

/// The snapshot after the turn.
pub fn commit(
    turn: &Turn<'_>,
    understanding: &Understanding,
    decision: &Decision,
    reply: &ReplyMemory,
    intents: &crate::IntentCatalog,
    options: &Options,
) -> DialogueState {
    let flow = turn.flow;
    let mut memory = decision.memory.clone();
    let from = flow.id(&turn.state.state).unwrap_or(flow.start);
    let moved = from != decision.next;
    let next = flow.state(decision.next);
    move_state(&mut memory, flow, turn, decision);
    count_guard(&mut memory, decision, moved || !understanding.slots.is_empty());
    if options.lead_scoring.enabled {
        score::apply(&mut memory, &decision.signals, &options.lead_scoring);
    }
    remember_episodes(&mut memory, understanding, decision);
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
    said.ctas += u32::from(reply.cta);
    // Who refuses is not asked for a phone later; a phone given freely is always taken.
    let name = intents.name(understanding.intent);
    let at_contact = turn.state.asked.as_ref().is_some_and(|asked| asked.kind == "contact");
    said.contact_refused |= name == "rejection" || name == "data_deletion" || at_contact && name == "no_need";
    memory.turns.push(Exchange {
        user: turn.message.to_owned(),
        bot: reply.text.clone(),
        intent: intents.name(understanding.intent).to_owned(),
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
    let backwards = decision.reasons.iter().any(|reason| reason == "go_back_allowed");
    if backwards {
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

fn count_guard(memory: &mut DialogueState, decision: &Decision, progress: bool) {
    let counters = &mut memory.counters;
    if progress {
        counters.guard.last_progress_turn = counters.turn;
    }
    if decision.fallback_tier.is_some() {
        counters.fallbacks += 1;
    }
    counters.tier_2_streak =
        if decision.fallback_tier == Some("fallback_tier_2") { counters.tier_2_streak + 1 } else { 0 };
}

fn remember_episodes(memory: &mut DialogueState, understanding: &Understanding, decision: &Decision) {
    if let Some((family, attempt)) = decision.objection {
        memory.remember(if attempt > 1 { "repeated_objection" } else { "objection" }, family);
    }
    if understanding.slot("pain_point").is_some() {
        memory.remember("pain_point", "pain_point");
    }
    if understanding.slot("contact_info").is_some() {
        memory.remember("contact", "contact_info");
    }
}
