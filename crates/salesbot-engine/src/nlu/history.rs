//! What was said before makes a message sure: the same question again, the same objection, a third message that
//! says nothing.

use salesbot_dialogue::{DialogueState, IntentCatalog};

use super::Nlu;
use super::answer::Reading;
use super::text::Text;

/// How far back a question counts as the one asked again.
const REMEMBERED: usize = 4;
/// Words of a message that only asks for the answer: "так вы мне не ответили на мой вопрос".
const INSISTS: usize = 8;
/// Confidence of a question asked again of a bot that went past it, and of an objection raised again.
const ASKED_AGAIN: f32 = 0.90;
const RAISED_AGAIN: f32 = 0.95;
/// What the bot does when it goes past a question.
const GOES_PAST: &str = "continue_current_goal";
/// So many messages in a row that say nothing need a clarification.
const UNCLEAR_IN_A_ROW: usize = 3;

impl Nlu {
    /// Whether the message asks again what one of the last turns asked.
    pub(super) fn by_history(
        &self,
        text: &Text,
        state: &DialogueState,
        catalog: &IntentCatalog,
        reading: &mut Reading,
    ) -> bool {
        let before = || state.turns.iter().rev().take(REMEMBERED);
        let question = |intent: &str| catalog.id(intent).is_some_and(|id| catalog.is_question(id));
        let insists = |text: &Text| text.word_count() <= INSISTS && self.context.insists(text);
        if insists(text)
            && let Some(asked) = state
                .turns
                .iter()
                .rev()
                .find(|past| question(&past.intent) && !insists(&Text::read(&past.user, &self.lexicon)))
        {
            reading.set(catalog, &asked.intent, ASKED_AGAIN, "asks for the answer to an earlier question");
            reading.picked = Some(asked.user.clone());
            return true;
        }
        let name = catalog.name(reading.intent).to_owned();
        if catalog.is_objection(reading.intent) && state.counters.intents.contains_key(&name) {
            reading.confidence = reading.confidence.max(RAISED_AGAIN);
            reading.because.push(format!("{name}: raised before"));
            return false;
        }
        if reading.intent == catalog.unclear() {
            let in_a_row = state.turns.iter().rev().take_while(|past| past.intent == name).count() + 1;
            if in_a_row >= UNCLEAR_IN_A_ROW {
                reading.because.push(format!("needs_clarification: {in_a_row} unclear in a row"));
            }
            return false;
        }
        let again = question(&name).then(|| before().find(|past| past.intent == name)).flatten();
        if again.is_some_and(|past| past.action == GOES_PAST) {
            reading.set(catalog, &name, ASKED_AGAIN, "asked again");
        }
        again.is_some()
    }
}
