//! When a message could mean two things that are handled differently, the client is asked which. Thresholds:
//! `dialogue.disambiguation`; the table of confidence and gap: NLU reference, section 4.

use crate::options::Disambiguation;
use crate::understanding::Method;
use crate::{Catalog, IntentId, Options, Turn, Understanding};

/// How a turn of this kind is named in traces, in the API and in the counters of intents.
pub const INTENT: &str = "disambiguation_needed";
/// Readings offered at most.
const OFFERED: usize = 3;
/// Kinds of readings a client could pick from a list: what he wants, not how he feels or answers.
const WISHES: [&str; 4] = ["question", "purchase_stage", "technical_problem", "escalation"];
/// Words of a short answer: after an open question it is one, however it wavers.
const ANSWER_WORDS: usize = 5;

/// The readings to choose from, best first; empty when the best one is carried out.
pub(super) fn options(
    turn: &Turn<'_>,
    understanding: &Understanding,
    catalog: &Catalog,
    options: &Options,
) -> Vec<IntentId> {
    let limits = &options.disambiguation;
    let intents = &catalog.intents;
    let counters = &turn.state.counters;
    let asked = turn.state.asked.as_ref().is_some_and(|asked| asked.kind == "choice");
    let resting = counters.since_clarification.is_some_and(|turns| turns < limits.cooldown);
    // A rule or the talk itself made the reading sure; facts and contacts are taken as they are.
    let sure = understanding.method != Method::Linear || !understanding.slots.is_empty();
    let open = turn.state.asked.as_ref().is_some_and(|asked| asked.kind != "contact");
    let answers = open && !understanding.asks && turn.message.split_whitespace().count() <= ANSWER_WORDS;
    let finished =
        counters.finished || turn.flow.id(&turn.state.state).is_some_and(|id| turn.flow.state(id).is_final);
    if !limits.enabled || asked || resting || sure || answers || finished {
        return Vec::new();
    }
    if !WISHES.contains(&intents.get(understanding.intent).category.as_str()) {
        return Vec::new();
    }
    if intents.get(understanding.intent).bypass_disambiguation || !wavers(understanding, limits) {
        return Vec::new();
    }
    let scored = understanding.candidates.iter().filter(|candidate| {
        candidate.intent == understanding.intent || percent(candidate.score) >= limits.min_option
    });
    let mut found: Vec<IntentId> = Vec::new();
    for candidate in scored {
        let id = candidate.intent;
        let wish = WISHES.contains(&intents.get(id).category.as_str());
        let same = |known: &IntentId| *known == id || handled_alike(*known, id, turn, catalog);
        if wish && !found.iter().any(same) {
            found.push(id);
        }
    }
    found.truncate(OFFERED);
    if found.len() < 2 { Vec::new() } else { found }
}

/// The table of confidence against the gap to the next reading.
fn wavers(understanding: &Understanding, limits: &Disambiguation) -> bool {
    let top = percent(understanding.confidence);
    let best = understanding.candidates.iter().filter(|other| other.intent != understanding.intent);
    let next = best.map(|other| percent(other.score)).max().unwrap_or(0);
    let gap = top.saturating_sub(next);
    match top {
        t if !limits.by_gap => (limits.min..limits.low).contains(&t),
        t if t >= limits.high => false,
        t if t >= limits.medium => gap < limits.confirm_gap,
        t if t >= limits.low => gap < limits.gap,
        t => t >= limits.min,
    }
}

/// Two readings with one handling are one reading: questions that are looked up in the client's own words,
/// and intents with the same action and the same way on.
fn handled_alike(one: IntentId, other: IntentId, turn: &Turn<'_>, catalog: &Catalog) -> bool {
    let intents = &catalog.intents;
    let state = turn.flow.id(&turn.state.state).map(|id| turn.flow.state(id));
    let looked_up = |id| intents.is_fact_question(id);
    let action = |id: IntentId| {
        let own = state.and_then(|state| state.rules.get(&id)).and_then(|chain| chain.default.clone());
        own.or_else(|| intents.get(id).fallback_action.clone())
    };
    let target =
        |id: IntentId| state.and_then(|state| state.transitions.get(&id)).and_then(|chain| chain.default);
    looked_up(one) && looked_up(other)
        || intents.is_price(one) && intents.is_price(other)
        || action(one) == action(other) && target(one) == target(other)
}

fn percent(share: f32) -> u8 {
    crate::state::percent(f64::from(share))
}
