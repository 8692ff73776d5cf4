//! `decide` and `commit`: from an understanding to an action and the next state, and into memory.
//!
//! Every source looks at one frozen [`View`] and proposes; one place resolves. The winner is the first by
//! (priority, rank, order of sources); nothing rewrites the action afterwards. See `ARCHITECTURE.md` for how
//! this differs from the reference where the reference leaves a choice.

pub mod clarify;
pub mod commit;
pub mod cta;
pub mod directives;
pub mod objection;
pub mod overlay;
mod resolve;
mod sources;
#[cfg(test)]
mod tests;

pub use commit::{ReplyMemory, commit};
pub use sources::source_names;

use crate::flow::{Flow, Kind, Origin, State, StateId};
use crate::guard::{self, Tier};
use crate::score;
use crate::state::keep_last;
use crate::window::Window;
use crate::{Catalog, DialogueState, IntentCatalog, IntentId, Options, Turn, Understanding};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Critical,
    High,
    Normal,
    Low,
}

impl Priority {
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Normal => "NORMAL",
            Self::Low => "LOW",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    Act(String),
    Go(StateId),
}

/// What one source suggests. `rank` is filled in by the resolver from the flow's `priorities`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub source: &'static str,
    pub what: Move,
    pub priority: Priority,
    pub rank: u32,
    /// An action that is not combinable drops every transition but its own source's with the same reason.
    pub combinable: bool,
    pub reason: String,
    pub origin: Origin,
    /// The intent that fired it: the main one, or a secondary question.
    pub intent: IntentId,
    pub won: bool,
}

impl Proposal {
    pub fn kind(&self) -> Kind {
        match self.what {
            Move::Act(_) => Kind::Action,
            Move::Go(_) => Kind::Transition,
        }
    }
}

/// How the winning action and the winning transition came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    Merged,
    ActionOnly,
    TransitionOnly,
    Blocked,
    NoProposals,
}

impl Merge {
    pub fn name(self) -> &'static str {
        match self {
            Self::Merged => "MERGED",
            Self::ActionOnly => "ACTION_ONLY",
            Self::TransitionOnly => "TRANSITION_ONLY",
            Self::Blocked => "BLOCKED",
            Self::NoProposals => "NO_PROPOSALS",
        }
    }
}

/// What the bot does now, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub action: String,
    pub next: StateId,
    /// States of this turn: the first one, skipped phases, the new one.
    pub visited: Vec<StateId>,
    pub is_final: bool,
    pub reasons: Vec<String>,
    pub proposals: Vec<Proposal>,
    pub merge: Merge,
    /// The action as it was proposed, before the state's `on_enter`, an overlay or a mapping changed it.
    pub requested: String,
    /// What an overlay made of the action, or why it left it alone.
    pub overlay: overlay::Verdict,
    pub window: Window,
    pub directives: directives::Directives,
    /// Whether a call to action may end the reply.
    pub cta: Result<cta::Wish, &'static str>,
    /// The readings the client is asked to choose from.
    pub clarify: Vec<IntentId>,
    /// A menu that fits what was said, instead of the state's own.
    pub menu: Option<&'static str>,
    /// A guard tier produced the reply: `fallback_tier_1` … `fallback_tier_3`, `soft_close`.
    pub fallback_tier: Option<&'static str>,
    /// Family of the objection of this turn, with the number of the attempt to answer it.
    pub objection: Option<(&'static str, u32)>,
    pub signals: Vec<&'static str>,
    /// Memory with this message's data and intent in it, before the state changes.
    pub memory: DialogueState,
}

/// The frozen view of a turn that all sources and conditions share.
pub struct View<'a> {
    pub catalog: &'a Catalog,
    pub intents: &'a IntentCatalog,
    pub flow: &'a Flow,
    pub options: &'a Options,
    pub understanding: &'a Understanding,
    /// Memory before the turn.
    pub before: &'a DialogueState,
    /// Memory with this message's slots and intent recorded.
    pub memory: &'a DialogueState,
    pub state: StateId,
    pub message: &'a str,
    /// How the talk goes; blank while the flag is off.
    pub window: &'a Window,
    /// What the guard found.
    pub guard: Option<Tier>,
    /// Readings among which the client is asked to choose; empty when the message is clear enough.
    pub clarify: &'a [IntentId],
}

/// Chooses the action and the next state. Pure and total: every message gets a decision.
pub fn decide(
    turn: &Turn<'_>,
    understanding: &Understanding,
    catalog: &Catalog,
    options: &Options,
) -> Decision {
    look(turn, understanding, catalog, options, |view| {
        let signals = if options.lead_scoring.enabled { score::signals(view) } else { Vec::new() };
        let mut decision = resolve::resolve(view, sources::propose(view));
        decision.signals = signals;
        decision.objection = objection::of_turn(view);
        decision.directives = directives::of(view, &decision);
        decision.cta = cta::gate(view, &decision);
        decision.menu = guard::dynamic_menu(view, &decision);
        decision.window = view.window.clone();
        decision.clarify = view.clarify.to_vec();
        decision.memory = view.memory.clone();
        decision
    })
}

/// The named conditions that hold on this turn; for `flow explain` and the tests.
pub fn holding(
    turn: &Turn<'_>,
    understanding: &Understanding,
    catalog: &Catalog,
    options: &Options,
) -> Vec<&'static str> {
    look(turn, understanding, catalog, options, |view| {
        let named = crate::condition::BUILT_IN.iter();
        named.filter(|condition| (condition.holds)(view)).map(|condition| condition.name).collect()
    })
}

/// Freezes the view of a turn and looks at it.
fn look<R>(
    turn: &Turn<'_>,
    understanding: &Understanding,
    catalog: &Catalog,
    options: &Options,
    at: impl FnOnce(&View<'_>) -> R,
) -> R {
    let window = if options.rules.window {
        let detailed = options.rules.engagement_v2;
        Window::of(turn.state, turn.message, understanding, turn.flow, catalog, detailed)
    } else {
        Window::blank()
    };
    let clarify = clarify::options(turn, understanding, catalog, options);
    let memory = observe(turn, understanding, catalog, options, !clarify.is_empty());
    let mut view = View {
        catalog,
        intents: &catalog.intents,
        flow: turn.flow,
        options,
        understanding,
        before: turn.state,
        memory: &memory,
        state: turn.flow.id(&turn.state.state).unwrap_or(turn.flow.start),
        message: turn.message,
        window: &window,
        guard: None,
        clarify: &clarify,
    };
    view.guard = if options.rules.conversation_guard { guard::check(&view) } else { None };
    at(&view)
}

/// Memory with the message recorded: slots merged, intent counted, clocks moved. The state stays.
fn observe(
    turn: &Turn<'_>,
    understanding: &Understanding,
    catalog: &Catalog,
    options: &Options,
    clarifies: bool,
) -> DialogueState {
    let intents = &catalog.intents;
    let mut memory = turn.state.clone();
    for fill in &understanding.slots {
        memory.fill(&fill.slot, &fill.value);
    }
    // Who then asks for a call, or agrees to one, takes the refusal of his number back.
    let offered =
        turn.state.asked.as_ref().is_some_and(|asked| asked.kind == "yes_no" && asked.slot.is_none());
    let wanted =
        ["fast_to_close", "gated_close"].iter().any(|group| catalog.in_group(understanding.intent, group))
            || offered && intents.is(understanding.intent, "agreement");
    // … but a question about a demo is no wish to be called.
    let wanted = wanted && !understanding.asks;
    // "запишите номер, только писать": what is given is given.
    let brings = understanding.slot("contact_info").is_some_and(|value| value["valid"] == true);
    memory.said.contact_refused =
        memory.said.contact_refused && !wanted || understanding.slot("_refuses_contact").is_some() && !brings;
    memory.said.demo_refused = memory.said.demo_refused && !intents.is(understanding.intent, "demo_request")
        || understanding.slot("_refuses_demo").is_some();
    if intents.is(understanding.intent, "objection_competitor") {
        memory.slots.insert("competitor_mentioned".to_owned(), true.into());
    }
    let read = if clarifies { clarify::INTENT } else { intents.name(understanding.intent) };
    let name = read.to_owned();
    let counters = &mut memory.counters;
    counters.turn += 1;
    counters.since_clarification =
        if clarifies { Some(0) } else { counters.since_clarification.map(|turns| turns.saturating_add(1)) };
    *counters.intents.entry(name.clone()).or_default() += 1;
    counters.recent.push(name);
    keep_last(&mut counters.recent, crate::state::KEPT_ITEMS);
    if counters.guard.last_at > 0 {
        let gap = (turn.now - counters.guard.last_at).max(0);
        if gap < options.guard.active_gap_seconds {
            counters.guard.active_seconds += gap;
        }
    }
    counters.guard.last_at = turn.now;
    if !clarifies {
        objection::count(&mut memory, understanding.intent, intents, options);
    }
    memory
}

impl<'a> View<'a> {
    pub fn state(&self) -> &'a State {
        self.flow.state(self.state)
    }

    /// The first turn is number 1.
    pub fn turn_number(&self) -> u32 {
        self.memory.counters.turn
    }

    /// Consecutive turns in this state, this one included.
    pub fn turns_in_state(&self) -> u32 {
        self.before.counters.turns_in_state + 1
    }

    pub fn has_all_required(&self) -> bool {
        self.state().required.iter().all(|slot| self.memory.has(slot))
    }

    /// How often intents of this kind came, this turn included.
    pub fn total_of(&self, wanted: impl Fn(IntentId) -> bool) -> u32 {
        let counted = self.memory.counters.intents.iter();
        counted.filter(|(name, _)| self.intents.id(name).is_some_and(&wanted)).map(|(_, count)| count).sum()
    }

    /// How many of the last intents in a row are of this kind, this turn included.
    pub fn streak_of(&self, wanted: impl Fn(IntentId) -> bool) -> u32 {
        let recent = self.memory.counters.recent.iter().rev();
        let streak = recent.take_while(|name| self.intents.id(name).is_some_and(&wanted)).count();
        u32::try_from(streak).unwrap_or(u32::MAX)
    }

    pub fn is_objection(&self) -> bool {
        self.intents.is_objection(self.understanding.intent)
    }

    pub fn objection_limit_reached(&self) -> bool {
        let objections = &self.memory.counters.objections;
        let (in_a_row, in_all) = self.objection_limits();
        objections.consecutive >= in_a_row || objections.total >= in_all
    }

    /// Objections in a row and in all for this client's persona: the one place that says so.
    pub fn objection_limits(&self) -> (u32, u32) {
        self.options.limits.objections(self.memory.text("persona"))
    }

    /// The last three intents are one and the same.
    pub fn is_stuck(&self) -> bool {
        let recent = &self.memory.counters.recent;
        recent.len() >= 3 && recent[recent.len() - 3..].iter().all(|name| Some(name) == recent.last())
    }

    /// Two or more switches between yes and objection in the last four intents.
    pub fn is_oscillating(&self) -> bool {
        let sides: Vec<bool> = (self.memory.counters.recent.iter().rev().take(4))
            .filter_map(|name| {
                let id = self.intents.id(name)?;
                (self.intents.is_positive(id) || self.intents.is_objection(id))
                    .then(|| self.intents.is_positive(id))
            })
            .collect();
        sides.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 2
    }

    /// This message brought at least one fact.
    pub fn has_data(&self) -> bool {
        self.understanding.slots.iter().any(|fill| MEANINGFUL.contains(&fill.slot.as_str()))
    }

    pub fn brings_contact(&self) -> bool {
        self.understanding.slot("contact_info").is_some_and(|value| value["valid"] == true)
    }

    /// The message has a content of its own: a contact, a refusal, an objection, a question, a request for a
    /// person, a correction. Guards, menus and the stall guard then stand back (DESIGN decision 8).
    pub fn speaks_for_itself(&self) -> bool {
        let own = |id: IntentId| {
            let category = self.intents.get(id).category.as_str();
            [
                "question",
                "purchase_stage",
                "objection",
                "exit",
                "escalation",
                "sensitive",
                "technical_problem",
                "frustration",
            ]
            .contains(&category)
                || self.catalog.in_group(id, "go_back")
                || ["handover", "fast_to_close", "gated_close"]
                    .iter()
                    .any(|group| self.catalog.in_group(id, group))
                || self.intents.is(id, "contact_provided")
        };
        self.understanding.intents().any(own) || self.brings_contact() || self.understanding.asks
    }

    /// The last two turns led on, or back.
    pub fn is_progressing(&self) -> bool {
        self.window.funnel > 0
    }

    /// A greeting, thanks, small talk or noise: nothing to answer.
    pub fn says_nothing(&self) -> bool {
        let intent = self.understanding.intent;
        let name = self.intents.name(intent);
        let manners = ["unclear", "greeting", "gratitude", "small_talk", "request_brevity"].contains(&name);
        let spec = self.intents.get(intent);
        let unhandled = !self.state().rules.contains_key(&intent) && spec.fallback_action.is_none();
        (manners || unhandled) && !self.speaks_for_itself()
    }

    pub fn is_frustrated(&self, from: u8) -> bool {
        self.understanding.tone.frustration >= from
    }
}

/// Slots that count as news about the client (dialogue reference, section 4.4).
pub const MEANINGFUL: [&str; 17] = [
    "company_size",
    "pain_point",
    "pain_category",
    "role",
    "decision_timeline",
    "contact_info",
    "budget_range",
    "current_tools",
    "business_type",
    "users_count",
    "locations_count",
    "pain_impact",
    "financial_impact",
    "desired_outcome",
    "urgency",
    "client_name",
    "decision_maker",
];
