//! `flow explain`: what the bot decides in a state on an intent, which row of which file said so, and what it
//! beat.

use anyhow::Result;
use serde_json::{Value, json};

use salesbot_dialogue::flow::Chain;
use salesbot_dialogue::policy::{Move, holding};
use salesbot_dialogue::understanding::Question;
use salesbot_dialogue::{DialogueState, Flow, SlotFill, Turn, Understanding, decide};

use super::say;
use crate::load::Loaded;

/// Standing in which the question is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// `slot=value`, known before the message.
    pub(super) slots: Vec<String>,
    /// Turns of the talk before this one.
    pub(super) turn: u32,
    /// Consecutive turns in the state before this one.
    pub(super) turns_in_state: u32,
}

pub(super) fn explain(
    loaded: &Loaded,
    flow: &Flow,
    state: &str,
    intent: &str,
    standing: &Standing,
    as_json: bool,
) -> Result<()> {
    let engine = &loaded.engine;
    let intents = &engine.catalog.intents;
    let Some(at) = flow.id(state) else {
        let names: Vec<&str> = flow.states().map(|(_, state)| state.name.as_str()).collect();
        anyhow::bail!("flow `{}` has no state `{state}`; it has: {}", flow.name, names.join(", "));
    };
    let Some(id) = intents.id(intent) else {
        let near = salesbot_yaml::nearest(intent, intents.names());
        anyhow::bail!(
            "there is no intent `{intent}`{}",
            near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
        );
    };
    let mut before =
        DialogueState { flow: flow.name.clone(), state: state.to_owned(), ..DialogueState::default() };
    before.counters.turn = standing.turn;
    before.counters.turns_in_state = standing.turns_in_state;
    let known = engine.nlu.slots().names();
    for given in &standing.slots {
        let Some((slot, value)) = given.split_once('=') else {
            anyhow::bail!("`--slot {given}`: write slot=value, such as company_size=8");
        };
        if !known.contains(slot) && !slot.ends_with("_probed") {
            let near = salesbot_yaml::nearest(slot, known.iter().map(String::as_str));
            anyhow::bail!(
                "there is no slot `{slot}`{}",
                near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
            );
        }
        let value = if slot == "contact_info" {
            json!({"phone": value, "email": null, "name": null, "valid": true})
        } else {
            value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number))
        };
        before.fill(slot, &value);
    }
    let asks = intents.is_question(id);
    let contact = intents.is(id, "contact_provided");
    let read = Understanding {
        questions: if asks {
            vec![Question { intent: id, text: intents.get(id).label.clone() }]
        } else {
            Vec::new()
        },
        slots: if contact {
            let value = json!({"phone": "+77000000000", "email": null, "name": null, "valid": true});
            vec![SlotFill { slot: "contact_info".to_owned(), value, source: String::new() }]
        } else {
            Vec::new()
        },
        asks,
        ..Understanding::of(id)
    };
    let turn = Turn { message: intents.get(id).label.as_str(), state: &before, flow, now: 0 };
    let decision = decide(&turn, &read, &engine.catalog, &engine.options.dialogue);
    let name_of = |what: &Move| match what {
        Move::Act(action) => ("do", action.clone()),
        Move::Go(target) => ("go", flow.state(*target).name.clone()),
    };
    let mut proposals: Vec<_> = decision.proposals.iter().collect();
    proposals.sort_by_key(|proposal| (!proposal.won, proposal.priority, proposal.rank));
    let own = flow.state(at);
    let rule = own.rules.get(&id);
    let transition = own.transitions.get(&id);
    if as_json {
        let row = |at: Option<String>, text: Option<String>, replaces: Vec<String>| {
            at.map(|at| json!({"at": at, "row": text, "replaces": replaces}))
        };
        let places = |list: &[salesbot_dialogue::flow::RowPlace]| {
            list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let shown: Vec<Value> = proposals
            .iter()
            .map(|proposal| {
                let (kind, value) = name_of(&proposal.what);
                json!({"kind": kind, "value": value, "source": proposal.source, "priority": proposal.priority.name(), "rank": proposal.rank, "reason": proposal.reason, "won": proposal.won})
            })
            .collect();
        return say(serde_json::to_string_pretty(&json!({
            "flow": flow.name, "state": state, "intent": intent, "action": decision.action, "next": flow.state(decision.next).name,
            "visited": decision.visited.iter().map(|id| &flow.state(*id).name).collect::<Vec<_>>(), "reasons": decision.reasons, "merge": decision.merge.name(),
            "rule": rule.and_then(|chain| row(Some(chain.at.to_string()), Some(chain_text(chain, Clone::clone)), places(&chain.replaces))),
            "transition": transition.and_then(|chain| row(Some(chain.at.to_string()), Some(chain_text(chain, |to| flow.state(*to).name.clone())), places(&chain.replaces))),
            "proposals": shown, "overlay": decision.overlay.decision,
        }))?);
    }
    say(format!("flow {}, state {}, intent {intent}", flow.name, own.name))?;
    say(format!(
        "  → {}, next {}   ({})",
        decision.action,
        flow.state(decision.next).name,
        decision.reasons.join(", ")
    ))?;
    let passed: Vec<&str> = decision.visited.iter().skip(1).map(|id| flow.state(*id).name.as_str()).collect();
    if passed.len() > 1 {
        say(format!("    through {}", passed.join(" → ")))?;
    }
    let holding = holding(&turn, &read, &engine.catalog, &engine.options.dialogue);
    say(format!("holding: {}", holding.join(", ")))?;
    say("rows")?;
    match rule {
        Some(chain) => rows("do", &chain_text(chain, Clone::clone), chain)?,
        None => say(match &intents.get(id).fallback_action {
            Some(action) => format!("  do   no row here; the taxonomy says {action}"),
            None => "  do   no row here and none in the taxonomy".to_owned(),
        })?,
    }
    match transition {
        Some(chain) => rows("to", &chain_text(chain, |to| flow.state(*to).name.clone()), chain)?,
        None => say("  to   no row here: the state stays, unless another source moves it")?,
    }
    say("proposals, the winners first")?;
    for proposal in proposals {
        let (kind, value) = name_of(&proposal.what);
        let mark = if proposal.won { "✓" } else { " " };
        let rank = if proposal.rank == 10_000 { "-".to_owned() } else { proposal.rank.to_string() };
        say(format!(
            "{mark} {kind} {value:32} {:8} rank {rank:>4}  {} ({})",
            proposal.priority.name(),
            proposal.source,
            proposal.reason
        ))?;
    }
    Ok(())
}

fn rows<T>(key: &str, text: &str, chain: &Chain<T>) -> Result<()> {
    say(format!("  {key}   {text}"))?;
    say(format!("       {}", chain.at))?;
    for place in &chain.replaces {
        say(format!("       replaces {place}"))?;
    }
    Ok(())
}

/// A chain as it reads: the first condition that holds decides.
pub(super) fn chain_text<T>(chain: &Chain<T>, show: impl Fn(&T) -> String) -> String {
    let mut parts: Vec<String> =
        chain.cases.iter().map(|(condition, value)| format!("{} if {condition}", show(value))).collect();
    parts.extend(chain.default.as_ref().map(&show));
    parts.join(", else ")
}
