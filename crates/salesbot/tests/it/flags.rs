//! A flag that acts makes a difference; the others say what they wait for.

use salesbot::flags::{FLAGS, Part};
use serde_json::{Value, json};

use crate::{load_with, turn_of};

/// The last response of a talk with one flag set.
fn talk(flag: &str, on: bool, messages: &[&str]) -> Value {
    let name = format!("FF_{flag}");
    let loaded = load_with(&[(name.as_str(), if on { "true" } else { "false" })]);
    let mut response = json!({"snapshot": null});
    for message in messages {
        let body = json!({"message": message, "snapshot": response["snapshot"], "options": {"seed": 2, "now": 1_760_000_000}});
        response = turn_of(&loaded, &body).expect("a reply");
    }
    response
}

/// Flag, a talk, and the field of its last response in which on and off differ.
const TALKS: [(&str, &[&str], &str); 11] = [
    ("tone_analysis", &["вы издеваетесь!!! сколько можно"], "tone"),
    ("lead_scoring", &["здравствуйте"], "lead_score"),
    ("apology_system", &["цена?", "вы издеваетесь, не то спросил"], "response"),
    ("secondary_intent_detection", &["Сколько стоит тариф Mini? А доставка в Актобе есть?"], "response"),
    ("refinement_pipeline", &["здравствуйте, у нас 5 человек", "в экселе", "да"], "intent"),
    ("objection_handler", &["надо подумать", "надо еще подумать"], "state"),
    (
        "circular_flow",
        &["у нас магазин одежды", "нас 5 человек", "недостача постоянно", "давайте вернемся назад"],
        "state",
    ),
    (
        "universal_stall_guard",
        &["магазин одежды", "спасибо", "спасибо вам", "спасибо большое", "благодарю", "спасибо"],
        "state",
    ),
    ("multi_tier_fallback", &["нас 5 человек", "ыъыъ ыы", "ыъыъ ыы"], "action"),
    ("conversation_guard", &["нас 5 человек", "ыъыъ ыы", "ыъыъ ыы"], "action"),
    ("price_question_override", &["здравствуйте, а сколько стоит? нас 5 человек"], "reason_codes"),
];

#[test]
fn the_flags_that_act_change_a_talk() {
    let same = |(flag, messages, key): &(&str, &[&str], &str)| {
        let (on, off) = (talk(flag, true, messages), talk(flag, false, messages));
        (on[*key] == off[*key]).then(|| format!("`{flag}` changes nothing in `{key}`: {}", on[*key]))
    };
    let idle: Vec<String> = TALKS.iter().filter_map(same).collect();
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

#[test]
fn every_flag_of_the_reference_is_listed_once() {
    let mut names: Vec<&str> = FLAGS.iter().map(|flag| flag.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!((names.len(), count), (65, 65));
    assert!(FLAGS.iter().all(|flag| !matches!(flag.part, Part::Waits(part) if part.is_empty())));
}
