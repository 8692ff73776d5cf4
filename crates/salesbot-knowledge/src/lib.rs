//! The knowledge base: sections of facts, the index over them, and the retriever that ranks them for a
//! question. The only source of anything the bot states as fact.
//!
//! Pure CPU, no network: vectors and reranking join the fusion in [`retriever`] when models are configured.
//! Deliberately absent: which question deserves an answer (the dialogue decides) and how it is worded.

pub mod amounts;
mod index;
mod load;
pub mod retriever;
mod section;
pub mod words;

pub use load::{KnowledgeSources, Meta};
pub use retriever::{Passage, Query, Retriever};
pub use section::{Knowledge, Link, Section, Sentence};
