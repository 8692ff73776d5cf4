//! A loaded flow: states with their tables, every name resolved. Cannot point at anything missing.

mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use load::{FlowSources, Known};

use crate::condition::Condition;
use crate::{IntentCatalog, IntentId};

/// Index of a state in its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub u16);

/// All flows with the intents they speak of.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub intents: IntentCatalog,
    flows: BTreeMap<String, Flow>,
    /// Intent groups of `flows/_base/groups.yaml`.
    pub groups: BTreeMap<String, Vec<IntentId>>,
    /// Patterns of intents that ask for a push, `flows/_base/patterns.yaml`.
    pub patterns: Vec<Pattern>,
    /// Flows whose switch is off: known by name, never run.
    pub switched_off: Vec<String>,
}

/// Intents that, coming again and again, show that the talk does not move: comparing without end, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub name: String,
    pub intents: Vec<IntentId>,
    /// In a row and in all, by persona; `default` for all others.
    pub limits: BTreeMap<String, (u32, u32)>,
}

impl Catalog {
    pub fn flow(&self, name: &str) -> Option<&Flow> {
        self.flows.get(name)
    }

    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.flows.keys().map(String::as_str)
    }

    pub fn in_group(&self, id: IntentId, group: &str) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(&id))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    pub name: String,
    pub description: String,
    pub version: String,
    pub goal: Goal,
    pub start: StateId,
    pub entry: StateId,
    /// The state after the last phase.
    pub post_phases: StateId,
    pub escalated: StateId,
    pub soft_close: StateId,
    pub entry_points: BTreeMap<String, StateId>,
    pub skip_conditions: BTreeMap<String, Vec<Condition>>,
    /// Phases passed over at a temperature of the lead (`warm`, `hot`, `very_hot`).
    pub skip_phases: BTreeMap<String, Vec<String>>,
    /// A language model may suggest the next stage; without one data moves it.
    pub autonomous: bool,
    pub progress_intents: Vec<IntentId>,
    pub phase_order: Vec<String>,
    pub priorities: Vec<RankRule>,
    states: Vec<State>,
    by_name: BTreeMap<String, StateId>,
}

/// What a flow is for: `success` needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    Contact,
    Talk,
}

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub name: String,
    pub goal: String,
    /// Where the state was written, for `flow explain` and lint.
    pub file: String,
    pub line: usize,
    pub phase: Option<String>,
    /// What `spin_phase` shows where it differs from the phase's key.
    pub phase_label: Option<String>,
    pub required: Vec<String>,
    pub optional: Vec<String>,
    /// Slots set to true on entering; cleared when the phase is left backwards.
    pub on_enter_flags: Vec<String>,
    /// Replaces the action of the turn that enters the state.
    pub on_enter: Option<String>,
    pub next: Option<StateId>,
    pub prev: Option<StateId>,
    /// Consecutive turns before the stall guard ejects; 0 = never.
    pub max_turns: u32,
    pub options_from_turn: u32,
    pub stall_exit: Option<StateId>,
    pub is_final: bool,
    /// Knowledge this state speaks from, where the question itself does not say.
    pub kb_categories: Vec<String>,
    /// Slots that must hold before a suggestion may lead to the close or the end.
    pub terminal_requirements: Vec<String>,
    pub rules: BTreeMap<IntentId, Chain<String>>,
    pub transitions: BTreeMap<IntentId, Chain<StateId>>,
    pub data_complete: Option<Chain<StateId>>,
    pub any: Option<Chain<StateId>>,
}

/// First condition that holds decides; then the default, if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain<T> {
    pub cases: Vec<(Condition, T)>,
    pub default: Option<T>,
    /// The row it was read from, and the inherited rows that one replaces, nearest first.
    pub at: RowPlace,
    pub replaces: Vec<RowPlace>,
}

/// Where a row of a flow file stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPlace {
    pub file: Arc<str>,
    pub line: usize,
}

impl std::fmt::Display for RowPlace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// One row of `priorities`: the proposals it matches get its rank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankRule {
    pub name: String,
    pub rank: u32,
    pub kind: Option<Kind>,
    pub from: Option<Origin>,
    pub intents: Option<Vec<IntentId>>,
    pub question: bool,
    pub progress: bool,
    pub action: Option<String>,
    pub when: Option<Condition>,
    /// Taken only while this flag is on.
    pub flag: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Action,
    Transition,
}

/// Which table of the flow a proposal was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    StateRule,
    IntentTransition,
    DataComplete,
    Any,
    Engine,
}

impl State {
    /// The phase as shown to the outside.
    pub fn shown_phase(&self) -> Option<&str> {
        self.phase_label.as_deref().or(self.phase.as_deref())
    }
}

impl Flow {
    pub fn state(&self, id: StateId) -> &State {
        &self.states[usize::from(id.0)]
    }

    pub fn id(&self, name: &str) -> Option<StateId> {
        self.by_name.get(name).copied()
    }

    pub fn states(&self) -> impl Iterator<Item = (StateId, &State)> {
        self.by_name.values().map(|id| (*id, self.state(*id)))
    }

    /// Place in the course of a sale: greeting 0, phases 1…n, presentation and objections n+1, close n+2,
    /// success n+3, soft_close −1.
    pub fn order(&self, id: StateId) -> i32 {
        let state = self.state(id);
        let phases = i32::try_from(self.phase_order.len()).unwrap_or(i32::MAX - 3);
        if let Some(phase) = &state.phase {
            let at = self.phase_order.iter().position(|name| name == phase);
            return at.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0);
        }
        match state.name.as_str() {
            "presentation" | "handle_objection" => phases + 1,
            "close" => phases + 2,
            "success" => phases + 3,
            "soft_close" => -1,
            _ => 0,
        }
    }

    /// The state of this flow that stands for one of another: shared states by name, phases by their key.
    pub fn counterpart(&self, state: &str, phase: Option<&str>) -> StateId {
        let by_name = self.id(state).filter(|id| self.state(*id).phase.is_none());
        let by_phase = || {
            self.states()
                .find(|(_, own)| own.phase.is_some() && own.phase.as_deref() == phase)
                .map(|(id, _)| id)
        };
        by_name.or_else(by_phase).unwrap_or(self.entry)
    }

    /// Where a snapshot's unknown state goes on: the state of the same phase name, else the entry.
    pub fn recover(&self, phase_or_state: &str) -> StateId {
        let by_phase = self.states().find(|(_, state)| {
            state.phase.as_deref().is_some_and(|phase| {
                phase == phase_or_state || phase_or_state.ends_with(&format!("_{phase}"))
            })
        });
        by_phase.map_or(self.entry, |(id, _)| id)
    }
}
