//! Models: text to scores, text to text. The linear classifier reads intents without a network; [`chat`] is a
//! language model as the engine sees it, [`client`] the one that speaks to servers. Embeddings and rerankers
//! have their place beside them (see `ARCHITECTURE.md`).

pub mod chat;
pub mod client;
pub mod json;
pub mod linear;
pub mod stats;
pub mod tokens;
