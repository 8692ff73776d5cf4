//! The conversation guard: what to do when a talk goes round in circles. Thresholds: `dialogue.guard`.

use crate::flow::StateId;
use crate::policy::View;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Ask the same thing in other words.
    Rephrase,
    /// Offer a short menu.
    Options,
    /// Drop the question and go on at this state.
    Skip(StateId),
    /// End politely.
    SoftClose,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rephrase => "fallback_tier_1",
            Self::Options => "fallback_tier_2",
            Self::Skip(_) => "fallback_tier_3",
            Self::SoftClose => "soft_close",
        }
    }
}

/// The first check that fires decides; none fires over a message that speaks for itself or in a state the
/// talk has ended in.
pub(crate) fn check(view: &View<'_>) -> Option<Tier> {
    let terminal = ["success", "escalated", "soft_close"].contains(&view.state().name.as_str());
    if terminal || view.speaks_for_itself() {
        return None;
    }
    let options = &view.options.guard;
    let counters = &view.memory.counters;
    let unclear = view.understanding.intent == view.intents.unclear();
    let has_content = view.has_data() || view.intents.is_positive(view.understanding.intent);
    if counters.guard.active_seconds > options.timeout_seconds || view.turn_number() > options.max_turns {
        return (!has_content).then_some(Tier::SoftClose);
    }
    if view.understanding.tone.frustration >= options.high_frustration_threshold && unclear {
        // An angry client gets no menu: the blocking question is dropped instead.
        return skip(view);
    }
    if repeats(view) {
        return options_or_skip(view);
    }
    if unclear && view.turns_in_state() >= options.max_same_state {
        return skip(view).or(Some(Tier::Options));
    }
    let since_progress = view.turn_number().saturating_sub(counters.guard.last_progress_turn);
    if since_progress > options.progress_check_interval
        && unique_states(view) < options.min_unique_states_for_progress
    {
        return Some(Tier::Rephrase);
    }
    None
}

/// Three menus in a row help nobody: the third becomes a skip.
fn options_or_skip(view: &View<'_>) -> Option<Tier> {
    if view.before.counters.tier_2_streak >= 2 { skip(view) } else { Some(Tier::Options) }
}

/// The same message again, `max_same_message` times in a row.
fn repeats(view: &View<'_>) -> bool {
    let same = |text: &str| text.trim().to_lowercase() == view.message.trim().to_lowercase();
    let earlier = view.options.guard.max_same_message.saturating_sub(1);
    let turns = &view.before.turns;
    // A short answer may be right twice: "да" to two questions is no loop.
    let short = view.message.trim().chars().count() < 4;
    !short
        && earlier > 0
        && turns.len() >= earlier
        && turns.iter().rev().take(earlier).all(|turn| same(&turn.user))
}

fn unique_states(view: &View<'_>) -> usize {
    let mut states: Vec<&str> =
        view.before.turns.iter().rev().take(5).map(|turn| turn.next.as_str()).collect();
    states.push(&view.before.state);
    states.sort_unstable();
    states.dedup();
    states.len()
}

/// Along the `data_complete` chain to the first state that needs nothing it has not got.
fn skip(view: &View<'_>) -> Option<Tier> {
    let mut at = view.state;
    for _ in 0..view.flow.states().count() {
        let state = view.flow.state(at);
        at = state.data_complete.as_ref().and_then(|chain| chain.default)?;
        let next = view.flow.state(at);
        let real = |slot: &String| view.memory.has(slot) && !next.on_enter_flags.contains(slot);
        if next.required.iter().all(real) {
            return (at != view.state && next.name != "success").then_some(Tier::Skip(at));
        }
    }
    None
}
