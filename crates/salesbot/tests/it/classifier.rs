//! The shipped classifier is the one today's content gives, and reads what it was never trained on.

use std::sync::Arc;

use salesbot_dialogue::{DialogueState, Turn};
use salesbot_engine::nlu::Nlu;
use salesbot_knowledge::concepts::Concepts;
use salesbot_yaml::Diagnostics;

use crate::{data, loaded, updating};

fn fresh_model() -> Vec<u8> {
    let content = salesbot::content::Content::open(None).expect("the embedded content");
    let sources = content.sources();
    let mut diagnostics = Diagnostics::default();
    let catalog = salesbot_dialogue::IntentCatalog::load(&sources.intents, &mut diagnostics);
    let concepts = Arc::new(Concepts::load(&sources.nlu.concepts, &mut diagnostics));
    let nlu = Nlu::load(&sources.nlu, &catalog, concepts, &mut std::iter::empty(), &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics}");
    nlu.models().to_bytes()
}

#[test]
fn the_shipped_model_is_the_one_the_examples_give_bit_for_bit() {
    let shipped = salesbot::content::shipped_model();
    let fresh = fresh_model();
    if updating() {
        std::fs::write(data("../content/nlu/model.bin"), &fresh).expect("the content folder can be written");
        return;
    }
    assert!(
        fresh == shipped,
        "content/nlu changed: run `UPDATE_EXPECT=1 cargo test shipped_model` and commit nlu/model.bin"
    );
    assert!(shipped.len() < 5 << 20, "{} bytes: a committed model stays under 5 MiB", shipped.len());
}

/// Share of the held-out utterances whose intent comes first; they are unlike every example (overlap below 0.6).
#[test]
fn held_out_utterances_are_read_far_above_chance() {
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let state = DialogueState::default();
    let (mut right, mut all) = (0, 0);
    for (id, spec) in engine.catalog.intents.iter() {
        for text in &spec.held_out {
            let turn = Turn { message: text, state: &state, flow, now: 0 };
            let read = engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu);
            right += usize::from(read.intent == id || read.original_intent == Some(id));
            all += 1;
        }
    }
    assert!(all >= 500, "{all} held-out utterances");
    assert!(right * 100 >= all * 45, "{right} of {all}");
}

#[test]
fn every_intent_has_its_examples_and_the_sale_has_plenty() {
    let intents = &loaded().engine.catalog.intents;
    assert_eq!(intents.len(), 252);
    let rich = intents.iter().filter(|(_, spec)| spec.examples.len() >= 25).count();
    assert!(rich >= 60, "{rich} intents with 25 examples or more");
    for (_, spec) in intents.iter() {
        assert!(spec.examples.len() >= 6, "{} has {}", spec.name, spec.examples.len());
        assert!(!spec.label.is_empty() && !spec.gloss.is_empty(), "{}", spec.name);
    }
}

/// The costliest mistake of products like this one: a client who asks is taken for one who refuses.
#[test]
fn no_question_is_read_as_a_refusal() {
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let state = DialogueState::default();
    let harmful =
        |name: &str| name.starts_with("objection_") || ["rejection", "no_need", "no_problem"].contains(&name);
    let questions = [
        "сколько ждать ответа?!",
        "нет, скажите цену",
        "а если не понравится?",
        "почему нет цены на сайте?",
        "не дорого?",
        "зачем столько вопросов, какая цена?",
        "нет а сколько стоит то",
        "у вас нет рассрочки?",
        "вам что трудно цену написать?",
        "не поняла, а без интернета работает?",
        "и что, совсем нет бесплатного?",
        "разве нет скидок?",
    ];
    for text in questions {
        let turn = Turn { message: text, state: &state, flow, now: 0 };
        let read = engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu);
        let name = engine.catalog.intents.name(read.intent);
        assert!(!harmful(name), "`{text}` was read as {name}");
    }
}
