//! Any bytes read as a message, in any place of a talk: there is a reply, and the state can be saved.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use salesbot::load::{self, Loaded};
use salesbot_dialogue::{Asked, DialogueState, snapshot};

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| load::load(None).expect("the shipped content"))
}

/// What the bot has asked for; the first byte picks one.
const SLOTS: [&str; 8] = [
    "company_size",
    "contact_info",
    "current_tools",
    "pain_point",
    "budget_range",
    "decision_timeline",
    "role",
    "client_name",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, message)) = data.split_first() else { return };
    let mut state = DialogueState::default();
    if let Some(slot) = SLOTS.get(usize::from(*first)) {
        let asked = Asked { slot: Some((*slot).to_owned()), kind: "open".to_owned(), ..Asked::default() };
        state.asked = Some(asked);
    }
    // Two turns: what the first one left in the state must not break the second.
    let message = String::from_utf8_lossy(message);
    for _ in 0..2 {
        let outcome = loaded().engine.turn(&state, &message, 1_760_000_000);
        assert!(!outcome.reply.text.trim().is_empty(), "an empty reply");
        assert!(outcome.understanding.confidence.is_finite());
        snapshot::save(&outcome.state);
        state = outcome.state;
    }
});
