//! From a decision to a [`ReplyPlan`]: the recipe of the action, filled from banks, facts and memory.

mod answers;
mod follow;
mod questions;
mod wording;

use salesbot_dialogue::flow::State;
use salesbot_dialogue::policy::directives::Pressure;
use salesbot_dialogue::understanding::Language;
use salesbot_dialogue::{Catalog, Choice, Contact, Decision, DialogueState, Tone, Turn, Understanding};
use salesbot_knowledge::{Passage, Query, Retriever};

use super::banks::flow::FlowBank;
use super::banks::{AnswerPart, CtaBank, MessagePart, Phrase, QuestionBank, QuestionPart, Recipe};
use super::facts::{Answer, Room, answer, look_up};
use super::grammar::fill;
use super::plan::{CallToAction, Limits, Line, Menu, PlannedQuestion, ReplyPlan};
use super::verify::ReplySentence;
use super::{Writer, WriterOptions};
use crate::nlu::contact::mask_phone;

/// Facts whose arrival is acknowledged, in this order; one a turn.
const LEARNED: [&str; 9] = [
    "pain_point",
    "pain_impact",
    "desired_outcome",
    "decision_maker",
    "locations_count",
    "company_size",
    "current_tools",
    "business_type",
    "decision_timeline",
];
/// Coverage from which a message that asks nothing is still taken to name a topic.
const TOPIC_COVERAGE: f32 = 0.6;
/// Coverage from which a question is answered after the talk was handed over.
const HANDED_OVER_COVERAGE: f32 = 0.8;
/// Confidence from which the intent's own subject may be looked up instead of the client's words.
const SURE: f32 = 0.4;
/// Words a reply must have room for before the flow opens a phase with a thought of its own.
const OPENING_ROOM: usize = 40;
pub(super) struct Planner<'a> {
    writer: &'a Writer,
    options: &'a WriterOptions,
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
        options: &'a WriterOptions,
        turn: &'a Turn<'a>,
        understanding: &'a Understanding,
        decision: &'a Decision,
        catalog: &'a Catalog,
        retriever: &'a Retriever,
    ) -> Self {
        let next = turn.flow.state(decision.next);
        let directives = &decision.directives;
        let room = Room {
            words: directives.max_words,
            lists: directives.lists,
            prefers_lists: false,
            wants_price: false,
        };
        Self {
            writer,
            options,
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
        if self.asks_why() && self.decision.fallback_tier.is_none() && self.next.name != "escalated" {
            let mut plan = ReplyPlan { limits: self.limits(), ..ReplyPlan::default() };
            self.ack(&Recipe::default(), None, &mut plan);
            return (plan, LookedUp::new());
        }
        if self.understanding.slot("_asks_saved").is_some() && self.turn.state.contact().valid {
            let phone = self.memory.contact().phone.is_some();
            let plan = ReplyPlan {
                ack: self.pick_ack(if phone { "confirm_phone" } else { "confirm_email" }),
                limits: self.limits(),
                ..ReplyPlan::default()
            };
            return (plan, LookedUp::new());
        }
        let won = ["success", "escalated"].contains(&self.turn.state.state.as_str());
        if won
            && self.turn.state.contact().valid
            && !self.understanding.asks
            && let Some(wish) = self.contact_wish()
        {
            let named = self.understanding.slot("client_name").and_then(|_| self.pick_ack("confirm_name"));
            let plan = ReplyPlan {
                ack: named,
                message: self.pick_ack(wish),
                limits: self.limits(),
                ..ReplyPlan::default()
            };
            return (plan, LookedUp::new());
        }
        let (mut plan, looked_up) = self.own_plan();
        if self.turn.state.state == "escalated" && self.next.name == "escalated" && plan.ack.is_none() {
            // The talk is a person's now: only a question we surely can answer is answered still.
            let sure = looked_up.first().is_some_and(|(_, _, coverage)| *coverage >= HANDED_OVER_COVERAGE);
            if !(sure && self.understanding.asks && !plan.answers.is_empty()) {
                let farewell = self.catalog.intents.is(self.understanding.intent, "farewell")
                    || self.catalog.intents.is(self.understanding.intent, "gratitude");
                let refuses = self.catalog.intents.is(self.understanding.intent, "rejection");
                let sensitive = self.catalog.intents.in_category(self.understanding.intent, "sensitive");
                let bank = match (farewell, refuses) {
                    (true, _) => "acknowledge_farewell",
                    _ if sensitive => "escalate_sensitive_again",
                    (_, true) => "acknowledge_rejection",
                    _ => "escalate_repeated",
                };
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
            self.shorten(&mut plan);
            self.open(&mut plan, &mut looked_up);
        }
        (plan, looked_up)
    }

    /// After a message that has said what will happen, a number is asked for in three words.
    fn shorten(&self, plan: &mut ReplyPlan) {
        let contact = plan.question.as_ref().is_some_and(|question| question.kind == "contact");
        if contact && plan.message.is_some() {
            let short = self.pick("question.contact_info.short", &self.writer.banks.short_contact);
            if let (Some(question), Some(picked)) = (&mut plan.question, short) {
                question.text_id.clone_from(&picked.line.id);
                question.line = Some(picked.line);
            }
        }
    }

    /// What the flow says on coming into a phase, before its first question there: a thought of the method,
    /// and a fact where the phase is there to show something.
    fn open(&self, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let asks_in_state = plan.question.as_ref().is_some_and(|question| {
            question
                .slot
                .as_ref()
                .is_none_or(|slot| self.next.required.contains(slot) || self.next.optional.contains(slot))
        });
        let said = plan.message.is_some() || plan.lead.is_some() || plan.agree.is_some();
        let id = format!("opening.{}", self.next.name);
        let opened = self.memory.said.texts.iter().any(|text| text.starts_with(&format!("{id}#")));
        let hurried = self.room.words < OPENING_ROOM || plan.apologises;
        let Some(bank) = self.flow_bank().and_then(|flow| flow.states.get(&self.next.name)) else { return };
        if !asks_in_state || said || opened || hurried || !plan.answers.is_empty() {
            return;
        }
        plan.lead = self.pick(&id, &bank.opening).map(|picked| picked.line);
        match bank.facts.as_deref() {
            Some("pain") => self.pain(1, plan, looked_up),
            Some(topic) => self.told(topic, plan, looked_up),
            None => {}
        }
        if !plan.answers.is_empty() && !plan.greets {
            // A thought, a fact and a question are enough for one reply.
            plan.ack = None;
        }
    }

    fn flow_bank(&self) -> Option<&'a FlowBank> {
        self.writer.banks.flows.get(&self.turn.flow.name)
    }

    fn limits(&self) -> Limits {
        Limits {
            words: self.room.words,
            tone: self.understanding.tone.tone.name().to_owned(),
            do_not_ask: self.memory.slots.keys().filter(|slot| self.memory.has(slot)).cloned().collect(),
        }
    }

    /// Why the bot asks: a reason is all the reply.
    fn asks_why(&self) -> bool {
        self.understanding.slot("_asks_why").is_some() && !self.turn.state.turns.is_empty()
    }

    // ---- answers -------------------------------------------------------------------------------------

    // ---- ack and message -----------------------------------------------------------------------------

    fn ack(&self, recipe: &Recipe, learned: Option<&Line>, plan: &mut ReplyPlan) {
        if self.understanding.slot("_asks_if_bot").is_some() {
            plan.ack = self.pick_ack("identity");
            return;
        }
        if self.asks_why() {
            let number = self.turn.state.asked.as_ref().is_some_and(|asked| asked.kind == "contact");
            plan.ack = self.pick_ack(if number { "why_contact" } else { "why_question" });
            return;
        }
        if self.understanding.slot("_short_phone").is_some() {
            plan.ack = self.pick_ack("short_phone");
            return;
        }
        let given = self.understanding.slot("contact_info").is_some_and(|value| value["valid"] == true);
        if self.understanding.slot("_refuses_contact").is_some() && plan.answers.is_empty() && !given {
            plan.ack = self.pick_ack("contact_refused");
            return;
        }
        let leaves = recipe.family == "exit";
        if self.understanding.slot("_refuses_demo").is_some()
            && self.understanding.questions.is_empty()
            && !leaves
        {
            plan.ack = self.pick_ack("demo_refused");
            return;
        }
        let tone = &self.understanding.tone;
        if given {
            let phone = self.memory.contact().phone.is_some();
            plan.ack = self.pick_ack(if phone { "confirm_phone" } else { "confirm_email" });
            if let Some(wish) = self.contact_wish() {
                plan.message = self.pick_ack(wish);
            } else if plan.message.is_none() && recipe.message == MessagePart::None {
                plan.message = self.pick_ack("contact_next");
            }
            return;
        }
        let calls = self.memory.contact().valid || self.decision.action.starts_with("schedule_");
        if let Some(wish) = self.contact_wish().filter(|_| calls && plan.answers.is_empty()) {
            plan.ack = self.pick_ack(wish);
            return;
        }
        let offered = self
            .turn
            .state
            .asked
            .as_ref()
            .is_some_and(|asked| asked.kind == "yes_no" && asked.slot.is_none());
        if offered && self.catalog.intents.is(self.understanding.intent, "no_need") && plan.answers.is_empty()
        {
            plan.ack = self.pick_ack("declined");
            return;
        }
        let recently = self.memory.said.apologised > 0
            && self.memory.counters.turn.saturating_sub(self.memory.said.apologised) < 4;
        // "надоело считать в тетради" is annoyed with the notebook, not with us.
        let annoyed = self.catalog.intents.in_category(self.understanding.intent, "frustration")
            || tone.tone == Tone::Frustrated
                && self.understanding.slots.is_empty()
                && !self.catalog.intents.is_positive(self.understanding.intent);
        let at_fault = self.options.apologise
            && !self.turn.state.turns.is_empty()
            && annoyed
            && !(self.turn.state.state == "escalated"
                && self.catalog.intents.is(self.understanding.intent, "impatience_expression"))
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
        if recipe.ack.as_deref() == Some("unclear")
            && self.catalog.intents.is(self.understanding.intent, "clarification_request")
            && self.question(recipe, plan).is_some()
        {
            plan.ack = self.pick_ack("simpler");
            return;
        }
        // What was answered after all was not misunderstood.
        if recipe.ack.as_deref() == Some("unclear") && !plan.answers.is_empty() {
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

    /// When or where the client wants to be reached, said in this message.
    fn contact_wish(&self) -> Option<&'static str> {
        let channel = self.understanding.slot("preferred_channel").and_then(|value| value.as_str());
        if self.understanding.slot("_call_time").is_some() {
            Some("contact_next_time")
        } else {
            channel
                .filter(|channel| ["whatsapp", "telegram"].contains(channel))
                .map(|_| "contact_next_channel")
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
        // An angry client who cannot be made out is not questioned.
        if self.is_annoyed(plan)
            && self.catalog.intents.is(self.understanding.intent, "unclear")
            && plan.answers.is_empty()
            && recipe.family == "ask"
        {
            return self.take(self.pick_message("nudge_progress_open"), plan);
        }
        if recipe.lead && plan.lead.is_none() {
            plan.lead = self.pick_message(action).filter(|own| own.asks.is_none()).map(|picked| picked.line);
        }
        match recipe.message {
            MessagePart::None => {}
            // No call is promised to who gave no number and will not.
            MessagePart::Own
                if action.starts_with("schedule_")
                    && self.memory.said.contact_refused
                    && !self.memory.contact().valid =>
            {
                plan.message = self.pick_ack("number_opens");
            }
            MessagePart::Own if recipe.family == "goback" && plan.ack.is_some() => {}
            MessagePart::Own if plan.ack.as_ref().is_some_and(|line| line.id.starts_with("ack.identity")) => {
            }
            MessagePart::Own => {
                let entered_phase_answer = recipe.answer == AnswerPart::AskedIfSure
                    && !plan.answers.is_empty()
                    && recipe.family == "meta";
                if !entered_phase_answer {
                    // Words that lead into a question have a second bank for when none follows.
                    let open = match self.question(recipe, plan) {
                        None => self.pick_message(&format!("{action}_open")),
                        Some(_) => None,
                    };
                    if open.is_none() || plan.answers.is_empty() {
                        self.take(open.or_else(|| self.pick_message(action)), plan);
                    }
                }
            }
            MessagePart::WhenNothingLearned => {
                if plan.greets && plan.answers.is_empty() {
                    plan.message = learned;
                } else if plan.ack.is_none()
                    && self.next.name == "close"
                    && self.worn("contact_info")
                    && !self.memory.said.contact_refused
                    && !self.memory.contact().valid
                {
                    // Asked for often enough; what the client agrees to still takes a number.
                    plan.message = self.pick_ack("number_opens");
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
                let bank = if again && sensitive {
                    "escalate_sensitive_again"
                } else if again {
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
            plan.question = self.state_question(true);
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
        if !self.decision.clarify.is_empty() {
            return self.clarification();
        }
        let banks = &self.writer.banks.menus;
        let fitting = self.decision.menu.and_then(|name| banks.get_key_value(name));
        let (name, bank) = fitting
            .or_else(|| banks.get_key_value(&self.next.name))
            .or_else(|| banks.get_key_value("default"))?;
        let lead = self.pick(&format!("menu.{name}.lead"), &bank.lead)?.line;
        let footer = self.pick(&format!("menu.{name}.footer"), &bank.footer)?.line;
        Some(Menu { lead, options: bank.options.clone(), footer: Some(footer), inline: false })
    }

    /// Which of two or three readings was meant. Two stand in one line, three in a list.
    fn clarification(&self) -> Option<Menu> {
        let intents = &self.catalog.intents;
        let labels: Vec<&str> =
            self.decision.clarify.iter().map(|id| intents.get(*id).label.as_str()).collect();
        let options: Vec<Choice> = self
            .decision
            .clarify
            .iter()
            .map(|id| Choice {
                label: intents.get(*id).label.clone(),
                intent: Some(intents.name(*id).to_owned()),
                value: None,
            })
            .collect();
        let bank = self.writer.banks.menus.get("clarify")?;
        if let [one, other] = labels[..] {
            let texts = &self.writer.banks.clarify_two;
            let picked = self.pick_with("clarify.two", texts, &|hole| match hole {
                "one" => Some(one.to_owned()),
                "other" => Some(other.to_owned()),
                _ => None,
            })?;
            return Some(Menu { lead: picked.line, options, footer: None, inline: true });
        }
        let lead = self.pick("menu.clarify.lead", &bank.lead)?.line;
        let footer = self.pick("menu.clarify.footer", &bank.footer)?.line;
        Some(Menu { lead, options, footer: Some(footer), inline: false })
    }
}
