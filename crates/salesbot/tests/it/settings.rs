//! No setting does nothing: each key of the dialogue, changed, changes some decision of a random walk.

use salesbot_dialogue::policy::ReplyMemory;
use salesbot_dialogue::understanding::{Candidate, Method};
use salesbot_dialogue::{Flow, Options, SlotFill, Turn, commit, decide};
use serde_json::json;

use crate::walks::{Dice, START, event, fresh};
use crate::{loaded, set, turn_with};

type Values = &'static [(&'static str, &'static str)];

/// Keys whose other value is no number beside theirs, or that may only change with another: key, what stands on
/// both sides, what changes.
const OTHERS: [(&str, Values, Values); 7] = [
    ("dialogue.guard.profile", &[], &[("dialogue.guard.profile", "strict")]),
    (
        "dialogue.guard.high_frustration_threshold",
        &[],
        &[("dialogue.guard.high_frustration_threshold", "5"), ("dialogue.frustration.thresholds.high", "5")],
    ),
    (
        "dialogue.frustration.thresholds.high",
        &[],
        &[("dialogue.guard.high_frustration_threshold", "5"), ("dialogue.frustration.thresholds.high", "5")],
    ),
    (
        "dialogue.frustration.thresholds.moderate",
        &[("dialogue.frustration.thresholds.warning", "6")],
        &[("dialogue.frustration.thresholds.moderate", "5")],
    ),
    (
        "dialogue.escalation.complex_intents",
        &[],
        &[("dialogue.escalation.complex_intents", "question_offline")],
    ),
    ("dialogue.circular_flow.enabled", &[], &[("dialogue.circular_flow.enabled", "false")]),
    ("dialogue.sources_off", &[], &[("dialogue.sources_off", "PriceQuestionSource")]),
];
/// The writer's own; `the_writers_settings_change_a_reply` shows them.
const WRITERS: [&str; 1] = ["dialogue.cta.offered_kinds"];
const PERSONAS: [&str; 10] = [
    "happy_path",
    "skeptic",
    "busy",
    "price_sensitive",
    "competitor_user",
    "aggressive",
    "technical",
    "tire_kicker",
    "analytical",
    "friendly",
];

fn with<'v>(changes: impl IntoIterator<Item = (&'v str, &'v str)>) -> Option<Options> {
    let environment: Vec<(String, &str)> = changes
        .into_iter()
        .map(|(key, value)| (format!("SALESBOT_{}", key.to_uppercase().replace('.', "__")), value))
        .collect();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    set(&environment).ok().map(|(engine, _)| engine.options.dialogue)
}

/// Other values of a key, likely ones first.
fn others(value: &str) -> Vec<String> {
    if value.contains(',') {
        return vec!["1, 1".to_owned(), "1, 2".to_owned()];
    }
    if value == "profile" {
        return vec!["2".to_owned(), "60".to_owned()];
    }
    let number: i64 = value.parse().unwrap_or_else(|_| panic!("`{value}` needs a row in OTHERS"));
    [number * 2, number / 2, number + number / 3, number - 1, number + 1, 1]
        .iter()
        .filter(|n| **n != number)
        .map(i64::to_string)
        .collect()
}

/// How the client of a walk behaves: some settings act on stubborn or wavering people alone.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Any,
    Stuck,
    Wavering,
    Objecting,
}

/// Intents a client may mean at once, each handled in its own way.
const WISHES: [&str; 6] = [
    "question_offline",
    "request_references",
    "request_invoice",
    "question_features",
    "request_contract",
    "request_proposal",
];

/// Signals of the lead score that random talks seldom hold.
const RARE: [&str; 5] = [
    "consultation_request",
    "callback_request",
    "question_integrations",
    "question_customization",
    "request_sla",
];

/// Does a walk go another way with these options?
pub(crate) fn differs(base: &Options, options: &Options, flow: &Flow, seed: u64) -> bool {
    let engine = &loaded().engine;
    let intents = &engine.catalog.intents;
    let manner = [Manner::Any, Manner::Stuck, Manner::Objecting, Manner::Wavering]
        [usize::try_from(seed % 4).unwrap_or(0)];
    let mut dice = Dice(seed);
    let (mut state, mut now) = (fresh(flow), START);
    let mut last = None;
    for _ in 0..24 {
        let mut read = event(&mut dice, &state, flow, engine);
        // People repeat themselves and have one character.
        if let Some(last) = last.filter(|_| dice.one_in(2)) {
            read.intent = last;
        }
        last = Some(read.intent);
        if dice.one_in(6) {
            read.intent = intents.id(dice.pick(&RARE)).expect("an intent");
        }
        let mut fill = |slot: &str, value| {
            read.slots.push(SlotFill { slot: slot.to_owned(), value, source: String::new() });
        };
        if let Some(persona) =
            PERSONAS.get(usize::try_from(seed / 4 + 10).unwrap_or(0) % (PERSONAS.len() + 1))
        {
            fill("persona", json!(persona));
        }
        if dice.one_in(10) {
            fill("company_size", json!(150));
        }
        match manner {
            Manner::Any => {}
            Manner::Stuck if dice.one_in(8) => {}
            Manner::Stuck => {
                let said = dice.pick(&["unclear", "unclear", "gratitude", "small_talk"]);
                read.intent = intents.id(said).expect("an intent");
                read.slots.clear();
                read.secondary.clear();
                read.questions.clear();
                read.asks = false;
                read.tone.frustration = u8::try_from(dice.below(5)).expect("small");
            }
            Manner::Objecting => {
                let said =
                    dice.pick(&["objection_price", "objection_competitor", "objection_trust", "agreement"]);
                read.intent = intents.id(said).expect("an intent");
                read.asks = false;
                read.questions.clear();
            }
            Manner::Wavering => {
                let mut wish = || intents.id(dice.pick(&WISHES)).expect("an intent");
                let (one, other) = (wish(), wish());
                let far = dice.below(30) as f32 / 100.0;
                let candidate = |intent, score: f32| Candidate {
                    intent,
                    score: score.max(0.01),
                    method: Method::Linear,
                    evidence: String::new(),
                };
                read.intent = one;
                read.method = Method::Linear;
                read.slots.clear();
                read.candidates =
                    vec![candidate(one, read.confidence), candidate(other, read.confidence - far)];
            }
        }
        now += if dice.one_in(6) { 700 } else { 50 };
        let message = dice.pick(&["сообщение", "да", "и ещё один длинный вопрос про склад"]);
        let turn = Turn { message, state: &state, flow, now };
        let ours = decide(&turn, &read, &engine.catalog, base);
        let theirs = decide(&turn, &read, &engine.catalog, options);
        let reply =
            ReplyMemory { cta: ours.cta.as_ref().ok().map(|_| "demo".to_owned()), ..ReplyMemory::default() };
        let next = commit(&turn, &read, &ours, &reply, &engine.catalog, base);
        if ours != theirs || next != commit(&turn, &read, &theirs, &reply, &engine.catalog, options) {
            return true;
        }
        state = next;
    }
    false
}

#[test]
fn every_setting_of_the_dialogue_changes_a_decision() {
    let loaded = loaded();
    let mut idle = Vec::new();
    for (key, value) in loaded.settings.show().filter(|(key, _)| key.starts_with("dialogue.")) {
        if WRITERS.contains(&key) {
            continue;
        }
        let pairs = |values: Values| values.to_vec();
        let numbers;
        let (beside, rows) = match OTHERS.iter().find(|(known, ..)| *known == key) {
            Some((_, beside, row)) => (pairs(beside), vec![pairs(row)]),
            None => {
                numbers = others(&value.text);
                (Vec::new(), numbers.iter().map(|other| vec![(key, other.as_str())]).collect())
            }
        };
        let base = with(beside.clone()).expect("valid settings");
        let changed = rows.into_iter().filter_map(|row| with(beside.iter().copied().chain(row)));
        let flows = || loaded.engine.catalog.flows();
        let acts = changed
            .into_iter()
            .any(|options| (0..88).any(|seed| flows().any(|flow| differs(&base, &options, flow, seed))));
        if !acts {
            idle.push(key);
        }
    }
    assert!(idle.is_empty(), "these change nothing: {idle:?}");
}

/// The last reply of a talk.
fn say(environment: &[(&str, &str)], flow: &str, messages: &[&str]) -> String {
    let (engine, settings) = set(environment).expect("valid settings");
    let mut response = json!({"snapshot": null});
    for message in messages {
        let body = json!({
            "message": message, "snapshot": response["snapshot"], "flow_name": flow,
            "options": {"seed": 1, "now": START},
        });
        response = turn_with(&engine, &settings, &body).expect("a reply");
    }
    response["response"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_retrievers_settings_change_a_reply() {
    let asks: &[&str] = &["здравствуйте", "сколько дней идет доставка в караганду?"];
    let fact = say(&[], "bant", asks);
    assert!(fact.contains("доставля") || fact.contains("оставк"), "{fact}");
    assert_ne!(say(&[("SALESBOT_RETRIEVER__MIN_COVERAGE", "1")], "bant", asks), fact);
    let options = |value: &str| {
        set(&[("SALESBOT_RETRIEVER__TYPO", value)]).expect("valid").0.options.writer.retriever.typo
    };
    assert_eq!((options("true"), options("false")), (true, false));
    let boost = |value: &str| set(&[("SALESBOT_RETRIEVER__CATEGORY_BOOST", value)]);
    assert!((boost("2.5").expect("valid").0.options.writer.retriever.category_boost - 2.5).abs() < 1e-6);
    assert!(boost("0.5").is_err(), "a boost never lowers");
}

#[test]
fn the_writers_settings_change_a_reply() {
    let hello: &[&str] = &["здравствуйте"];
    assert!(say(&[], "bant", hello).contains("Wipon"));
    assert!(say(&[("SALESBOT_COMPANY__NAME", "Ромашка")], "bant", hello).contains("Ромашка"));
    let thanks: &[&str] = &["нас трое с продавцами", "ясно", "спасибо"];
    let shown = say(&[], "demo_first", thanks);
    assert!(shown.contains("показ"), "{shown}");
    let called = say(&[("SALESBOT_DIALOGUE__CTA__OFFERED_KINDS", "contact")], "demo_first", thanks);
    assert!(called.contains("номер") && !called.contains("показ"), "{called}");
}
