//! Version 1.0 of the older service is imported with everything that matters.

use serde_json::{Value, json};

use crate::{data, loaded, turn};

fn sample(name: &str) -> Value {
    let text = std::fs::read_to_string(data("snapshots").join(name)).expect("a sample snapshot");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_talk_in_the_middle_goes_on_without_a_second_greeting() {
    let body = turn(&json!({"message": "сколько стоит?", "snapshot": sample("v1_problem_phase.json")}))
        .expect("imported");
    assert_eq!(body["initial_state"], "spin_problem");
    assert_eq!(body["collected_data"]["company_size"], 8);
    assert!(
        body["response"]
            .as_str()
            .is_some_and(|text| !text.contains("Здравствуйте") && !text.contains("Приветствую"))
    );
    assert!(body["meta"]["warnings"][0].as_str().is_some_and(|text| text.contains("snapshot_migrated")));
    assert_eq!(body["snapshot"]["version"], "2.0");
}

#[test]
fn a_contact_of_any_shape_becomes_one_shape() {
    let body =
        turn(&json!({"message": "спасибо", "snapshot": sample("v1_contact_left.json")})).expect("imported");
    assert_eq!(
        body["collected_data"]["contact_info"],
        json!({"phone": "+77011234567", "email": null, "name": null, "valid": true})
    );
    assert_eq!(body["initial_state"], "success");
}

#[test]
fn an_open_clarification_is_answered_by_a_number() {
    let body = turn(&json!({"message": "2", "snapshot": sample("v1_clarification.json")})).expect("imported");
    assert_eq!(body["intent"], "question_equipment_general");
}

#[test]
fn the_smallest_old_snapshot_is_valid() {
    let body = turn(&json!({"message": "привет", "snapshot": {"state_machine": {"state": "presentation"}}}))
        .expect("imported");
    assert_eq!(body["initial_state"], "presentation");
}

#[test]
fn unknown_keys_survive_a_turn() {
    let body = turn(&json!({"message": "привет", "snapshot": {"version": "2.0", "crm_deal": {"id": 7}}}))
        .expect("read");
    assert_eq!(body["snapshot"]["crm_deal"], json!({"id": 7}));
    assert!(loaded().engine.catalog.flow("spin_selling").is_some());
}

#[test]
fn numbers_no_talk_reaches_do_not_break_a_turn() {
    let most = u32::MAX;
    for (block, value) in [
        ("lead", json!({"score": i64::MAX})),
        ("lead", json!({"score": i64::MIN})),
        ("revision", json!(u64::MAX)),
        ("counters", json!({"turn": most, "turns_in_state": most, "gobacks": most, "fallbacks": most})),
        (
            "counters",
            json!({"intents": {"price_question": most}, "objections": {"consecutive": most, "total": most}}),
        ),
        ("counters", json!({"guard": {"last_at": i64::MIN, "active_seconds": i64::MAX}})),
        ("counters", json!({"guard": {"last_at": i64::MAX, "last_progress_turn": most}})),
        ("said", json!({"ctas": most, "apologised": most})),
    ] {
        for message in ["сколько стоит?", "дорого", "вернёмся к ценам"] {
            let mut snapshot = json!({"version": "2.0"});
            snapshot[block] = value.clone();
            let body = turn(&json!({"message": message, "snapshot": snapshot})).expect("a turn");
            assert!(!body["response"].as_str().unwrap_or_default().is_empty(), "{block} {value}");
        }
    }
}
