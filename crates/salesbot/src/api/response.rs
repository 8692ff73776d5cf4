//! The response: the contract's fields in their order, the snapshot, and the trace of the turn.

use serde_json::{Map, Value, json};

use salesbot_dialogue::policy::Move;
use salesbot_dialogue::{DialogueState, score, snapshot};
use salesbot_engine::{Engine, Outcome};

use super::{Door, Notes, Request, Trace};

/// Times of the turn; in the trace and `meta` only, never in the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub total_ms: f64,
}

#[expect(clippy::too_many_arguments, reason = "everything a response shows, borrowed once")]
pub(super) fn render(
    engine: &Engine,
    door: &Door,
    request: &Request,
    before: &DialogueState,
    outcome: &Outcome,
    after: &DialogueState,
    notes: &Notes,
    request_id: &str,
    now: i64,
    measured: Measured,
) -> Value {
    let intents = &engine.catalog.intents;
    let flow = engine
        .catalog
        .flow(&after.flow)
        .or_else(|| engine.catalog.flows().next())
        .expect("a loaded catalog has a flow");
    let decision = &outcome.decision;
    let understanding = &outcome.understanding;
    let next = flow.state(decision.next);
    let scoring = &engine.options.dialogue.lead_scoring;
    let options = after.asked.as_ref().map(|asked| &asked.options).filter(|options| !options.is_empty());
    let intent = if decision.action == "guard_soft_close" {
        "fallback_close"
    } else if !decision.clarify.is_empty() {
        salesbot_dialogue::policy::clarify::INTENT
    } else {
        intents.name(understanding.intent)
    };
    let tone_on = engine.options.nlu.tone;
    let visited: Vec<&str> = decision.visited.iter().map(|id| flow.state(*id).name.as_str()).collect();
    let sources: Vec<Value> = outcome
        .reply
        .sentences
        .iter()
        .enumerate()
        .filter_map(|(at, sentence)| Some(json!({"section": sentence.section.as_ref()?, "sentence": at})))
        .collect();
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    put("response", json!(outcome.reply.text));
    put("intent", json!(intent));
    put("action", json!(decision.action));
    put("state", json!(next.name));
    put("is_final", json!(decision.is_final));
    put("spin_phase", json!(next.shown_phase()));
    put("visited_states", json!(visited));
    put("initial_state", json!(before.state));
    put("fallback_used", json!(decision.fallback_tier.is_some()));
    put("fallback_tier", json!(decision.fallback_tier));
    put("tone", if tone_on { json!(understanding.tone.tone.name()) } else { Value::Null });
    put("frustration_level", json!(understanding.tone.frustration));
    put("lead_score", if scoring.enabled { json!(score::shown(after.lead.score)) } else { Value::Null });
    put("objection_detected", json!(decision.objection.is_some()));
    put(
        "options",
        json!(options.map(|options| options.iter().map(|option| option.label.as_str()).collect::<Vec<_>>())),
    );
    let cta = outcome.reply.cta.as_ref();
    put("cta_added", json!(cta.is_ok()));
    put("cta_text", json!(cta.ok().map(|cta| &cta.line.text)));
    put("decision_trace", trace(engine, request, before, outcome, after, now, measured));
    put("snapshot", snapshot::save(after));
    put("confidence", json!(round(understanding.confidence)));
    put(
        "lead_temperature",
        if scoring.enabled { json!(score::temperature(after.lead.score, scoring)) } else { Value::Null },
    );
    put("collected_data", collected(after));
    put("reason_codes", json!(decision.reasons));
    put("resolution_trace", resolution(outcome, flow));
    put("sources", json!(sources));
    put("writer", json!("embedded"));
    put("degraded", json!(false));
    put("degraded_reasons", json!([]));
    if let Some(options) = options {
        let detail: Vec<Value> = options
            .iter()
            .enumerate()
            .map(|(at, option)| json!({"index": at + 1, "label": option.label, "intent": option.intent}))
            .collect();
        put("options_detail", json!(detail));
    }
    put("meta", meta(door, request, after, notes, outcome, request_id, measured));
    Value::Object(body)
}

fn meta(
    door: &Door,
    request: &Request,
    after: &DialogueState,
    notes: &Notes,
    outcome: &Outcome,
    request_id: &str,
    measured: Measured,
) -> Value {
    let mut meta = json!({
        "request_id": request_id,
        "model": door.model,
        "processing_ms": hundredths(measured.total_ms),
        "flow_name": after.flow,
        "config_name": after.config,
        "shape": request.shape,
        "kb_used": !outcome.reply.memory.sections.is_empty(),
    });
    if let Some(reason) = notes.snapshot_ignored {
        meta["snapshot_ignored"] = json!(reason);
    }
    if notes.flow_name_ignored {
        meta["flow_name_ignored"] = json!(true);
    }
    if let Some((from, to)) = &notes.flow_switched {
        meta["flow_switched"] = json!({"from": from, "to": to});
    }
    if request.config_fallback {
        meta["config_fallback"] = json!(true);
    }
    if !notes.warnings.is_empty() {
        meta["warnings"] = json!(notes.warnings);
    }
    meta
}

/// Facts about the client, without the engine's own flags; the contact is the number or the address.
fn collected(state: &DialogueState) -> Value {
    let public = state.slots.iter().filter(|(name, _)| !name.starts_with('_'));
    let mut data: Map<String, Value> = public.map(|(name, value)| (name.clone(), value.clone())).collect();
    if data.contains_key("contact_info") {
        data.insert("contact_info".to_owned(), json!(state.contact()));
    }
    Value::Object(data)
}

fn resolution(outcome: &Outcome, flow: &salesbot_dialogue::Flow) -> Value {
    let decision = &outcome.decision;
    let named = |what: &Move| match what {
        Move::Act(action) => ("action", action.clone()),
        Move::Go(state) => ("transition", flow.state(*state).name.clone()),
    };
    let mut sorted: Vec<_> = decision.proposals.iter().collect();
    sorted.sort_by_key(|proposal| (proposal.priority, proposal.rank));
    let ranking = |kind: &str| -> Vec<Value> {
        let own = sorted.iter().filter(|proposal| named(&proposal.what).0 == kind);
        own.map(|proposal| json!([named(&proposal.what).1, proposal.priority.name(), proposal.source]))
            .collect()
    };
    let winner = |kind: &str| {
        decision
            .proposals
            .iter()
            .find(|proposal| proposal.won && named(&proposal.what).0 == kind)
            .map(|proposal| named(&proposal.what).1)
    };
    let (actions, transitions) = (ranking("action"), ranking("transition"));
    json!({
        "action_proposals_count": actions.len(),
        "transition_proposals_count": transitions.len(),
        "action_ranking": actions,
        "transition_ranking": transitions,
        "winning_action": winner("action").unwrap_or_else(|| decision.action.clone()),
        "winning_transition": winner("transition"),
        "merge_decision": decision.merge.name(),
        "blocking_reason": (decision.merge == salesbot_dialogue::Merge::Blocked).then(|| decision.reasons.first()).flatten(),
        "proposals": decision.proposals.iter().map(|proposal| {
            let (kind, value) = named(&proposal.what);
            json!({"source": proposal.source, "kind": kind, "value": value, "priority": proposal.priority.name(), "rank": proposal.rank,
                "combinable": proposal.combinable, "reason": proposal.reason, "won": proposal.won})
        }).collect::<Vec<_>>(),
    })
}

fn trace(
    engine: &Engine,
    request: &Request,
    before: &DialogueState,
    outcome: &Outcome,
    after: &DialogueState,
    now: i64,
    measured: Measured,
) -> Value {
    match request.trace {
        Trace::None => json!({}),
        Trace::Compact => compact(engine, before, outcome, after, measured),
        Trace::Full => full(engine, request, before, outcome, after, now, measured),
    }
}

fn compact(
    engine: &Engine,
    before: &DialogueState,
    outcome: &Outcome,
    after: &DialogueState,
    measured: Measured,
) -> Value {
    let intents = &engine.catalog.intents;
    let understanding = &outcome.understanding;
    let top: Vec<&str> =
        understanding.candidates.iter().take(3).map(|candidate| intents.name(candidate.intent)).collect();
    json!({
        "turn": after.counters.turn,
        "ms": hundredths(measured.total_ms),
        "classification": {"intent": intents.name(understanding.intent), "conf": round(understanding.confidence), "top3": top, "method": understanding.method},
        "state_machine": {"prev": before.state, "next": after.state, "action": outcome.decision.action, "phase": phase(engine, after), "final": outcome.decision.is_final},
        "lead": {"prev": score::shown(before.lead.score), "new": score::shown(after.lead.score)},
        "fallback": {"tier": outcome.decision.fallback_tier},
    })
}

fn phase<'e>(engine: &'e Engine, state: &DialogueState) -> Option<&'e str> {
    let flow = engine.catalog.flow(&state.flow)?;
    flow.state(flow.id(&state.state)?).shown_phase()
}

fn full(
    engine: &Engine,
    request: &Request,
    before: &DialogueState,
    outcome: &Outcome,
    after: &DialogueState,
    now: i64,
    measured: Measured,
) -> Value {
    let intents = &engine.catalog.intents;
    let (understanding, decision, reply) = (&outcome.understanding, &outcome.decision, &outcome.reply);
    let scores: Map<String, Value> = understanding
        .candidates
        .iter()
        .take(8)
        .map(|candidate| (intents.name(candidate.intent).to_owned(), json!(round(candidate.score))))
        .collect();
    let slots: Map<String, Value> =
        understanding.slots.iter().map(|fill| (fill.slot.clone(), fill.value.clone())).collect();
    let objections = &after.counters.objections;
    let new_fields: Vec<&String> =
        after.slots.keys().filter(|slot| !before.slots.contains_key(*slot)).collect();
    let updated: Vec<&String> = after
        .slots
        .iter()
        .filter(|(slot, value)| before.slots.get(*slot).is_some_and(|old| old != *value))
        .map(|(slot, _)| slot)
        .collect();
    let flow = engine.catalog.flow(&after.flow);
    let state = flow.and_then(|flow| Some(flow.state(flow.id(&before.state)?)));
    let required = state.map(|state| state.required.clone()).unwrap_or_default();
    let (have, missing): (Vec<&String>, Vec<&String>) = required.iter().partition(|slot| after.has(slot));
    json!({
        "metadata": {"turn_number": after.counters.turn, "timestamp": now, "elapsed_ms": hundredths(measured.total_ms), "user_message": request.message},
        "classification": {
            "top_intent": intents.name(understanding.intent), "confidence": round(understanding.confidence), "all_scores": scores,
            "method_used": understanding.method, "original_intent": understanding.original_intent.map(|id| intents.name(id)),
            "secondary": understanding.secondary.iter().map(|id| intents.name(*id)).collect::<Vec<_>>(),
            "questions": understanding.questions.iter().map(|question| json!({"intent": intents.name(question.intent), "text": question.text})).collect::<Vec<_>>(),
            "context_rules": understanding.because, "repairs": understanding.repairs, "language": understanding.language,
            "disambiguation_options": decision.clarify.iter().map(|id| json!({"intent": intents.name(*id), "label": intents.get(*id).label})).collect::<Vec<_>>(),
            "disambiguation_triggered": !decision.clarify.is_empty(), "extracted_data": slots,
        },
        "tone_analysis": {
            "detected_tone": understanding.tone.tone, "frustration_level": understanding.tone.frustration, "markers_found": understanding.tone.signals,
            "style": if understanding.tone.informal { "informal" } else { "formal" }, "should_apologize": understanding.tone.apologise,
            "should_offer_exit": understanding.tone.frustration >= 7,
        },
        "guard_check": {
            "intervention_triggered": decision.fallback_tier.is_some(), "trigger_reason": decision.fallback_tier,
            "can_continue": !decision.is_final, "frustration_at_check": understanding.tone.frustration,
        },
        "fallback": {"tier": decision.fallback_tier, "fallback_action": decision.fallback_tier.map(|_| &decision.action)},
        "lead_score": {
            "previous_score": score::shown(before.lead.score), "new_score": score::shown(after.lead.score),
            "score_change": i64::from(score::shown(after.lead.score)) - i64::from(score::shown(before.lead.score)),
            "signals_applied": decision.signals, "decay_applied": engine.options.dialogue.lead_scoring.enabled,
            "temperature": score::temperature(after.lead.score, &engine.options.dialogue.lead_scoring),
        },
        "objection": {
            "detected": decision.objection.is_some(), "detected_type": decision.objection.map(|(family, _)| family),
            "attempt_number": decision.objection.map(|(_, attempt)| attempt), "should_soft_close": decision.action == "soft_close",
            "consecutive_count": objections.consecutive, "total_count": objections.total,
        },
        "state_machine": {
            "prev_state": before.state, "next_state": after.state, "prev_phase": phase(engine, before), "next_phase": phase(engine, after),
            "action": decision.action, "is_final": decision.is_final,
            "collected_data_changes": {"new_fields": new_fields, "updated_fields": updated},
            "rule_resolution": rules(engine, before, understanding.intent),
            "required_data_status": {"required": required, "collected": have, "missing": missing},
            "circular_flow": {"goback_count": after.counters.gobacks, "max_gobacks": engine.options.dialogue.limits.max_gobacks},
        },
        "policy_override": {
            "was_overridden": decision.overlay.action.is_some() && !engine.options.dialogue.rules.overlays_in_shadow,
            "original_action": decision.requested, "override_action": decision.overlay.action,
            "reason_codes": decision.overlay.reason, "decision": decision.overlay.decision,
            "shadow": engine.options.dialogue.rules.overlays_in_shadow,
            "signals_used": {"repair": decision.overlay.repair, "momentum": decision.window.direction(), "engagement": decision.window.level.name(),
                "confidence_trend": decision.window.confidence_trend.name()},
        },
        "response": {
            "requested_action": decision.requested, "template_key": reply.memory.text_ids, "cta_added": reply.cta.is_ok(),
            "cta_type": reply.cta.as_ref().ok().map(|cta| &cta.kind), "cta_skip_reason": reply.cta.as_ref().err(),
            "directives": {"tone": decision.directives.tone, "max_words": decision.directives.max_words, "repair": decision.directives.repair,
                "should_apologize": decision.directives.apologise, "should_offer_exit": decision.directives.offer_exit, "cta_soft": decision.directives.cta_soft,
                "prioritize_contact": decision.directives.prioritise_contact, "offer_choices": decision.directives.offer_choices,
                "summarize_client": decision.directives.summarise, "validate": decision.directives.validate, "question_pressure": format!("{:?}", decision.directives.question).to_lowercase()},
            "response_length": reply.text.chars().count(), "validation_events": reply.events,
            "plan": {
                "ack": reply.plan.ack.as_ref().map(|line| &line.id), "message": reply.plan.message.as_ref().map(|line| &line.id),
                "answers": reply.plan.answers.iter().map(|answer| json!({"asked": answer.asked, "section": answer.section})).collect::<Vec<_>>(),
                "question": reply.plan.question.as_ref().map(|question| json!({"slot": question.slot, "kind": question.kind, "text_id": question.text_id})),
                "limits": {"words": reply.plan.limits.words, "tone": reply.plan.limits.tone, "do_not_ask": reply.plan.limits.do_not_ask},
            },
        },
        "llm_traces": [],
        "retrieval": {
            "mode": "lexical",
            "results": reply.looked_up.iter().map(|(id, score, coverage)| json!({"section": id, "score": round(*score), "coverage": round(*coverage)})).collect::<Vec<_>>(),
            "abstained": !understanding.questions.is_empty() && reply.plan.answers.is_empty(),
        },
        "timing": {"total_turn_ms": hundredths(measured.total_ms)},
        "context_window": {
            "momentum_breakdown": {"momentum": round(decision.window.momentum as f32), "direction": decision.window.direction(), "funnel": decision.window.funnel,
                "turn_types": decision.window.types.iter().map(|kind| kind.name()).collect::<Vec<_>>()},
            "engagement_breakdown": {"engagement": round(decision.window.engagement as f32), "level": decision.window.level.name(), "trend": decision.window.engagement_trend.name()},
            "sliding_window": after.turns.iter().map(|turn| json!({"intent": turn.intent, "action": turn.action, "confidence": f64::from(turn.confidence) / 100.0, "state": turn.state})).collect::<Vec<_>>(),
            "episodic_events": after.episodes.iter().map(|episode| format!("{}: {}", episode.kind, episode.what)).collect::<Vec<_>>(),
        },
        "personalization": null,
        "client_agent": null,
        "bot_response": reply.text.chars().take(500).collect::<String>(),
        "proposals": resolution(outcome, flow.expect("the state belongs to a loaded flow"))["proposals"],
        "engine": {"flow": after.flow, "seed": after.seed, "snapshot_version": after.version},
    })
}

/// The rows of the state that speak of this intent, with their places.
fn rules(engine: &Engine, before: &DialogueState, intent: salesbot_dialogue::IntentId) -> Value {
    let Some(flow) = engine.catalog.flow(&before.flow) else { return Value::Null };
    let Some(state) = flow.id(&before.state).map(|id| flow.state(id)) else { return Value::Null };
    let kind = |cases: usize, default: bool| match (cases, default) {
        (0, true) => "simple",
        (0, false) => "fallback",
        (_, false) => "conditional",
        (_, true) => "chain",
    };
    let rule = state.rules.get(&intent);
    let transition = state.transitions.get(&intent);
    json!({
        "intent": engine.catalog.intents.name(intent),
        "rule": rule.map(|chain| json!({"at": chain.at.to_string(), "rule_type": kind(chain.cases.len(), chain.default.is_some())})),
        "transition": transition.map(|chain| json!({"at": chain.at.to_string(), "rule_type": kind(chain.cases.len(), chain.default.is_some())})),
    })
}

/// Four decimals, as the contract has scores.
fn round(score: f32) -> f64 {
    (f64::from(score) * 10_000.0).round() / 10_000.0
}

fn hundredths(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}
