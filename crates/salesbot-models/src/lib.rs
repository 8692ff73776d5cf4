//! Models: text to scores. Today the linear classifier that reads intents without a network; the places of
//! embeddings, rerankers and language models are beside it (see `ARCHITECTURE.md`).

pub mod linear;
