//! How the reply is to be said: length, tone, moves. One object; no other place sets them. Rules and numbers:
//! generation reference, section 5; `dialogue.response_directives`.

use super::{Decision, View};
use crate::Tone;
use crate::window::Level;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// `empathetic`, `confident`, `supportive` or `neutral`.
    pub tone: &'static str,
    /// Words the reply may have; the smallest bound that applies.
    pub max_words: usize,
    /// Tables and lists may stand in it.
    pub lists: bool,
    pub validate: bool,
    pub summarise: bool,
    pub offer_choices: bool,
    pub repair: Option<&'static str>,
    /// The number is wanted before anything else: a client in haste, late in the talk.
    pub prioritise_contact: bool,
    pub cta_soft: bool,
    /// An apology is due, if none was made lately.
    pub apologise: bool,
    pub offer_exit: bool,
    /// How much a question of ours is wanted.
    pub question: Pressure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    Wanted,
    Optional,
    Suppressed,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            tone: "neutral",
            max_words: 60,
            lists: true,
            validate: false,
            summarise: false,
            offer_choices: false,
            repair: None,
            prioritise_contact: false,
            cta_soft: false,
            apologise: false,
            offer_exit: false,
            question: Pressure::Wanted,
        }
    }
}

/// A client who has asked in this many of the last turns, this one included, is not asked back.
const PRESSED: usize = 2;
/// Turn from which a hurried client is asked for the number first.
const CONTACT_FROM_TURN: u32 = 4;

pub(super) fn of(view: &View<'_>, decision: &Decision) -> Directives {
    let options = &view.options.directives;
    let levels = &view.options.frustration;
    let tone = &view.understanding.tone;
    let frustration = tone.frustration;
    let apologise = tone.apologise;
    if !options.enabled {
        return Directives {
            max_words: options.max_words,
            apologise,
            question: pressure(view),
            ..Directives::default()
        };
    }
    let repair = decision.overlay.repair;
    let rushed = tone.tone == Tone::Rushed || tone.warning;
    let mut max_words = options.max_words;
    let mut bound = |applies: bool, words: usize| {
        if applies {
            max_words = max_words.min(words);
        }
    };
    bound(frustration >= levels.critical, options.critical_words);
    bound(frustration >= levels.high, options.critical_words + 5);
    bound(rushed, options.rushed_words);
    bound(frustration > levels.warning, options.frustrated_words);
    bound(view.window.level <= Level::Low && view.turn_number() > 2, options.low_engagement_words);
    bound(repair.is_some(), options.repair_words);
    let breakthrough = view.window.in_breakthrough();
    let objects = view.is_objection();
    Directives {
        tone: if frustration > levels.warning || objects {
            "empathetic"
        } else if breakthrough {
            "confident"
        } else if repair.is_some() {
            "supportive"
        } else if view.window.is_positive() {
            "confident"
        } else {
            "neutral"
        },
        max_words,
        lists: max_words >= options.frustrated_words,
        validate: frustration >= levels.warning || objects,
        summarise: repair.is_none()
            && view.memory.slots.keys().any(|slot| super::MEANINGFUL.contains(&slot.as_str())),
        offer_choices: repair == Some("stuck"),
        repair,
        prioritise_contact: rushed
            && view.turn_number() >= CONTACT_FROM_TURN
            && !view.memory.contact().valid
            && !view.memory.said.contact_refused,
        cta_soft: breakthrough,
        apologise,
        offer_exit: frustration >= levels.high,
        question: pressure(view),
    }
}

/// Density of the client's own questions: no one is questioned who is asking.
fn pressure(view: &View<'_>) -> Pressure {
    let asks = |name: &str| view.intents.id(name).is_some_and(|id| view.intents.is_question(id));
    let earlier = view.before.turns.iter().rev().take_while(|turn| asks(&turn.intent)).count();
    let several = view.understanding.questions.len() >= 2;
    let rushed = view.understanding.tone.tone == Tone::Rushed;
    if earlier + 1 >= PRESSED || several || rushed || view.is_frustrated(view.options.frustration.warning) {
        return Pressure::Suppressed;
    }
    if view.intents.is_question(view.understanding.intent) { Pressure::Optional } else { Pressure::Wanted }
}
