//! The knowledge base: sections of facts, the index over them, and the retriever that ranks them for a
//! question. The only source of anything the bot states as fact.
//!
//! Pure CPU, no network: vectors and reranking join the fusion in [`retriever`] when models are configured.
//! Deliberately absent: which question deserves an answer (the dialogue decides) and how it is worded.

pub mod amounts;
mod asked;
mod check;
mod clients;
pub mod concepts;
pub mod dense;
mod index;
mod load;
pub mod retriever;
mod section;
mod spell;
mod themes;
mod twins;
pub mod typing;
pub mod words;

pub use check::check;
pub use load::{KnowledgeSources, Meta, day};
pub use retriever::{Found, Passage, Query, Retriever};
pub use section::{Knowledge, Link, Section, Sentence};
