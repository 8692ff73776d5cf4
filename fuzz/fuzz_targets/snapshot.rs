//! Any JSON as the body of a request: a reply, or a problem that says what to do.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use salesbot::api::{Call, process};
use salesbot::load::{self, Loaded};

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| load::load(None).expect("the shipped content"))
}

fuzz_target!(|data: &[u8]| {
    let Ok(body) = serde_json::from_slice(data) else { return };
    let door = load::door(&loaded().settings);
    let call = Call { request_id: "fuzz", now: 1_760_000_000, measured: &|| 0.0 };
    if let Err(problem) = process(&loaded().engine, &door, &body, &call) {
        assert!(!problem.detail.trim().is_empty());
    }
});
