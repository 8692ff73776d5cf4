//! A message as an answer: the same words mean another thing after another question.

use salesbot_dialogue::understanding::{Candidate, Method};
use salesbot_dialogue::{DialogueState, IntentCatalog, IntentId, SlotFill, Turn};

use super::classify::UNCLEAR_BELOW;
use super::context::{Polarity, picked};
use super::text::{self, Text};
use super::{Nlu, NluOptions};

/// "ммм", "ну это самое": from here surely nothing is said.
pub(super) const SURE_UNCLEAR: f32 = 0.6;
/// Words of a yes with a few more: "да пусть посчитает".
const YES_WORDS: usize = 6;
/// Words of a short answer to an open question.
const SHORT_ANSWER: usize = 4;
/// An objection or a farewell so sure is no answer to an open question.
const SURE_OBJECTION: f32 = 0.8;
/// Words of a bare fact: "троим".
const BARE_FACT: usize = 2;
/// A question so sure is one, though it has no question mark and names facts.
const SURE_QUESTION: f32 = 0.5;
/// … and so sure, though it does not speak to us either.
const SURE_TOLD: f32 = 0.75;
/// Where nothing was asked, a mood or a doubt so sure is what the client came to say.
const SURE_UNASKED: f32 = 0.4;
/// A reading that asks nothing takes the place of a question when its score is at least this share of it.
const SHARE_OF_BEST: f32 = 0.2;
/// … and where a number of people or shops, a sum or a trouble stands in it.
const SURE_OF_ASKING: f32 = 0.9;
/// A refusal so sure outweighs the reading of its words as a short answer.
const SURE_REFUSAL: f32 = 0.75;

/// A message and where it was said.
pub(super) struct Said<'a> {
    pub text: &'a Text,
    pub turn: &'a Turn<'a>,
    pub catalog: &'a IntentCatalog,
    /// It is a plain yes, no, or doubt.
    pub polarity: Option<Polarity>,
    /// All readings, best first.
    pub candidates: &'a [Candidate],
}

/// The intent as read so far.
pub(super) struct Reading {
    pub intent: IntentId,
    pub confidence: f32,
    pub method: Method,
    pub because: Vec<String>,
    /// The words a pick from a list stands for.
    pub picked: Option<String>,
}

impl Reading {
    pub(super) fn set(&mut self, catalog: &IntentCatalog, intent: &str, confidence: f32, why: &str) {
        let Some(id) = catalog.id(intent) else { return };
        self.because.push(format!("{} → {intent}: {why}", catalog.name(self.intent)));
        self.intent = id;
        self.confidence = confidence;
        self.method = Method::Context;
    }
}

impl Nlu {
    /// Corrects the reading by what the bot asked, what it offered, and the facts found.
    pub(super) fn by_what_was_asked(
        &self,
        said: &Said<'_>,
        options: NluOptions,
        reading: &mut Reading,
        slots: &mut Vec<SlotFill>,
    ) {
        let Said { text, turn, catalog, polarity, candidates } = *said;
        let state = turn.state;
        if options.picks
            && let Some(asked) = &state.asked
            && let Some(at) = picked(text, asked, &self.lexicon.ordinals)
        {
            let choice = &asked.options[at];
            if let Some(intent) = &choice.intent {
                reading.set(catalog, intent, 0.9, "picked from the offered choices");
            } else if let (Some(slot), Some(value)) = (&asked.slot, &choice.value) {
                slots.push(SlotFill {
                    slot: slot.clone(),
                    value: value.clone().into(),
                    source: text.raw.clone(),
                });
                reading.set(catalog, "info_provided", 0.8, "picked from the offered choices");
            }
            // What the bot had to ask about was said a turn ago.
            let unclear =
                state.turns.last().filter(|past| past.intent == salesbot_dialogue::policy::clarify::INTENT);
            reading.picked = Some(unclear.map_or(&choice.label, |past| &past.user).clone());
            return;
        }
        let fact = |fill: &&SlotFill| salesbot_dialogue::policy::MEANINGFUL.contains(&fill.slot.as_str());
        let filled: Vec<&str> = slots.iter().filter(fact).map(|fill| fill.slot.as_str()).collect();
        // "нет, не надо" to an open question is no answer to it but a refusal.
        let refuses = catalog.is(reading.intent, "rejection")
            && (reading.confidence >= SURE_REFUSAL || reading.method == Method::Rule)
            && text.word_count() > 1
            && (state.state == "handle_objection"
                || state.asked.as_ref().is_some_and(|asked| asked.kind == "open"));
        if options.short_answers
            && let Some(polarity) = polarity
            && filled.is_empty()
            && !state.turns.is_empty()
            && !refuses
            && let Some((intent, why)) = self.context.short_answer(polarity, state, turn.flow)
        {
            reading.set(catalog, intent, 0.85, &why);
            return;
        }
        // In an objection the phase is the one the talk returns to.
        let name = state.counters.return_state.as_ref().unwrap_or(&state.state);
        let at = turn.flow.id(name).map(|id| turn.flow.state(id));
        let mut phases: Vec<&str> =
            at.iter().flat_map(|at| at.phase_label.iter().chain(&at.phase)).map(String::as_str).collect();
        if state.state == "greeting" {
            phases.push("situation");
        }
        let name = catalog.name(reading.intent);
        if filled.contains(&"contact_info") && self.context.yields_to_data(name) {
            reading.set(catalog, "contact_provided", 0.95, "a contact is in the message");
            return;
        }
        let unclear = reading.intent == catalog.unclear();
        if !(if unclear { options.told } else { options.mixed }) {
            return;
        }
        let asked_for = state.asked.as_ref().and_then(|asked| asked.slot.as_deref());
        let answers = asked_for.is_some_and(|slot| filled.contains(&slot)) && !text.asks;
        let freely = answers
            && reading.method == Method::Linear
            && asked_for.is_some_and(|slot| self.context.free_slots.iter().any(|free| free == slot));
        let to_us = self.context.speaks_to_us(&text.flat);
        // Questions seldom hold these.
        let told_only = ["company_size", "users_count", "locations_count", "budget_range", "pain_category"];
        let tells = filled.iter().any(|slot| told_only.contains(slot));
        // "одежду турецкую продаю" speaks of a trade and asks nothing.
        let describes = !text.asks
            && !to_us
            && catalog.in_group(reading.intent, "business_scenarios")
            && filled.contains(&"business_type");
        let states = !text.asks
            && !describes
            && catalog.is_question(reading.intent)
            && reading.method == Method::Linear
            && (reading.confidence < SURE_QUESTION || !to_us && reading.confidence < SURE_TOLD)
            && !filled.is_empty();
        // "смысла переходить не вижу, у нас 1С есть" asks nothing: the next reading that asks nothing either.
        let next = candidates.iter().find(|other| !catalog.is_question(other.intent));
        if states
            && !answers
            && let Some(next) =
                next.filter(|next| next.score >= (SHARE_OF_BEST * reading.confidence).max(UNCLEAR_BELOW))
        {
            reading.set(catalog, catalog.name(next.intent), next.score, "states facts and asks nothing");
            reading.method = next.method;
        }
        let name = catalog.name(reading.intent);
        let told = tells
            && catalog.is_question(reading.intent)
            && !text.asks
            && reading.method == Method::Linear
            && (!to_us && reading.confidence < SURE_OF_ASKING || reading.confidence < SURE_QUESTION);
        // Nothing was said before that these facts could correct: "у меня 5 магазинов" tells it first.
        let first_told = catalog.is(reading.intent, "correct_info")
            && reading.method == Method::Linear
            && (reading.confidence < SURE_OBJECTION || text.word_count() <= BARE_FACT)
            && slots.iter().filter(fact).all(|fill| !state.has(&fill.slot));
        // "2 человека вместе со мной" calls for nobody and is no mood; "до 5 тысяч" haggles for nothing.
        let category = catalog.get(reading.intent).category.as_str();
        let calls = tells
            && !text.asks
            && (["escalation", "conversational", "dialogue_repair"].contains(&category)
                || text.word_count() <= SHORT_ANSWER && category != "positive")
            && reading.confidence < SURE_OBJECTION
            && reading.method == Method::Linear;
        let doubts = catalog.is_objection(reading.intent) || catalog.is(reading.intent, "rejection");
        let denies = ["no_problem", "no_need", "small_talk", "expansion_planned"].contains(&name);
        let firm = !answers
            && if state.asked.is_none() {
                (doubts || denies) && reading.confidence >= SURE_UNASKED
            } else {
                doubts && reading.confidence >= SURE_OBJECTION
            };
        let yields = (self.context.yields_to_data(name) && !text.asks && !firm)
            || first_told
            || describes
            || calls
            || told
            || freely
            || answers && (catalog.is_question(reading.intent) || reading.confidence < 0.6);
        if yields && let Some(intent) = self.context.progress(&phases, &filled) {
            reading.set(catalog, intent, 0.9, "facts the phase is about");
        } else if !filled.is_empty() && yields && (answers || !doubts) {
            reading.set(catalog, "info_provided", 0.75, "facts about the client");
        } else if filled.is_empty() && self.answers_openly(reading, said) {
            reading.set(catalog, "info_provided", 0.7, "a short answer to what was asked");
        }
    }

    /// "да пусть посчитает" after an offer begins with the yes that counts.
    pub(super) fn agrees_first(&self, text: &Text, state: &DialogueState) -> Option<Polarity> {
        let offered = state.asked.as_ref().is_some_and(|asked| asked.kind == "yes_no");
        let known = |words: &[String], word: &str| words.iter().any(|known| known == word);
        // "хотя ладно, пусть посчитает": a turn before the yes takes nothing back.
        let mut words = text
            .flat
            .split(' ')
            .skip_while(|word| known(&self.context.fillers, word) || known(&self.context.but, word));
        let yes = words.next().is_some_and(|word| known(&self.context.yes, word));
        let but = words.any(|word| known(&self.context.but, word));
        let short = text.word_count() <= YES_WORDS && !text.asks;
        (offered && yes && !but && short).then_some(Polarity::Yes)
    }

    /// A few words after an open question of a phase are its answer, however they read alone: "показ" is no
    /// farewell, "позже" after "когда" no objection. What a rule is sure of, and any request, stays.
    fn answers_openly(&self, reading: &Reading, said: &Said<'_>) -> bool {
        let Said { text, turn, catalog, .. } = *said;
        let state = turn.state;
        let Some(asked) =
            state.asked.as_ref().filter(|asked| ["open", "choice"].contains(&asked.kind.as_str()))
        else {
            return false;
        };
        let in_phase = turn.flow.id(&state.state).is_some_and(|id| turn.flow.state(id).phase.is_some());
        let guessed = matches!(reading.method, Method::Linear | Method::Fallback);
        if !in_phase || !guessed || text.asks || text.word_count() > SHORT_ANSWER || text.flat.is_empty() {
            return false;
        }
        let category = catalog.get(reading.intent).category.as_str();
        // "ммм" is no answer: it reads as nothing, and surely so.
        if reading.intent == catalog.unclear()
            && reading.method == Method::Linear
            && reading.confidence >= SURE_UNCLEAR
        {
            return false;
        }
        let requests =
            ["callback_request", "demo_request", "contact_provided", "request_brevity", "language_kazakh"];
        if requests.contains(&catalog.name(reading.intent)) || category == "technical_problem" {
            return false;
        }
        // Words of the bot's own question come back as the choice among them.
        let bot = state.turns.last().map(|last| last.bot.as_str()).unwrap_or_default();
        let question = bot.rsplit(['.', '!', '\n']).find(|part| part.contains('?')).unwrap_or_default();
        let offered: Vec<String> = text::words(&text::plain(question)).map(text::stem).collect();
        let own = text::words(&text.flat).filter(|word| word.chars().count() > 3).map(text::stem);
        if own.into_iter().any(|stem| offered.contains(&stem)) {
            return true;
        }
        let about_time = asked.slot.as_deref() == Some("decision_timeline");
        match category {
            "objection" => about_time || reading.confidence < SURE_OBJECTION,
            "exit" => {
                about_time && !catalog.is(reading.intent, "rejection") || reading.confidence < SURE_OBJECTION
            }
            "dialogue_repair" => {
                reading.intent == catalog.unclear()
                    && asked.slot.is_none()
                    && self.lexicon.reads_as_words(&text.flat)
            }
            "purchase_stage" => reading.confidence < SURE_QUESTION,
            _ => false,
        }
    }
}
