//! The decision: what the bot does with a message it has understood, and what it remembers afterwards.
//!
//! Pure: no I/O, clock, randomness, `async`, logging or unordered maps. Time and seed arrive inside
//! [`Turn`]. This crate also owns the words the stages of a turn exchange: [`Turn`], [`Understanding`],
//! [`Decision`], [`DialogueState`]. The texts of replies are elsewhere (`salesbot-engine::nlg`).

pub mod condition;
pub mod flow;
pub mod guard;
pub mod intent;
pub mod options;
pub mod policy;
pub mod score;
pub mod snapshot;
pub mod state;
pub mod understanding;
pub mod window;

pub use flow::{Catalog, Flow, State, StateId};
pub use intent::{IntentCatalog, IntentId, IntentSpec};
pub use options::Options;
pub use policy::{Decision, Merge, Priority, Proposal, commit, decide};
pub use snapshot::{SnapshotError, SnapshotWarning};
pub use state::{Asked, Choice, Contact, DialogueState, Exchange};
pub use understanding::{
    Candidate, Method, Question, SlotFill, Suggestion, Tone, ToneReading, Understanding,
};

/// One client message with all a stage may know about it.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// The cleaned text of the client: trimmed, no control characters, 1 to 8,000 characters.
    pub message: &'a str,
    /// Memory before this turn.
    pub state: &'a DialogueState,
    pub flow: &'a Flow,
    /// Unix seconds.
    pub now: i64,
}
