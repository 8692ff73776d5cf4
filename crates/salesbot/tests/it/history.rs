//! What was said before decides: the same question again, the same objection, a third message that says nothing.

use salesbot_dialogue::{DialogueState, Exchange};

use crate::loaded;
use crate::questions::read;

/// A talk of these turns: (message, intent, action of the bot).
fn after(turns: &[(&str, &str, &str)]) -> DialogueState {
    let mut state = DialogueState { state: "spin_situation".to_owned(), ..DialogueState::default() };
    for (user, intent, action) in turns {
        let text = |text: &str| text.to_owned();
        let turn =
            Exchange { user: text(user), intent: text(intent), action: text(action), ..Exchange::default() };
        state.turns.push(turn);
        state.counters.turn += 1;
        *state.counters.intents.entry(text(intent)).or_default() += 1;
    }
    state
}

fn intent(message: &str, state: &DialogueState) -> &'static str {
    loaded().engine.catalog.intents.name(read(message, state).intent)
}

#[test]
fn who_wants_an_answer_gets_the_question_read_again() {
    let asked = after(&[
        ("а с 1с у вас работает?", "question_1c_integration", "answer_with_facts"),
        ("да вы издеваетесь", "frustration_expression", "empathize_and_help"),
    ]);
    for message in [
        "вы не ответили",
        "вы так и не ответили на мой вопрос",
        "Я же спросил!",
        "ну так что?",
        "и?",
        "где ответ",
        "жду ответа",
        "ответьте пожалуйста на вопрос",
        "повторяю вопрос",
        "вопрос остался без ответа",
    ] {
        let read = read(message, &asked);
        assert_eq!(intent(message, &asked), "question_1c_integration", "{message}");
        assert!(read.repeated && read.confidence >= 0.9, "{message}");
        assert_eq!(read.questions[0].text, "а с 1с у вас работает?", "{message}");
    }
}

#[test]
fn other_words_ask_for_something_else() {
    let asked = after(&[("а с 1с у вас работает?", "question_1c_integration", "answer_with_facts")]);
    for message in
        ["и сколько это стоит?", "ну и", "не ответил поставщик", "так что с оплатой?", "жду звонка"]
    {
        assert_ne!(intent(message, &asked), "question_1c_integration", "{message}");
    }
    let told = after(&[("нас пятеро", "situation_provided", "probe_problem")]);
    for message in ["вы не ответили", "и?", "ну так что?"] {
        assert!(!read(message, &told).repeated, "{message}");
    }
}

#[test]
fn a_question_the_bot_went_past_is_sure_the_second_time() {
    let past = after(&[("сканер нужен?", "question_scanner", "continue_current_goal")]);
    let read = read("так сканер то нужен или нет", &past);
    assert_eq!(loaded().engine.catalog.intents.name(read.intent), "question_scanner");
    assert!(read.repeated && read.confidence >= 0.9, "{read:?}");
}

#[test]
fn an_objection_raised_again_is_sure() {
    let again = after(&[("дорого", "objection_price", "handle_objection")]);
    let read = read("все равно дороговато выходит", &again);
    assert_eq!(loaded().engine.catalog.intents.name(read.intent), "objection_price");
    assert!(read.confidence >= 0.95, "{read:?}");
}

#[test]
fn the_third_message_that_says_nothing_calls_for_a_clarification() {
    let twice = [("мм", "unclear", "clarify"), ("эм", "unclear", "clarify")];
    let flagged = |state: &DialogueState| {
        read("ыыы", state).because.iter().any(|why| why.starts_with("needs_clarification"))
    };
    assert!(flagged(&after(&twice)));
    assert!(!flagged(&after(&twice[..1])));
}
