//! The question put to a language model when the classifier is unsure, and what a scripted answer may change.

use salesbot_dialogue::understanding::Method;
use salesbot_dialogue::{DialogueState, Turn, Understanding};
use salesbot_engine::nlu::question::{AnswerError, NluQuestion, Weighed};
use serde_json::{Value, json};

use crate::loaded;

fn ask(message: &str, always: bool) -> (Understanding, Option<NluQuestion>) {
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let state = DialogueState { state: "situation".to_owned(), ..DialogueState::default() };
    let turn = Turn { message, state: &state, flow, now: 0 };
    let read = engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu);
    let question = engine.nlu.question(&turn, &read, &engine.catalog.intents, always);
    (read, question)
}

fn answered(message: &str, answer: &Value) -> Result<(String, Understanding, Weighed), AnswerError> {
    let engine = &loaded().engine;
    let (read, question) = ask(message, true);
    let question = question.expect("asked always");
    let (read, weighed) =
        engine.nlu.merge(&question, &read, &answer.to_string(), &engine.catalog.intents, true)?;
    Ok((engine.catalog.intents.name(read.intent).to_owned(), read, weighed))
}

fn answer(intent: &str, confidence: f64, data: Value) -> Value {
    json!({"intent": intent, "confidence": confidence, "reasoning": "", "extracted_data": data,
        "alternatives": [{"intent": "unclear", "confidence": 0.05}]})
}

/// Messages that leave even people guessing; whatever is retrained, one of them leaves the classifier unsure.
const ODD: [&str; 5] = [
    "ветер северный а мы всё про своё думаем вот так вот",
    "у соседа снизу другая, та которая с ручкой, и ничего",
    "да вроде бы оно и так и не так если посмотреть",
    "синяя папка на полке, а про вторую забыли совсем",
    "ну вот когда как у людей тогда и поговорим про это дело",
];

fn odd() -> (&'static str, NluQuestion) {
    ODD.iter()
        .find_map(|message| Some((*message, ask(message, false).1?)))
        .expect("nobody can be sure of these")
}

#[test]
fn a_sure_message_asks_no_model_and_an_odd_one_does() {
    assert_eq!(ask("сколько стоит программа?", false).1, None);
    assert_eq!(ask("да", false).1, None);
    let (_, question) = odd();
    assert!((15..=25).contains(&question.intents.len()), "{}", question.intents.len());
    assert_eq!(question.intents.last().map(|(name, _)| name.as_str()), Some("unclear"));
    assert!(question.intents.iter().all(|(_, gloss)| !gloss.is_empty()));
    let listed: Vec<Value> = question.intents.iter().map(|(name, _)| json!(name)).collect();
    assert_eq!(question.schema["properties"]["intent"]["enum"], json!(listed));
    assert!(!question.slots.iter().any(|slot| slot.starts_with('_') || slot == "contact_info"));
}

#[test]
fn a_model_decides_between_what_the_classifier_left_open() {
    let (message, question) = odd();
    let second = question.intents[1].0.clone();
    let (name, read, _) = answered(message, &answer(&second, 0.9, json!({}))).expect("a good answer");
    assert_eq!((name, read.method), (second, Method::Llm));
    assert!(read.confidence < 0.9, "fused, not taken over: {}", read.confidence);
}

#[test]
fn a_sure_rule_outweighs_a_model() {
    let (_, question) = ask("сколько стоит программа?", true);
    let other = question.expect("asked always").intents[1].0.clone();
    let (name, ..) =
        answered("сколько стоит программа?", &answer(&other, 0.6, json!({}))).expect("a good answer");
    assert_eq!(name, "price_question");
}

#[test]
fn answers_off_the_list_or_out_of_shape_leave_the_reading_as_it_was() {
    let message = "сколько стоит программа?";
    // A question was asked: refusals are not on the list, so no model can bring them back.
    for intent in ["rejection", "objection_price", "no_such_intent"] {
        let refused = answered(message, &answer(intent, 0.99, json!({})));
        assert_eq!(refused.map(|(name, ..)| name), Err(AnswerError::OffList(intent.to_owned())));
    }
    let wild = answered(message, &answer("price_question", 7.0, json!({})));
    assert_eq!(wild.map(|(name, ..)| name), Err(AnswerError::Confidence("7".to_owned())));
    for text in ["", "null", "[]", "{\"intent\":\"price_question\"}", "{\"intent\":5}", "price_question"] {
        let (read, question) = ask(message, true);
        let engine = &loaded().engine;
        let question = question.expect("asked always");
        let merged = engine.nlu.merge(&question, &read, text, &engine.catalog.intents, true);
        assert!(matches!(merged, Err(AnswerError::Malformed(_))), "{text}");
    }
}

#[test]
fn only_facts_that_stand_in_the_message_are_taken() {
    let message = "ну как сказать работаем на солярисе старом, лет двенадцать уже так";
    let data = json!({"current_tools": "солярис", "company_size": 40, "pain_point": "клиенты уходят",
        "business_type": "розничная торговля", "urgency": "unknown", "contact_info": "87011234567", "_call_time": "x"});
    let (_, read, weighed) =
        answered(message, &answer("situation_provided", 0.8, data)).expect("a good answer");
    assert_eq!(weighed.accepted, ["current_tools"]);
    assert_eq!(read.slot("current_tools"), Some(&json!("солярис")));
    assert_eq!(read.slot("company_size"), None);
    let why = |slot: &str| weighed.dropped.iter().find(|(name, _)| name == slot).map(|(_, why)| why.as_str());
    assert_eq!(why("company_size"), Some("the number does not stand in the message"));
    assert_eq!(why("pain_point"), Some("its words do not stand in the message"));
    assert_eq!(why("business_type"), Some("nothing in the message says so"));
    assert_eq!(why("contact_info"), Some("no slot a model may fill"));
    assert_eq!(why("urgency"), None, "`unknown` is no value");
}

#[test]
fn a_models_own_confidence_is_taken_with_salt() {
    let (_, _, weighed) = answered("ну дорого", &answer("unclear", 0.95, json!({}))).expect("a good answer");
    assert!(weighed.calibration.iter().any(|why| why.contains("short message")), "{weighed:?}");
}
