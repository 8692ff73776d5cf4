//! Objections: families, attempts, counting. The wording of an answer is in `content/replies/`.

use super::View;
use crate::{DialogueState, IntentCatalog, IntentId, Options};

/// One family of objections: how often it is answered, and whether it may then end the talk.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub intents: &'static [&'static str],
    pub attempts: u32,
    /// After its attempts are used up the talk is closed softly, the next time it comes.
    pub may_close: bool,
}

/// Families, attempts and may-close: NLU reference, section 7.
pub const FAMILIES: [Family; 8] = [
    family("price", &["objection_price"], 2, false),
    family("competitor", &["objection_competitor"], 2, false),
    family("no_time", &["objection_no_time"], 1, true),
    family("think", &["objection_think", "objection_company_policy"], 1, true),
    family("no_need", &["objection_no_need", "objection_scale"], 1, true),
    family(
        "trust",
        &[
            "objection_trust",
            "objection_risk",
            "objection_roi_doubt",
            "objection_security",
            "objection_bad_experience",
        ],
        2,
        false,
    ),
    family("timing", &["objection_timing", "objection_priority", "objection_contract_bound"], 1, true),
    family(
        "complexity",
        &["objection_complexity", "objection_team_resistance", "objection_change_management"],
        2,
        false,
    ),
];

const fn family(
    name: &'static str,
    intents: &'static [&'static str],
    attempts: u32,
    may_close: bool,
) -> Family {
    Family { name, intents, attempts, may_close }
}

pub fn family_of(intent: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.intents.contains(&intent))
}

/// Family and attempt number of this turn's objection.
pub(super) fn of_turn(view: &View<'_>) -> Option<(&'static str, u32)> {
    let family = family_of(view.intents.name(view.understanding.intent))?;
    Some((family.name, view.memory.counters.objections.families.get(family.name).copied().unwrap_or(0)))
}

/// Counts an objection while no limit is reached, so the counters stay at the limit; a series ends with
/// anything that is not an objection.
pub(super) fn count(
    memory: &mut DialogueState,
    intent: IntentId,
    intents: &IntentCatalog,
    options: &Options,
) {
    let (in_a_row, in_all) = options.limits.objections(memory.text("persona"));
    let objections = &mut memory.counters.objections;
    let Some(family) = family_of(intents.name(intent)) else {
        objections.consecutive = 0;
        return;
    };
    *objections.families.entry(family.name.to_owned()).or_default() += 1;
    if objections.consecutive < in_a_row && objections.total < in_all {
        objections.consecutive += 1;
        objections.total += 1;
    }
}
