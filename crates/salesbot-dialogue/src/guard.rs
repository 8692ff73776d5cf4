//! The conversation guard and the four tiers of its fallback: what to do when a talk goes round in circles.
//! Thresholds: `dialogue.guard`, `dialogue.fallback`.

use crate::flow::StateId;
use crate::policy::{Decision, MEANINGFUL, View};
use crate::window::Level;

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
    let found = if view.is_frustrated(options.high_frustration_threshold) && unclear {
        // An angry client gets no menu: the blocking question is dropped instead.
        skip(view).unwrap_or(Tier::SoftClose)
    } else if repeats(view) {
        Tier::Options
    } else if unclear && view.turns_in_state() >= options.max_same_state {
        skip(view).unwrap_or(Tier::Options)
    } else if stands_still(view) {
        Tier::Rephrase
    } else {
        return None;
    };
    let tier = weigh(view, found);
    let told = view.understanding.slots.iter().any(|fill| {
        MEANINGFUL.contains(&fill.slot.as_str()) && view.before.slots.get(&fill.slot) != Some(&fill.value)
    });
    // Who has just told something new is not led away from what he speaks of.
    let keeps = view.options.rules.guard_keeps_informed_phase && told && matches!(tier, Tier::Skip(_));
    (!keeps).then_some(tier)
}

/// Where this tier has failed before, the next one is due.
fn weigh(view: &View<'_>, tier: Tier) -> Tier {
    let options = &view.options.fallback;
    let counters = &view.before.counters;
    let of_tier = counters.tiers.get(tier.name()).copied().unwrap_or(0);
    let has_content = view.has_data() || view.intents.is_positive(view.understanding.intent);
    let badly = of_tier >= options.same_tier_exit && view.window.is_negative();
    let idly = counters.fallbacks >= options.total_exit && view.window.level <= Level::Low;
    if (badly || idly) && !has_content {
        return Tier::SoftClose;
    }
    match tier {
        Tier::Rephrase
            if counters.fallbacks >= options.options_after
                || view.is_frustrated(view.options.frustration.moderate) =>
        {
            Tier::Options
        }
        // Menus in a row help nobody.
        Tier::Options if counters.tier_2_streak + 1 >= options.menus_in_a_row => {
            skip(view).unwrap_or(if counters.tier_2_streak >= options.menus_in_a_row {
                Tier::SoftClose
            } else {
                Tier::Options
            })
        }
        other => other,
    }
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

fn stands_still(view: &View<'_>) -> bool {
    let options = &view.options.guard;
    let since = view.turn_number().saturating_sub(view.memory.counters.guard.last_progress_turn);
    since > options.progress_check_interval && unique_states(view) < options.min_unique_states_for_progress
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

/// A menu of the presentation that fits what was said; the heaviest reason wins (dialogue reference, 8.2).
pub(crate) fn dynamic_menu(view: &View<'_>, decision: &Decision) -> Option<&'static str> {
    let shows = ["guard_offer_options", "offer_options"].contains(&decision.action.as_str());
    if !view.options.rules.dynamic_menus || !shows || view.flow.state(decision.next).name != "presentation" {
        return None;
    }
    let memory = view.memory;
    let asked = |wanted: &dyn Fn(crate::IntentId) -> bool| {
        view.before.turns.last().and_then(|turn| view.intents.id(&turn.intent)).is_some_and(wanted)
    };
    let size = memory.number("company_size");
    if memory.has("competitor_mentioned") || memory.has("competitor_name") {
        return Some("after_competitor");
    }
    match memory.text("pain_category") {
        Some("losing_clients") => return Some("after_losing_clients"),
        Some("no_control") => return Some("after_no_control"),
        Some("manual_work") => return Some("after_manual_work"),
        _ => {}
    }
    if asked(&|id| view.intents.is_price(id)) {
        Some("after_price")
    } else if asked(&|id| view.intents.is(id, "question_features")) {
        Some("after_features")
    } else if size.is_some_and(|size| size > 20) {
        Some("large_team")
    } else if size.is_some_and(|size| size <= 5) {
        Some("small_team")
    } else {
        None
    }
}
