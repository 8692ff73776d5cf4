//! Questions are questions, wherever in the talk they come and whatever words stand in them, and tell nothing
//! about the client that he did not say.

use salesbot_dialogue::{Asked, DialogueState, Exchange, Turn, Understanding};

use crate::{data, loaded};

fn lines(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(data(&format!("nlu/{file}"))).expect("a file of messages");
    text.lines().map(str::to_owned).collect()
}

/// Places of a talk: nowhere in particular, after an offer, after a question about troubles, after "how many".
fn standings() -> Vec<(&'static str, DialogueState)> {
    let after = |state: &str, kind: &str, slot: Option<&str>| {
        let mut at = DialogueState { state: state.to_owned(), ..DialogueState::default() };
        at.counters.turn = 3;
        at.turns.push(Exchange { asked: true, ..Exchange::default() });
        at.asked = Some(Asked { slot: slot.map(str::to_owned), kind: kind.to_owned(), ..Asked::default() });
        at
    };
    let mut nowhere = DialogueState::default();
    nowhere.counters.turn = 5;
    vec![
        ("nowhere", nowhere),
        ("after an offer", after("presentation", "yes_no", None)),
        ("asked about troubles", after("spin_problem", "open", Some("pain_point"))),
        ("asked how many people", after("spin_situation", "open", Some("company_size"))),
    ]
}

pub(crate) fn read(message: &str, state: &DialogueState) -> Understanding {
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let turn = Turn { message, state, flow, now: 0 };
    engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu)
}

#[test]
fn no_question_is_read_as_a_refusal_an_agreement_an_objection_or_a_farewell() {
    let questions = lines("questions.txt");
    assert!(questions.len() >= 500, "{} questions", questions.len());
    let intents = &loaded().engine.catalog.intents;
    let mut wrong = Vec::new();
    for (place, state) in standings() {
        for message in &questions {
            let read = read(message, &state);
            let name = intents.name(read.intent);
            let turned = intents.is_objection(read.intent)
                || intents.in_category(read.intent, "exit")
                || ["agreement", "no_problem", "no_need", "ready_to_buy"].contains(&name);
            if turned {
                wrong.push(format!("{place}: {name}: {message}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} misread:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn questions_that_state_nothing_fill_no_slot() {
    let mut questions = lines("questions.txt");
    questions.extend(lines("tempting.txt"));
    assert!(questions.len() >= 800, "{} questions", questions.len());
    let (_, state) = standings().swap_remove(0);
    let mut wrong = Vec::new();
    for message in &questions {
        for fill in read(message, &state).slots {
            if ["role", "urgency", "business_type", "pain_point"].contains(&fill.slot.as_str()) {
                wrong.push(format!("{} = {}: {message}", fill.slot, fill.value));
            }
        }
    }
    assert!(wrong.is_empty(), "{} filled:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn who_has_no_trouble_tells_none() {
    let (_, state) = standings().swap_remove(0);
    for message in [
        "очередей не бывает, народу мало",
        "недостач нет",
        "пересортицы не замечала",
        "не воруют у меня, родня работает",
        "клиентов не теряем, все свои постоянные",
        "ценники всегда совпадают, путаницы нет",
        "с просрочкой не сталкиваемся, всё уходит за два дня",
    ] {
        let told: Vec<String> = read(message, &state).slots.into_iter().map(|fill| fill.slot).collect();
        assert!(!told.iter().any(|slot| slot.starts_with("pain")), "{message}: {told:?}");
    }
    let read = read("товара всего 40 позиций", &state);
    assert!(!read.slots.iter().any(|fill| fill.slot == "company_size"), "{:?}", read.slots);
}
