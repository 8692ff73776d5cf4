//! Whether a call to action may end the reply, and of which kind. The texts and the last gates, which need the
//! finished reply, are the writer's. Gates: dialogue reference, section 12; numbers: `dialogue.cta`.

use super::{Decision, View};
use crate::flow::{Flow, StateId};
use crate::window::Level;

/// How near to the close a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Early,
    Mid,
    Late,
    Close,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Mid => "mid",
            Self::Late => "late",
            Self::Close => "close",
        }
    }

    /// By the state's place: terminal map, else its place in the flow's phase order.
    pub fn of(flow: &Flow, id: StateId) -> Self {
        let state = flow.state(id);
        match state.name.as_str() {
            "presentation" | "handle_objection" => return Self::Late,
            "close" | "soft_close" | "success" => return Self::Close,
            _ => {}
        }
        let at =
            state.phase.as_ref().and_then(|phase| flow.phase_order.iter().position(|name| name == phase));
        match at {
            Some(_) if flow.phase_order.len() == 1 => Self::Mid,
            None | Some(0) => Self::Early,
            Some(at) if at + 1 == flow.phase_order.len() => Self::Late,
            Some(_) => Self::Mid,
        }
    }
}

/// A call to action is welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub stage: Stage,
    /// Without any push: the client is annoyed, or has just come round.
    pub soft: bool,
    /// The kind that fits best; others serve when it has no text.
    pub kind: &'static str,
}

/// Actions after which an appeal would spoil the answer.
const BLOCKED: [&str; 9] = [
    "answer_with_facts",
    "answer_and_continue",
    "answer_with_summary",
    "answer_with_pricing",
    "answer_with_pricing_direct",
    "answer_pricing_details",
    "answer_question",
    "ask_clarification",
    "respond_briefly",
];

pub(super) fn gate(view: &View<'_>, decision: &Decision) -> Result<Wish, &'static str> {
    let options = &view.options.cta;
    let stage = Stage::of(view.flow, decision.next);
    let action = decision.action.as_str();
    if !options.enabled {
        return Err("feature_flag_disabled");
    }
    if let Some(reason) = path(action) {
        return Err(reason);
    }
    if decision.is_final || view.before.counters.finished {
        return Err("soft_close_path");
    }
    let over = view.flow.state(decision.next).name == "soft_close";
    if over || action == "soft_close" || action == "objection_limit_reached" {
        return Err("action_is_soft_close");
    }
    if stage == Stage::Early {
        return Err("early_phase_no_cta");
    }
    if view.is_frustrated(options.max_frustration) {
        return Err("high_frustration");
    }
    if stage == Stage::Close && view.memory.contact().valid {
        return Err("contact_already_collected");
    }
    if view.memory.said.contact_refused {
        return Err("contact_refused");
    }
    let intent = view.understanding.intent;
    if ["rejection", "no_need", "no_problem"].contains(&view.intents.name(intent)) {
        return Err("client_declined");
    }
    if view.is_objection() {
        return Err("client_objects");
    }
    if view.brings_contact() {
        return Err("contact_just_given");
    }
    if intent == view.intents.unclear() {
        return Err("not_understood");
    }
    if view.turn_number() < options.min_turn {
        return Err("too_early");
    }
    if view.before.last_action() == "answer_question" {
        return Err("just_answered_question");
    }
    if BLOCKED.contains(&action) {
        return Err("action_blocked_for_cta");
    }
    if view.memory.said.ctas >= options.max_per_conversation {
        return Err("max_per_conversation");
    }
    let kind = kind(view, stage, &view.flow.state(decision.next).name);
    Ok(Wish {
        stage,
        soft: view.is_frustrated(options.soft_frustration) || view.window.in_breakthrough(),
        kind,
    })
}

fn path(action: &str) -> Option<&'static str> {
    Some(match action {
        "ask_clarification" => "disambiguation_path",
        "offer_options" => "phase_exhausted_options",
        "guard_rephrase" => "guard_rephrase_path",
        "guard_offer_options" => "guard_options_path",
        "guard_skip_phase" => "guard_skip_path",
        "guard_soft_close" => "guard_soft_close_path",
        "escalate_to_human" => "fallback_path",
        _ => return None,
    })
}

fn kind(view: &View<'_>, stage: Stage, state: &str) -> &'static str {
    let objections = view.memory.counters.objections.total;
    let presents = state == "presentation";
    if stage == Stage::Close || presents && view.window.in_breakthrough() {
        "contact"
    } else if presents && view.window.level >= Level::High && objections < 2 {
        "demo"
    } else if presents && objections >= 2 && view.window.level == Level::Medium {
        "trial"
    } else if view.window.level <= Level::Low {
        "info"
    } else {
        "demo"
    }
}
