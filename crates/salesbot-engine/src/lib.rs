//! One turn end to end: understand → decide → retrieve → respond → commit.
//!
//! `nlu` reads messages, `nlg` plans and words replies; deciding and remembering are `salesbot-dialogue`,
//! searching is `salesbot-knowledge`.

pub mod nlg;
pub mod nlu;
mod turn;

pub use turn::{Engine, EngineOptions, Outcome, Sources};
