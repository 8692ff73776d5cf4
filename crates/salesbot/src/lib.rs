//! The binary's own parts: command line, HTTP API, settings, content, wiring. Alone in reading files, the
//! environment and the clock.

pub mod api;
pub mod chat;
pub mod commands;
pub mod content;
pub mod doors;
pub mod flags;
pub mod http;
pub mod load;
pub mod problem;
pub mod reload;
pub mod service;
pub mod settings;
