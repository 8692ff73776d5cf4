//! Named configurations, overrides while running, reload, and the doors that show them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use salesbot::content::Content;
use salesbot::http::{Service, app};
use salesbot::load::{self, Loaded};
use salesbot::reload::reload;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A content folder of its own, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("content-{name}"));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a scratch folder");
    std::fs::write(path, text).expect("a scratch file");
}

fn load_folder(folder: &Path) -> anyhow::Result<Loaded> {
    load::build(Content::open(Some(folder)).expect("the content"), &[])
}

fn serve(folder: &Path) -> Arc<Service> {
    let loaded = load_folder(folder).expect("good content");
    Arc::new(Service::new(&loaded, Vec::new(), Some(folder.join("state/overrides.json"))))
}

fn call(service: &Arc<Service>, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(if body.is_null() { Body::empty() } else { Body::from(body.to_string()) })
        .expect("a request");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let response = app(Arc::clone(service)).oneshot(request).await.expect("a response");
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 22).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    })
}

fn say(service: &Arc<Service>, message: &str, more: &Value) -> Value {
    let mut body = json!({"message": message, "options": {"seed": 3, "now": 1_760_000_000}});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let (status, response) = call(service, "POST", "/api/v1/process", &body);
    assert_eq!(status, StatusCode::OK, "{response}");
    response
}

const ACME_FLOW: &str = "
flow: short
description: Two questions and the number
entry_state: short_trade
phases:
  - phase: trade
    state: short_trade
    extends: phase_base
    mixins: [advance_on_assent]
    goal: Learn what the client trades in.
    required: [business_type]
    next: short_pain
    prev: greeting
    price_default: answer_with_pricing
    unclear_default: continue_current_goal
  - phase: pain
    state: short_pain
    extends: phase_base
    mixins: [advance_on_assent]
    goal: Learn what hurts.
    required: [pain_point]
    next: close
    prev: short_trade
    price_default: answer_with_pricing
    unclear_default: continue_current_goal
";

#[test]
fn a_configuration_overlays_file_by_file_and_key_by_key() {
    let folder = folder("acme");
    write(&folder, "configs/acme/config.yaml", "description: shops of Acme\n");
    write(
        &folder,
        "configs/acme/settings.yaml",
        "company:\n  name: Акме\ndialogue:\n  guard:\n    max_turns: 9\nflow:\n  active: short\n",
    );
    write(&folder, "configs/acme/flows/short/flow.yaml", ACME_FLOW);
    let service = serve(&folder);
    let (_, listed) = call(&service, "GET", "/api/v1/configs", &Value::Null);
    let names: Vec<&str> =
        listed["configs"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["default", "acme"]);
    assert_eq!(listed["configs"][1]["description"], "shops of Acme");
    let own = say(&service, "у меня магазин обуви", &json!({"config_name": "acme"}));
    assert_eq!(own["meta"]["config_name"], "acme");
    assert_eq!(own["meta"]["flow_name"], "short");
    assert_eq!(own["state"], "short_pain", "the trade is known, the phase passed");
    assert_eq!(own["meta"].get("config_fallback"), None);
    let plain = say(&service, "у меня магазин обуви", &json!({}));
    assert_eq!(plain["meta"]["flow_name"], "spin_selling");
    // The snapshot remembers its configuration.
    let on = say(&service, "остатки не сходятся", &json!({"snapshot": own["snapshot"]}));
    assert_eq!((on["state"].as_str(), on["meta"]["config_name"].as_str()), (Some("close"), Some("acme")));
    let unknown = say(&service, "привет", &json!({"config_name": "nobody"}));
    assert_eq!(unknown["meta"]["config_fallback"], true);
    assert_eq!(unknown["meta"]["config_name"], "default");
}

#[test]
fn a_broken_configuration_names_its_own_file() {
    let folder = folder("broken-config");
    write(&folder, "configs/acme/flows/short/flow.yaml", &ACME_FLOW.replace("next: close", "next: clos"));
    let found = load_folder(&folder).expect_err("a broken flow").to_string();
    assert!(
        found.contains("configs/acme/flows/short/flow.yaml:22:11") && found.contains("did you mean `close`?"),
        "{found}"
    );
    write(&folder, "configs/acme/flows/short/flow.yaml", ACME_FLOW);
    write(&folder, "configs/acme/settings.yaml", "server:\n  queue_limit: 3\n");
    let found = load_folder(&folder).expect_err("a service's key").to_string();
    assert!(found.contains("error[E23]: `server` belongs in the service's own settings.yaml"), "{found}");
}

#[test]
fn overrides_are_checked_applied_merged_kept_and_taken_back() {
    let folder = folder("override");
    let service = serve(&folder);
    let path = "/api/v1/configs/default/override";
    let set = |body: Value| call(&service, "POST", path, &body);
    let (_, made) = set(json!({"overrides": {"limits": {"max_gobacks": 0}, "guard": {"max_turns": 30}}}));
    assert_eq!(
        made,
        json!({"applied": ["limits", "guard"], "rejected": {}, "revision": 1, "persisted": false})
    );
    let (_, made) = set(json!({"overrides": {
        "limits": {"max_total_objections": 9}, "llm": {"model": "x"}, "guard": {"max_turn": 3}, "cta": {"max_frustration": 40}
    }}));
    assert_eq!(made["applied"], json!(["limits"]));
    assert_eq!(made["rejected"]["llm"], "structural key, requires redeploy");
    assert!(
        made["rejected"]["guard"]
            .as_str()
            .is_some_and(|why| why.contains("did you mean `dialogue.guard.max_turns`?")),
        "{made}"
    );
    assert!(made["rejected"]["cta"].as_str().is_some_and(|why| why.contains("from 1 to 10")), "{made}");
    let (_, shown) = call(&service, "GET", path, &Value::Null);
    assert_eq!(
        shown["overrides"],
        json!({"limits": {"max_gobacks": 0, "max_total_objections": 9}, "guard": {"max_turns": 30}})
    );
    assert_eq!(shown["revision"], 2);
    // A broken relation: these two thresholds are one.
    let (_, made) = set(json!({"overrides": {"guard": {"high_frustration_threshold": 6}}}));
    assert!(made["rejected"]["guard"].as_str().is_some_and(|why| why.contains("must be equal")), "{made}");
    let both = json!({"overrides": {"guard": {"high_frustration_threshold": 6}, "frustration": {"thresholds": {"high": 6}}}, "persist": true});
    assert_eq!(set(both).1["persisted"], true);
    // Kept over a restart, and gone after a delete.
    let again = serve(&folder);
    assert_eq!(
        call(&again, "GET", path, &Value::Null).1["overrides"]["frustration"],
        json!({"thresholds": {"high": 6}})
    );
    let (_, listed) = call(&again, "GET", "/api/v1/configs", &Value::Null);
    assert_eq!(listed["configs"][0]["has_overrides"], true);
    assert_eq!(
        call(&again, "DELETE", path, &Value::Null).1,
        json!({"config_name": "default", "cleared": true})
    );
    assert_eq!(call(&again, "DELETE", path, &Value::Null).1["cleared"], false);
    assert_eq!(call(&again, "GET", "/api/v1/configs/nobody/override", &Value::Null).0, StatusCode::NOT_FOUND);
    let (status, problem) = call(&again, "POST", path, &json!({"overrides": 3}));
    assert_eq!(
        (status, problem["errors"][0]["pointer"].as_str()),
        (StatusCode::BAD_REQUEST, Some("/overrides"))
    );
}

#[test]
fn an_override_acts_from_the_next_turn_on() {
    let service = serve(&folder("override-acts"));
    let talk = |service: &Arc<Service>| {
        let one = say(service, "нас 5 человек", &json!({}));
        say(service, "давайте вернемся назад", &json!({"snapshot": one["snapshot"]}))["action"].clone()
    };
    assert_eq!(talk(&service), "acknowledge_go_back");
    let body = json!({"overrides": {"limits": {"max_gobacks": 0}}});
    call(&service, "POST", "/api/v1/configs/default/override", &body);
    assert_eq!(talk(&service), "go_back_limit_reached");
    call(&service, "DELETE", "/api/v1/configs/default/override", &Value::Null);
    assert_eq!(talk(&service), "acknowledge_go_back");
}

#[test]
fn a_reload_swaps_good_content_and_keeps_the_old_for_bad() {
    let folder = folder("reload");
    let service = serve(&folder);
    let greet = |service: &Arc<Service>| {
        say(service, "здравствуйте", &json!({}))["response"].as_str().unwrap_or_default().to_owned()
    };
    let before = greet(&service);
    write(&folder, "settings.yaml", "company:\n  name: Лавка\n");
    let acks = include_str!("../../../../content/replies/acks.yaml")
        .replace("\"Здравствуйте!\"", "\"Здравствуйте, это {company}!\"");
    write(&folder, "replies/acks.yaml", &acks);
    assert!(reload(&service, "test"));
    let turns: Vec<String> = (0..3).map(|_| greet(&service)).collect();
    assert!(
        turns.iter().all(|reply| !reply.contains("Wipon") || reply.contains("Лавка")) && turns[0] != before,
        "{turns:?}"
    );
    write(&folder, "flows/spin_selling/flow.yaml", "flow: spin_selling\nentry_state: nowhere\n");
    assert!(!reload(&service, "test"), "a flow without its states");
    assert_eq!(greet(&service), turns[0], "the old content goes on");
    // A talk under way keeps the view it began with.
    let view = Arc::clone(service.configurations.live().view("default"));
    std::fs::remove_file(folder.join("flows/spin_selling/flow.yaml")).expect("the broken file");
    std::fs::remove_file(folder.join("settings.yaml")).expect("the settings");
    assert!(reload(&service, "test"));
    assert_eq!(view.settings.text("company.name"), "Лавка");
    assert_eq!(service.configurations.live().view("default").settings.text("company.name"), "Wipon");
}

#[test]
fn a_price_changed_in_the_knowledge_folder_is_told_after_a_reload() {
    let folder = folder("prices");
    let price = |amount: &str| {
        let section = format!(
            "sections:\n  - topic: oven\n    keywords: [печь хлебная, цена печи]\n    facts: Хлебная печь стоит {amount} ₸.\n"
        );
        write(&folder, "kb/equipment.yaml", &section);
    };
    write(
        &folder,
        "kb/_meta.yaml",
        "company: {name: Нан, description: Пекарня}\nstats: {total_sections: 1}\n",
    );
    price("150 000");
    let path = folder.join("kb");
    write(
        &folder,
        "content/settings.yaml",
        &format!("knowledge: {{path: {:?}}}\n", path.display().to_string()),
    );
    let service = serve(&folder.join("content"));
    let told = || {
        let response = say(&service, "сколько стоит хлебная печь?", &json!({}));
        response["response"].as_str().unwrap_or_default().replace('\u{a0}', " ")
    };
    assert!(told().contains("150 000 ₸"), "{}", told());
    price("175 000");
    assert!(told().contains("150 000 ₸"), "nothing changes before the reload");
    assert!(reload(&service, "test"));
    assert!(told().contains("175 000 ₸") && !told().contains("150 000"), "{}", told());
    write(&folder, "kb/equipment.yaml", "sections:\n  - topic: 'oven\n");
    assert!(!reload(&service, "test"), "a file that is no YAML");
    assert!(told().contains("175 000 ₸"), "the old knowledge goes on");
}

#[test]
fn flows_are_listed_and_a_talk_can_change_its_flow() {
    let service = serve(&folder("flows"));
    let (_, listed) = call(&service, "GET", "/api/v1/flows", &Value::Null);
    let names: Vec<&str> =
        listed["flows"].as_array().expect("a list").iter().filter_map(|flow| flow["name"].as_str()).collect();
    assert_eq!((names.len(), names[0]), (21, "spin_selling"));
    assert!(names[1..].is_sorted());
    let talk = say(&service, "здравствуйте, нас 5 человек", &json!({}));
    let stay = say(&service, "в экселе", &json!({"snapshot": talk["snapshot"], "flow_name": "bant"}));
    assert_eq!(
        (stay["meta"]["flow_name"].as_str(), stay["meta"]["flow_name_ignored"].as_bool()),
        (Some("spin_selling"), Some(true))
    );
    let allowed = json!({"snapshot": talk["snapshot"], "flow_name": "bant", "options": {"allow_flow_switch": true, "seed": 3, "now": 1_760_000_000}});
    let moved = say(&service, "в экселе", &allowed);
    assert_eq!(moved["meta"]["flow_switched"], json!({"from": "spin_selling", "to": "bant"}));
    assert!(moved["state"].as_str().is_some_and(|state| state.starts_with("bant_")), "{}", moved["state"]);
    assert_eq!(moved["collected_data"]["company_size"], 5, "what was learned goes along");
    let entered = say(&service, "да", &json!({"flow_name": "bant", "context": {"entry_point": "hot_lead"}}));
    assert_eq!(entered["initial_state"], "bant_need");
    let unknown = say(&service, "да", &json!({"flow_name": "bant", "context": {"entry_point": "cold"}}));
    assert!(
        unknown["meta"]["warnings"][0].as_str().is_some_and(|text| text.contains("hot_lead")),
        "{unknown}"
    );
}

#[test]
fn restore_tells_what_a_snapshot_says_and_takes_an_operators_notes() {
    let service = serve(&folder("restore"));
    let talk = say(&service, "здравствуйте, нас 5 человек", &json!({"client_id": "k1"}));
    let body = json!({"snapshot": talk["snapshot"], "operator_notes": {"locations_count": 2}, "paused_seconds": 600, "flow_name": "bant"});
    let (_, read) = call(&service, "POST", "/api/v1/restore", &body);
    assert_eq!(read["valid"], true, "{read}");
    assert_eq!(
        (read["collected_data"]["company_size"].as_i64(), read["collected_data"]["locations_count"].as_i64()),
        (Some(5), Some(2))
    );
    assert_eq!(read["snapshot"]["flow"], "bant");
    assert_eq!(read["turn_count"], 1);
    let on = say(&service, "да", &json!({"snapshot": read["snapshot"]}));
    assert_eq!(on["meta"]["flow_name"], "bant");
    let (_, bad) = call(
        &service,
        "POST",
        "/api/v1/restore",
        &json!({"snapshot": talk["snapshot"], "operator_notes": {"company_sise": 2}}),
    );
    assert_eq!(bad["valid"], false);
    assert!(
        bad["errors"][0].as_str().is_some_and(|why| why.contains("did you mean `company_size`?")),
        "{bad}"
    );
    assert_eq!(bad.get("snapshot"), None);
    let (_, foreign) =
        call(&service, "POST", "/api/v1/restore", &json!({"snapshot": talk["snapshot"], "client_id": "k2"}));
    assert_eq!((foreign["valid"].as_bool(), foreign.get("collected_data")), (Some(false), None));
    let (_, unusable) = call(&service, "POST", "/api/v1/restore", &json!({"snapshot": {"version": "9.0"}}));
    assert_eq!(unusable["valid"], false);
    assert_eq!(call(&service, "POST", "/api/v1/restore", &json!({})).0, StatusCode::BAD_REQUEST);
}

#[test]
fn flags_show_value_source_and_dependencies() {
    let service = serve(&folder("flags"));
    let (_, listed) = call(&service, "GET", "/api/v1/flags", &Value::Null);
    let flags = listed["flags"].as_array().expect("a list");
    assert_eq!(flags.len(), 65);
    let shadow = flags.iter().find(|flag| flag["name"] == "context_shadow_mode").expect("the flag");
    assert_eq!(shadow["depends_on"], json!(["context_policy_overlays"]));
    assert_eq!(
        flags.iter().find(|flag| flag["name"] == "lead_scoring").expect("the flag")["source"],
        "settings"
    );
}
