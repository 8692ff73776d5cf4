//! The HTTP door: the guide's examples, every refusal, and bodies nobody should send.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use salesbot::http::{Service, app};
use salesbot::problem::Code;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::loaded;

fn service() -> Arc<Service> {
    Arc::new(Service::new(loaded(), Vec::new(), None))
}

fn router() -> &'static Router {
    static ROUTER: std::sync::OnceLock<Router> = std::sync::OnceLock::new();
    ROUTER.get_or_init(|| app(service()))
}

fn send(request: Request<Body>) -> (StatusCode, Value, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let response = router().clone().oneshot(request).await.expect("the router always answers");
        let status = response.status();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null), kind)
    })
}

fn post(body: impl Into<Body>) -> (StatusCode, Value, String) {
    let request =
        Request::post("/api/v1/process").header("content-type", "application/json").body(body.into());
    send(request.expect("a request"))
}

fn process(body: &Value) -> (StatusCode, Value, String) {
    post(body.to_string())
}

fn get(path: &str) -> (StatusCode, Value, String) {
    send(Request::get(path).body(Body::empty()).expect("a request"))
}

#[test]
fn health_has_the_guides_two_keys_first() {
    let (status, body, _) = get("/health");
    assert_eq!(status, 200);
    let keys: Vec<_> = body.as_object().expect("an object").keys().take(2).cloned().collect();
    assert_eq!(keys, ["status", "model"]);
    assert_eq!((&body["status"], &body["model"]), (&json!("ok"), &json!("qwen3:14b")));
    assert_eq!(get("/ready").0, 200);
}

#[test]
fn the_guides_two_turns_answer_as_documented() {
    let (status, first, _) =
        process(&json!({"message": "Привет, расскажи о вашей CRM", "flow_name": "spin_selling"}));
    assert_eq!(status, 200);
    let reply = first["response"].as_str().expect("text");
    assert!(reply.contains("Wipon") && !reply.contains("CRM"), "{reply}");
    assert_eq!(first["snapshot"]["revision"], 1);

    let (status, second, _) = process(&json!({"message": "Сколько стоит?", "snapshot": first["snapshot"]}));
    assert_eq!(status, 200);
    let reply = second["response"].as_str().expect("text");
    assert!(!reply.contains("Здравствуйте") && !reply.contains("Приветствую"), "{reply}");
    assert!(reply.contains('₸'), "{reply}");
    assert!(second["sources"].as_array().is_some_and(|list| !list.is_empty()));
    assert_eq!(second["snapshot"]["revision"], 2);
    assert!(second["snapshot"]["parent"].is_string());
}

#[test]
fn what_was_said_is_used_and_never_asked_again() {
    let mut snapshot = Value::Null;
    let mut replies = Vec::new();
    for message in [
        "у меня два магазина, 8 человек",
        "сколько стоит?",
        "в экселе ведем",
        "недостачи постоянно",
        "часа два в день уходит",
    ] {
        let (_, body, _) = process(&json!({"message": message, "snapshot": snapshot}));
        snapshot = body["snapshot"].clone();
        let slot = snapshot["asked"]["slot"].as_str().unwrap_or_default();
        assert!(!["company_size", "locations_count"].contains(&slot), "asked for {slot} after `{message}`");
        replies.push(body["response"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(snapshot["slots"]["locations_count"], 2);
    assert_eq!(snapshot["slots"]["company_size"], 8);
    let all = replies.join(" ");
    assert!(
        all.contains("2 точ") || all.contains("две торговые точки") || all.contains("8 человек"),
        "{all}"
    );
}

#[test]
fn every_response_has_the_contracts_fields() {
    let (_, body, _) = process(&json!({"message": "здравствуйте"}));
    let fields = [
        "response",
        "intent",
        "action",
        "state",
        "is_final",
        "spin_phase",
        "visited_states",
        "initial_state",
        "fallback_used",
        "fallback_tier",
        "tone",
        "frustration_level",
        "lead_score",
        "objection_detected",
        "options",
        "cta_added",
        "cta_text",
        "decision_trace",
        "snapshot",
        "confidence",
        "lead_temperature",
        "collected_data",
        "reason_codes",
        "resolution_trace",
        "sources",
        "writer",
        "degraded",
        "degraded_reasons",
        "meta",
    ];
    let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(keys[..fields.len()], fields.iter().collect::<Vec<_>>()[..], "order or names changed");
    assert_eq!((&body["writer"], &body["degraded"]), (&json!("embedded"), &json!(false)));
    for block in [
        "metadata",
        "classification",
        "tone_analysis",
        "guard_check",
        "state_machine",
        "lead_score",
        "response",
        "retrieval",
        "llm_traces",
        "timing",
    ] {
        assert!(body["decision_trace"].get(block).is_some(), "no {block} in the trace");
    }
}

/// Sends a bad body and checks the problem that comes back.
fn check_problem(body: &str, status: u16, code: &str, pointer: &str) {
    let (got, problem, kind) = post(body.to_owned());
    let shown: String = body.chars().take(80).collect();
    assert_eq!(got.as_u16(), status, "{shown}: {problem}");
    assert_eq!(kind, "application/problem+json", "{shown}");
    assert_eq!(problem["code"], code, "{shown}");
    assert_eq!(problem["type"], format!("urn:salesbot:problem:{code}"));
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem}");
    if pointer.is_empty() {
        assert_eq!(problem["errors"], json!([]), "{problem}");
    } else {
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[test]
fn bad_requests_get_a_problem_that_names_the_field() {
    let long = json!({"message": "а".repeat(9_000)}).to_string();
    let cases: [(&str, u16, &str, &str); 24] = [
        ("{\"message\": ", 400, "INVALID_JSON", ""),
        ("", 400, "INVALID_JSON", ""),
        ("42", 400, "BAD_REQUEST", ""),
        ("{}", 400, "BAD_REQUEST", "/message"),
        (r#"{"message": ""}"#, 400, "BAD_REQUEST", "/message"),
        (r#"{"message": " \u0000 "}"#, 400, "BAD_REQUEST", "/message"),
        (r#"{"message": 5}"#, 400, "BAD_REQUEST", "/message"),
        (r#"{"message": null}"#, 400, "BAD_REQUEST", "/message"),
        (&long, 413, "PAYLOAD_TOO_LARGE", "/message"),
        (r#"{"message": "а", "user_message": "б"}"#, 400, "AMBIGUOUS_PAYLOAD", "/user_message"),
        (r#"{"message": "а", "flow_name": "нет"}"#, 400, "BAD_REQUEST", "/flow_name"),
        (r#"{"message": "а", "flow_name": "../etc"}"#, 400, "BAD_REQUEST", "/flow_name"),
        (r#"{"message": "а", "flow_name": "spin_seling"}"#, 422, "UNKNOWN_FLOW", "/flow_name"),
        (r#"{"message": "а", "flow_name": 7}"#, 400, "BAD_REQUEST", "/flow_name"),
        (r#"{"message": "а", "snapshot": "x"}"#, 422, "INVALID_SNAPSHOT", "/snapshot"),
        (r#"{"message": "а", "snapshot": {"version": "3.0"}}"#, 422, "SNAPSHOT_TOO_NEW", "/snapshot/version"),
        (r#"{"message": "а", "snapshot": {"version": 2}}"#, 422, "INVALID_SNAPSHOT", "/snapshot/version"),
        (
            r#"{"message": "а", "snapshot": {"version": "2.0", "flow": "gone"}}"#,
            422,
            "UNKNOWN_FLOW",
            "/snapshot/flow",
        ),
        (
            r#"{"message": "а", "snapshot": {"version": "2.0", "counters": {"turn": "три"}}}"#,
            422,
            "INVALID_SNAPSHOT",
            "/snapshot/counters/turn",
        ),
        (
            r#"{"message": "а", "snapshot": {"version": "2.0", "slots": {"contact_info": "8705"}}}"#,
            422,
            "INVALID_SNAPSHOT",
            "/snapshot/slots/contact_info",
        ),
        (r#"{"message": "а", "options": {"trace": "все"}}"#, 400, "BAD_REQUEST", "/options/trace"),
        (r#"{"message": "а", "options": {"seed": -1}}"#, 400, "BAD_REQUEST", "/options/seed"),
        (r#"{"message": "а", "client_id": ""}"#, 400, "BAD_REQUEST", "/client_id"),
        (r#"[{"client_text": "а", "session": "1"}]"#, 422, "SNAPSHOT_STORE_DISABLED", ""),
    ];
    for (body, status, code, pointer) in cases {
        check_problem(body, status, code, pointer);
    }
}

#[test]
fn wrong_path_method_and_type_are_problems_too() {
    let (status, problem, kind) = get("/api/v1/nothing");
    assert_eq!(
        (status.as_u16(), &problem["code"], kind.as_str()),
        (404, &json!("NOT_FOUND"), "application/problem+json")
    );
    let (status, problem, _) = get("/api/v1/process");
    assert_eq!((status.as_u16(), &problem["code"]), (405, &json!("METHOD_NOT_ALLOWED")));
    let request =
        Request::post("/api/v1/process").header("content-type", "text/plain").body(Body::from("привет"));
    let (status, problem, _) = send(request.expect("a request"));
    assert_eq!((status.as_u16(), &problem["code"]), (415, &json!("UNSUPPORTED_MEDIA_TYPE")));
}

#[test]
fn a_body_of_twelve_mebibytes_is_refused() {
    let (status, problem, _) = post("x".repeat(12 << 20));
    assert_eq!((status.as_u16(), &problem["code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
}

#[test]
fn control_characters_go_and_the_text_stays() {
    let (status, body, _) = process(&json!({"message": "сколько\u{0} сто\u{7}ит\u{1b}"}));
    assert_eq!(status, 200);
    assert_eq!(body["snapshot"]["turns"][0]["user"], "сколько стоит");
}

#[test]
fn a_snapshot_with_gaps_takes_defaults_and_an_unknown_state_goes_on_at_its_phase() {
    let (status, body, _) = process(
        &json!({"message": "сколько стоит?", "snapshot": {"version": "2.0", "state": "old_flow_problem", "slots": {"company_size": 5}}}),
    );
    assert_eq!(status, 200);
    assert_eq!(body["initial_state"], "spin_problem");
    assert!(
        body["meta"]["warnings"][0].as_str().is_some_and(|warning| warning.contains("snapshot_state_reset")),
        "{}",
        body["meta"]
    );
    assert_eq!(body["collected_data"]["company_size"], 5);
}

#[test]
fn another_clients_snapshot_is_never_used() {
    let (_, first, _) = process(&json!({"message": "мой номер 8 705 123 45 67", "client_id": "shop-a"}));
    let (status, second, _) =
        process(&json!({"message": "привет", "client_id": "shop-b", "snapshot": first["snapshot"]}));
    assert_eq!(status, 200);
    assert_eq!(second["meta"]["snapshot_ignored"], "client_mismatch");
    assert!(!second.to_string().contains("7051234567"), "the other client's phone came through");
}

#[test]
fn the_integration_shape_and_the_core_shape_give_the_same_reply() {
    let options = json!({"seed": 4, "now": 1_760_000_000});
    let (_, core, _) = process(&json!({"message": "сколько стоит?", "session_id": "s", "options": options}));
    let (_, integration, _) = process(
        &json!({"user_message": "сколько стоит?", "client_id": "c", "session_id": "s", "history_tail": [], "options": options}),
    );
    assert_eq!(core["response"], integration["response"]);
    assert_eq!(
        (&core["meta"]["shape"], &integration["meta"]["shape"]),
        (&json!("core"), &json!("integration"))
    );
}

#[test]
fn a_draining_service_says_so() {
    let service = service();
    service.drain();
    let router = app(service);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let status = |path: &'static str| {
        let router = router.clone();
        runtime.block_on(async move {
            router
                .oneshot(Request::get(path).body(Body::empty()).expect("a request"))
                .await
                .expect("an answer")
                .status()
        })
    };
    assert_eq!((status("/health").as_u16(), status("/ready").as_u16()), (503, 503));
}

#[test]
fn every_code_has_one_status_and_one_name() {
    for (code, name, status, title) in Code::ALL {
        assert_eq!((code.name(), code.status()), (name, status));
        assert!(!title.is_empty());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[а-я ?!0-9]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,10}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every path of a JSON value, as the keys that lead there.
fn paths(value: &Value, here: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    out.push(here.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        here.push(key);
        paths(child, here, out);
        here.pop();
    }
}

fn put(value: &mut Value, path: &[String], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    match value {
        Value::Object(map) => put(map.entry(first.clone()).or_insert(Value::Null), rest, new),
        Value::Array(list) => {
            if let Some(item) = first.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                put(item, rest, new);
            }
        }
        _ => {}
    }
}

fn walked() -> Value {
    let mut snapshot = Value::Null;
    for message in
        ["здравствуйте, у нас два магазина", "дорого", "нас 5 человек", "недостача", "8 705 123 45 67"]
    {
        snapshot = process(&json!({"message": message, "snapshot": snapshot})).1["snapshot"].clone();
    }
    snapshot
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any change anywhere in a body with a snapshot: a reply or a problem, never a fault, nothing lost.
    #[test]
    fn mutated_bodies_and_snapshots_never_break_the_service(pick in any::<prop::sample::Index>(), new in any_json(), message in "\\PC{1,60}") {
        static WALKED: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
        let mut body = json!({"message": message, "snapshot": WALKED.get_or_init(walked), "flow_name": "spin_selling", "options": {"seed": 1}});
        let mut all = Vec::new();
        paths(&body, &mut Vec::new(), &mut all);
        put(&mut body, &pick.get::<Vec<String>>(&all).clone(), new);
        let (status, answer, _) = process(&body);
        prop_assert!(matches!(status.as_u16(), 200 | 400 | 413 | 422), "{status}: {answer}");
        if status == 200 {
            prop_assert!(answer["response"].as_str().is_some_and(|text| !text.is_empty()));
            prop_assert!(answer["snapshot"].is_object());
        } else {
            prop_assert!(answer["code"].is_string() && answer["detail"].is_string());
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (status, answer, _) = post(bytes);
        prop_assert!(status.as_u16() < 500, "{status}: {answer}");
    }
}
