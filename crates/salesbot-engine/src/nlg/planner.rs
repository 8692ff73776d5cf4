//! From a decision to a [`ReplyPlan`]: the recipe of the action, filled from banks, facts and memory.

mod answers;

use salesbot_dialogue::flow::State;
use salesbot_dialogue::understanding::Language;
use salesbot_dialogue::{Catalog, Contact, Decision, DialogueState, Tone, Turn, Understanding};
use salesbot_knowledge::{Passage, Query, Retriever};

use super::Writer;
use super::banks::{AnswerPart, MessagePart, Phrase, QuestionPart, Recipe};
use super::facts::{Answer, Room, answer, look_up};
use super::grammar::fill;
use super::plan::{Limits, Line, Menu, PlannedQuestion, ReplyPlan};
use crate::nlu::contact::mask_phone;

/// Facts whose arrival is acknowledged, in this order; one a turn.
const LEARNED: [&str; 7] = [
    "pain_point",
    "pain_impact",
    "desired_outcome",
    "locations_count",
    "company_size",
    "current_tools",
    "business_type",
];
/// A slot asked for so often without an answer is left alone.
const ASKS_PER_SLOT: usize = 2;
/// Coverage from which a message that asks nothing is still taken to name a topic.
const TOPIC_COVERAGE: f32 = 0.6;
/// Coverage from which a question is answered after the talk was handed over.
const HANDED_OVER_COVERAGE: f32 = 0.8;
/// Confidence from which the intent's own subject may be looked up instead of the client's words.
const SURE: f32 = 0.4;
/// How often the offer of a state without slots is made.
const OFFERS: usize = 3;
/// Turns in a row with a question of the client's from which ours is left out.
const PRESSED: usize = 2;

pub(super) struct Planner<'a> {
    writer: &'a Writer,
    turn: &'a Turn<'a>,
    understanding: &'a Understanding,
    decision: &'a Decision,
    catalog: &'a Catalog,
    retriever: &'a Retriever,
    memory: &'a DialogueState,
    next: &'a State,
    room: Room,
}

type LookedUp = Vec<(String, f32, f32)>;

/// A chosen text that may end in a question of its own.
struct Picked {
    line: Line,
    asks: Option<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        writer: &'a Writer,
        turn: &'a Turn<'a>,
        understanding: &'a Understanding,
        decision: &'a Decision,
        catalog: &'a Catalog,
        retriever: &'a Retriever,
    ) -> Self {
        let next = turn.flow.state(decision.next);
        let room = room(understanding);
        Self {
            writer,
            turn,
            understanding,
            decision,
            catalog,
            retriever,
            memory: &decision.memory,
            next,
            room,
        }
    }

    pub(super) fn plan(&self) -> (ReplyPlan, LookedUp) {
        let (mut plan, looked_up) = self.own_plan();
        if self.turn.state.state == "escalated" && self.next.name == "escalated" && plan.ack.is_none() {
            // The talk is a person's now: only a question we surely can answer is answered still.
            let sure = looked_up.first().is_some_and(|(_, _, coverage)| *coverage >= HANDED_OVER_COVERAGE);
            if !(sure && self.understanding.asks && !plan.answers.is_empty()) {
                let farewell = self.catalog.intents.is(self.understanding.intent, "farewell")
                    || self.catalog.intents.is(self.understanding.intent, "gratitude");
                let bank = if farewell { "acknowledge_farewell" } else { "escalate_repeated" };
                plan = ReplyPlan {
                    message: self.pick_message(bank).map(|picked| picked.line),
                    limits: plan.limits,
                    ..ReplyPlan::default()
                };
            }
            plan.question = None;
        }
        (plan, looked_up)
    }

    fn own_plan(&self) -> (ReplyPlan, LookedUp) {
        let default = Recipe::default();
        let recipe = self.writer.banks.recipe(&self.decision.action).unwrap_or(&default);
        let mut plan = ReplyPlan { limits: self.limits(), ..ReplyPlan::default() };
        let mut looked_up = LookedUp::new();
        self.answers(recipe, &mut plan, &mut looked_up);
        let learned = self.learned();
        self.ack(recipe, learned.as_ref(), &mut plan);
        let asks_next =
            recipe.message == MessagePart::WhenNothingLearned && self.question(recipe, &plan).is_some();
        self.messages(recipe, learned, asks_next, &mut plan);
        if recipe.menu {
            plan.menu = self.menu();
        } else if plan.question.is_none() {
            plan.question = self.question(recipe, &plan);
        }
        (plan, looked_up)
    }

    fn limits(&self) -> Limits {
        Limits {
            words: self.room.words,
            tone: self.understanding.tone.tone.name().to_owned(),
            do_not_ask: self.memory.slots.keys().filter(|slot| self.memory.has(slot)).cloned().collect(),
        }
    }

    // ---- answers -------------------------------------------------------------------------------------

    // ---- ack and message -----------------------------------------------------------------------------

    fn ack(&self, recipe: &Recipe, learned: Option<&Line>, plan: &mut ReplyPlan) {
        if self.understanding.slot("_asks_if_bot").is_some() {
            plan.ack = self.pick_ack("identity");
            return;
        }
        if self.understanding.slot("_short_phone").is_some() {
            plan.ack = self.pick_ack("short_phone");
            return;
        }
        if self.understanding.slot("_refuses_contact").is_some() && plan.answers.is_empty() {
            plan.ack = self.pick_ack("contact_refused");
            return;
        }
        let tone = &self.understanding.tone;
        let leaves = recipe.family == "exit";
        if self.understanding.slot("contact_info").is_some_and(|value| value["valid"] == true) {
            let phone = self.memory.contact().phone.is_some();
            plan.ack = self.pick_ack(if phone { "confirm_phone" } else { "confirm_email" });
            if plan.message.is_none() && recipe.message == MessagePart::None {
                plan.message = self.pick_ack("contact_next");
            }
            return;
        }
        let recently = self.memory.said.apologised > 0
            && self.memory.counters.turn.saturating_sub(self.memory.said.apologised) < 4;
        // "надоело считать в тетради" is annoyed with the notebook, not with us.
        let annoyed = self.catalog.intents.in_category(self.understanding.intent, "frustration")
            || tone.tone == Tone::Frustrated
                && self.understanding.slots.is_empty()
                && !self.catalog.intents.is_positive(self.understanding.intent);
        let at_fault = self.writer.options.apologise
            && !self.turn.state.turns.is_empty()
            && annoyed
            && !leaves
            && recipe.family != "handover";
        if at_fault && !recently {
            plan.ack = self.pick_ack("apology");
            plan.apologises = plan.ack.is_some();
            return;
        }
        if !self.memory.said.greeted && !leaves {
            let kazakh = self.understanding.language == Language::Kazakh;
            plan.ack = self.pick_ack(if kazakh { "greeting_kazakh" } else { "greeting" });
            plan.greets = plan.ack.is_some();
            if recipe.ack.as_deref() == Some("kazakh") {
                plan.message = self.pick_ack("kazakh");
            }
            return;
        }
        if recipe.ack.as_deref() == Some("unclear") && plan.message.is_some() {
            return;
        }
        if let Some(bank) = &recipe.ack {
            plan.ack = self.pick_ack(bank);
            return;
        }
        if self.catalog.intents.is(self.understanding.intent, "gratitude") {
            plan.ack = self.pick_ack("thanks");
            return;
        }
        if recipe.family == "goback" && !plan.answers.is_empty() {
            plan.ack = self.pick_message(&self.decision.action).map(|picked| picked.line);
            return;
        }
        if self.catalog.intents.is(self.understanding.intent, "greeting") && self.memory.said.greeted {
            plan.ack = self.pick_ack("greeting_again");
            return;
        }
        if self.understanding.slot("client_name").is_some()
            && !self.turn.state.has("client_name")
            && plan.answers.is_empty()
        {
            plan.ack = self.pick_ack("confirm_name");
            return;
        }
        if plan.answers.is_empty() && plan.agree.is_none() && recipe.message != MessagePart::Own {
            plan.ack = learned.cloned();
        }
    }

    /// A sentence that shows what was just heard, for the most telling new fact.
    fn learned(&self) -> Option<Line> {
        let slot = LEARNED.into_iter().find(|slot| {
            self.understanding.slot(slot).is_some()
                && self.understanding.slot(slot) != self.turn.state.slots.get(*slot)
        })?;
        if slot == "pain_point" && self.memory.counters.turn.is_multiple_of(2) {
            return self.pick_ack("empathy");
        }
        self.pick_ack(&format!("learned_{slot}"))
    }

    fn messages(&self, recipe: &Recipe, learned: Option<Line>, asks_next: bool, plan: &mut ReplyPlan) {
        if plan.message.is_some() {
            return;
        }
        if self.understanding.slot("_short_phone").is_some() {
            return;
        }
        if recipe.repeat {
            self.repeat(plan);
        }
        if recipe.summary {
            plan.lead = self.summary();
        }
        let action = &self.decision.action;
        match recipe.message {
            MessagePart::None => {}
            MessagePart::Own if recipe.family == "goback" && plan.ack.is_some() => {}
            MessagePart::Own if plan.ack.as_ref().is_some_and(|line| line.id.starts_with("ack.identity")) => {
            }
            MessagePart::Own => {
                let entered_phase_answer = recipe.answer == AnswerPart::AskedIfSure
                    && !plan.answers.is_empty()
                    && recipe.family == "meta";
                if !entered_phase_answer {
                    self.take(self.pick_message(action), plan);
                }
            }
            MessagePart::WhenNothingLearned => {
                if plan.greets && plan.answers.is_empty() {
                    plan.message = learned;
                } else if plan.ack.is_none() && plan.answers.is_empty() && !asks_next {
                    // A bridge before a question is one phrase too many.
                    self.take(self.pick_message(action), plan);
                }
            }
            MessagePart::Handover => {
                let again = self.turn.state.state == "escalated";
                let known = self.memory.contact().valid || self.memory.said.contact_refused;
                // Who wants to be forgotten or complains is not asked for a phone.
                let sensitive = self.catalog.intents.in_category(self.understanding.intent, "sensitive");
                let bank = if again {
                    "escalate_repeated"
                } else if known || sensitive {
                    "escalate_to_human"
                } else {
                    "escalate_with_contact_missing"
                };
                self.take(self.pick_message(bank), plan);
            }
        }
    }

    fn take(&self, picked: Option<Picked>, plan: &mut ReplyPlan) {
        let Some(picked) = picked else { return };
        if let Some(kind) = &picked.asks {
            let slot = (kind == "contact").then(|| "contact_info".to_owned());
            plan.question = Some(PlannedQuestion {
                slot,
                kind: kind.clone(),
                line: None,
                text_id: picked.line.id.clone(),
            });
        }
        plan.message = Some(picked.line);
    }

    /// The last reply again, without its greeting and its question.
    fn repeat(&self, plan: &mut ReplyPlan) {
        let Some(last) = self.turn.state.turns.last() else { return };
        let cited = &self.turn.state.said.sections;
        let sections = cited.iter().rev().filter_map(|id| self.retriever.knowledge.section(id));
        for section in sections.take(2) {
            let said: Vec<_> = section
                .sentences
                .iter()
                .filter(|sentence| last.bot.contains(&sentence.text))
                .cloned()
                .collect();
            if !said.is_empty() && plan.answers.is_empty() {
                plan.answers.push(Answer {
                    asked: last.user.clone(),
                    section: section.id.clone(),
                    sentences: said,
                });
            }
        }
        if plan.answers.is_empty() {
            // Nothing factual was said: the open question is what can be repeated.
            plan.question = self.state_question();
        }
    }

    fn summary(&self) -> Option<Line> {
        let parts: Vec<String> = ["locations_count", "company_size", "current_tools"]
            .into_iter()
            .filter_map(|slot| self.pick_ack(&format!("summary_{slot}")).map(|line| line.text))
            .collect();
        if parts.is_empty() {
            return self.pick_ack("summary_nothing");
        }
        let lead = self.pick_ack("summary_lead")?;
        Some(Line { text: format!("{} {}.", lead.text, parts.join(", ")), ..lead })
    }

    fn menu(&self) -> Option<Menu> {
        let banks = &self.writer.banks.menus;
        let (name, bank) = banks.get_key_value(&self.next.name).or_else(|| banks.get_key_value("default"))?;
        let lead = self.pick(&format!("menu.{name}.lead"), &bank.lead)?.line;
        let footer = self.pick(&format!("menu.{name}.footer"), &bank.footer)?.line;
        Some(Menu { lead, options: bank.options.clone(), footer })
    }

    // ---- questions -----------------------------------------------------------------------------------

    fn question(&self, recipe: &Recipe, plan: &ReplyPlan) -> Option<PlannedQuestion> {
        if recipe.answer == AnswerPart::AskedIfSure && recipe.family == "goback" && !plan.answers.is_empty() {
            return None;
        }
        let over = self.decision.is_final
            || self.next.is_final
            || self.next.name == "soft_close"
            || self.next.name == "escalated";
        let annoyed = plan.apologises || self.understanding.tone.frustration >= 4;
        // Thanks are no answer to a question, and no occasion for the next one.
        let manners =
            self.catalog.intents.is(self.understanding.intent, "gratitude") && self.memory.said.greeted;
        let asks_contact = recipe.question == QuestionPart::Contact;
        let wants_number = self.understanding.slot("_short_phone").is_some();
        if wants_number || !asks_contact && (over || annoyed || manners) {
            return None;
        }
        match recipe.question {
            QuestionPart::None => None,
            QuestionPart::State => self.state_question(),
            QuestionPart::Pressure if self.pressed() => None,
            QuestionPart::Pressure => self.state_question(),
            QuestionPart::Contact => {
                let wanted = !self.memory.contact().valid
                    && !self.memory.said.contact_refused
                    && !self.decision.is_final;
                if wanted && self.next.name != "success" { self.question_for("contact_info") } else { None }
            }
        }
    }

    /// The client has been asking for several turns: answer, do not ask back.
    fn pressed(&self) -> bool {
        let asks =
            |name: &str| self.catalog.intents.id(name).is_some_and(|id| self.catalog.intents.is_question(id));
        let earlier = self.turn.state.turns.iter().rev().take_while(|turn| asks(&turn.intent)).count();
        earlier + 1 >= PRESSED
            || self.understanding.tone.tone == Tone::Rushed
            || self.understanding.questions.len() >= 2
    }

    fn state_question(&self) -> Option<PlannedQuestion> {
        let slots = self.next.required.iter().chain(&self.next.optional);
        let open: Vec<&String> =
            slots.filter(|slot| !self.memory.has(slot) && !self.next.on_enter_flags.contains(slot)).collect();
        for slot in &open {
            let refused = *slot == "contact_info" && self.memory.said.contact_refused;
            if self.times_asked(slot) < ASKS_PER_SLOT && !refused {
                return self.question_for(slot);
            }
        }
        let bank = self
            .writer
            .banks
            .questions
            .iter()
            .find(|bank| bank.slot.is_none() && bank.state.as_ref() == Some(&self.next.name))?;
        let id = format!("question.{}", self.next.name);
        // An offer once made stands: it is repeated only after something new, and not for ever.
        let just_asked = self.turn.state.asked.as_ref().is_some_and(|asked| asked.text_id.starts_with(&id));
        let news = !self.understanding.slots.is_empty();
        if self.times_asked(&self.next.name) >= OFFERS {
            let open = !self.memory.contact().valid
                && !self.memory.said.contact_refused
                && self.times_asked("contact_info") == 0;
            return open.then(|| self.question_for("contact_info")).flatten();
        }
        if just_asked && !news {
            return None;
        }
        let picked = self.pick(&id, &bank.texts)?;
        Some(PlannedQuestion {
            slot: None,
            kind: bank.kind.clone(),
            text_id: picked.line.id.clone(),
            line: Some(picked.line),
        })
    }

    fn question_for(&self, slot: &str) -> Option<PlannedQuestion> {
        let banks = &self.writer.banks.questions;
        let own = banks
            .iter()
            .find(|bank| bank.slot.as_deref() == Some(slot) && bank.state.as_ref() == Some(&self.next.name));
        let bank = own.or_else(|| {
            banks.iter().find(|bank| bank.slot.as_deref() == Some(slot) && bank.state.is_none())
        })?;
        let picked = self.pick(&format!("question.{slot}"), &bank.texts)?;
        Some(PlannedQuestion {
            slot: Some(slot.to_owned()),
            kind: bank.kind.clone(),
            text_id: picked.line.id.clone(),
            line: Some(picked.line),
        })
    }

    fn times_asked(&self, slot: &str) -> usize {
        let prefix = format!("question.{slot}#");
        self.memory.said.texts.iter().filter(|id| id.starts_with(&prefix)).count()
    }

    // ---- choosing a wording --------------------------------------------------------------------------

    pub(super) fn message(&self, action: &str) -> Option<Line> {
        self.pick_message(action).map(|picked| picked.line)
    }

    fn pick_message(&self, action: &str) -> Option<Picked> {
        let (name, texts) = self.writer.banks.message(action)?;
        self.pick(&format!("message.{name}"), texts)
    }

    fn pick_ack(&self, bank: &str) -> Option<Line> {
        self.pick(&format!("ack.{bank}"), self.writer.banks.acks.get(bank)?).map(|picked| picked.line)
    }

    /// A text of the bank that fits mood and memory, by the seed; used ones only when all are used.
    fn pick(&self, bank: &str, texts: &[Phrase]) -> Option<Picked> {
        let tone = &self.understanding.tone;
        let fits_mood = |phrase: &Phrase| {
            phrase.tone.is_none_or(|wanted| wanted == tone.tone) && (!phrase.informal || tone.informal)
        };
        let settled = self.memory.contact().valid || self.memory.said.contact_refused;
        let no_second_question = |phrase: &Phrase| phrase.asks.as_deref() != Some("contact") || !settled;
        let mut fitting: Vec<(usize, String, &Phrase)> = texts
            .iter()
            .enumerate()
            .filter(|(_, phrase)| fits_mood(phrase) && no_second_question(phrase))
            .filter(|(_, phrase)| {
                phrase.at_least.is_none_or(|least| {
                    super::grammar::holes(&phrase.text)
                        .all(|hole| self.memory.number(hole).is_none_or(|n| n >= least))
                })
            })
            .filter_map(|(at, phrase)| Some((at, fill(&phrase.text, &|hole| self.value(hole))?, phrase)))
            .collect();
        if fitting.iter().any(|(_, _, phrase)| phrase.tone.is_some()) {
            fitting.retain(|(_, _, phrase)| phrase.tone.is_some());
        }
        let used = |at: usize| self.memory.said.texts.iter().rposition(|id| *id == format!("{bank}#{at}"));
        let fresh: Vec<_> =
            fitting.iter().filter(|(at, ..)| !self.writer.options.vary || used(*at).is_none()).collect();
        let chosen = if fresh.is_empty() {
            fitting.iter().min_by_key(|(at, ..)| used(*at))?
        } else {
            fresh[self.draw(bank, fresh.len())]
        };
        let (at, text, phrase) = chosen;
        Some(Picked {
            line: Line { id: format!("{bank}#{at}"), text: text.clone() },
            asks: phrase.asks.clone(),
        })
    }

    /// A number below `count`, the same for the same talk, turn and bank.
    fn draw(&self, bank: &str, count: usize) -> usize {
        if !self.writer.options.vary {
            return 0;
        }
        let key = format!("{}:{}:{bank}", self.memory.seed, self.memory.counters.turn);
        usize::try_from(salesbot_models::linear::hash(&key)).unwrap_or(0) % count.max(1)
    }

    /// The value of a placeholder.
    fn value(&self, hole: &str) -> Option<String> {
        let contact: Contact = self.memory.contact();
        match hole {
            "name" => contact.name.or_else(|| self.memory.text("client_name").map(str::to_owned)),
            "phone" => contact.phone.as_deref().map(mask_phone),
            "email" => contact.email,
            "company" => Some(self.writer.options.company.clone()),
            "tool_in" => self.writer.tool_in.get(self.memory.text("current_tools")?).cloned(),
            slot => self.memory.number(slot).map(|number| number.to_string()),
        }
    }
}

fn contact_question(text_id: &str) -> PlannedQuestion {
    PlannedQuestion {
        slot: Some("contact_info".to_owned()),
        kind: "contact".to_owned(),
        line: None,
        text_id: text_id.to_owned(),
    }
}

/// Words a reply may have (generation reference, 5); lists only for clients with patience.
fn room(understanding: &Understanding) -> Room {
    let tone = &understanding.tone;
    let words = match tone.frustration {
        9.. => 20,
        7.. => 25,
        _ if tone.tone == Tone::Rushed || tone.warning => 30,
        5.. => 40,
        _ => 60,
    };
    Room { words, lists: words >= 40, prefers_lists: false, wants_price: false }
}
