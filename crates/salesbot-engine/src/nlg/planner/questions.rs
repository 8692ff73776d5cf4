//! What a reply asks: the question of the phase, of the flow or for a number; and the call to action.

use super::*;

/// A slot asked for so often without an answer is left alone.
const ASKS_PER_SLOT: usize = 2;
/// How often the offer of a state without slots is made.
const OFFERS: usize = 3;

impl Planner<'_> {
    /// A call to action after the finished text; the last gates need the text.
    pub(in crate::nlg) fn cta(
        &self,
        plan: &ReplyPlan,
        sentences: &[ReplySentence],
    ) -> Result<CallToAction, &'static str> {
        let wish = self.decision.cta.as_ref().map_err(|reason| *reason)?;
        if plan.question.is_some() || sentences.iter().any(|sentence| sentence.text.contains('?')) {
            return Err("response_ends_with_question");
        }
        if plan.apologises || self.catalog.intents.in_category(self.understanding.intent, "frustration") {
            return Err("client_annoyed");
        }
        if self.asks_why() {
            return Err("asked_why");
        }
        if self.understanding.language == Language::Kazakh {
            return Err("other_language");
        }
        if self.turn.state.said.cta.is_some() {
            return Err("cta_just_made");
        }
        let banks = &self.writer.banks.ctas;
        let text: String = sentences.iter().map(|sentence| sentence.text.to_lowercase()).collect();
        if banks.backs_off.iter().any(|words| text.contains(words.as_str())) {
            return Err("response_contains_backoff");
        }
        // The reply names the next step by itself.
        if banks.says_it.iter().any(|words| text.contains(words.as_str())) {
            return Err("already_called_to_action");
        }
        let options = &self.options.cta;
        let refused = &self.memory.said.ctas_refused;
        // A number asked for twice is not asked for a third time by the back door.
        let worn = self.worn("contact_info");
        let open = |kind: &str| {
            let refused_outright = match kind {
                "contact" => worn,
                "demo" => self.memory.said.demo_refused,
                _ => false,
            };
            !refused_outright
                && options.offered_kinds.iter().any(|offered| offered == kind)
                && !(options.memory && refused.iter().any(|known| known == kind))
        };
        let stage = if wish.soft { "soft" } else { wish.stage.name() };
        let fitting: Vec<&CtaBank> = banks
            .texts
            .iter()
            .filter(|bank| open(&bank.kind) && (bank.at == self.next.name && !wish.soft || bank.at == stage))
            .collect();
        let own = fitting.iter().find(|bank| bank.kind == wish.kind).or(fitting.first());
        let bank = own.ok_or("no_cta_available")?;
        let id = format!("cta.{}.{}", bank.at, bank.kind);
        let picked = self.pick(&id, &bank.texts).ok_or("no_cta_available")?;
        Ok(CallToAction { line: picked.line, kind: bank.kind.clone() })
    }

    /// Too annoyed for questions of ours.
    pub(super) fn is_annoyed(&self, plan: &ReplyPlan) -> bool {
        plan.apologises || self.understanding.tone.frustration >= 4
    }

    pub(super) fn question(&self, recipe: &Recipe, plan: &ReplyPlan) -> Option<PlannedQuestion> {
        if recipe.answer == AnswerPart::AskedIfSure && recipe.family == "goback" && !plan.answers.is_empty() {
            return None;
        }
        let over = self.decision.is_final
            || self.next.is_final
            || self.next.name == "soft_close"
            || self.next.name == "escalated";
        // Thanks are no answer to a question, and no occasion for the next one.
        let manners =
            self.catalog.intents.is(self.understanding.intent, "gratitude") && self.memory.said.greeted;
        let asks_contact = recipe.question == QuestionPart::Contact;
        let wants_number = self.understanding.slot("_short_phone").is_some();
        if wants_number || !asks_contact && (over || self.is_annoyed(plan) || manners) {
            return None;
        }
        match recipe.question {
            QuestionPart::None => None,
            QuestionPart::State => self.own_question().or_else(|| self.state_question(insists(recipe))),
            QuestionPart::Pressure if self.decision.directives.question == Pressure::Suppressed => None,
            QuestionPart::Pressure => self.state_question(false),
            QuestionPart::Contact => {
                let wanted = !self.memory.contact().valid
                    && !self.memory.said.contact_refused
                    && !self.decision.is_final;
                if wanted && self.next.name != "success" { self.question_for("contact_info") } else { None }
            }
        }
    }

    /// The question an action of the flow asks in its own words, while the talk stays in the phase.
    fn own_question(&self) -> Option<PlannedQuestion> {
        let action = &self.decision.action;
        let (name, bank) = self.writer.banks.message(&self.turn.flow.name, action)?;
        if !name.contains('.') || self.next.name != self.turn.state.state {
            return None;
        }
        let id =
            bank.slot.as_ref().map_or(format!("message.{name}"), |slot| format!("question.{slot}.{name}"));
        if bank.slot.as_ref().is_some_and(|slot| self.memory.has(slot) || self.worn(slot)) {
            return None;
        }
        let picked = self.pick(&id, &bank.texts)?;
        Some(PlannedQuestion {
            slot: bank.slot.clone(),
            kind: picked.asks.clone()?,
            text_id: picked.line.id.clone(),
            line: Some(picked.line),
        })
    }

    /// Asked often enough, or not to be asked at all.
    pub(super) fn worn(&self, slot: &str) -> bool {
        self.times_asked(slot) >= ASKS_PER_SLOT || slot == "contact_info" && self.memory.said.contact_refused
    }

    /// `again`: an offer just made is made once more.
    pub(super) fn state_question(&self, again: bool) -> Option<PlannedQuestion> {
        let slots = self.next.required.iter().chain(&self.next.optional);
        let known = |slot: &String| self.options.deduplicate_questions && self.memory.has(slot);
        let open: Vec<&String> =
            slots.filter(|slot| !known(slot) && !self.next.on_enter_flags.contains(slot)).collect();
        if let Some(slot) = open.into_iter().find(|slot| !self.worn(slot)) {
            return self.question_for(slot);
        }
        let bank = self.writer.banks.open_question(&self.turn.flow.name, &self.next.name)?;
        let id = format!("question.{}", self.next.name);
        // An offer once made stands: it is repeated only after something new, and not for ever.
        let just_asked = self.turn.state.asked.as_ref().is_some_and(|asked| asked.text_id.starts_with(&id));
        let news = self.understanding.slots.iter().any(|fill| !fill.slot.starts_with('_'));
        if self.times_asked(&self.next.name) >= OFFERS {
            let open = !self.memory.contact().valid
                && !self.memory.said.contact_refused
                && self.times_asked("contact_info") == 0;
            return open.then(|| self.question_for("contact_info")).flatten();
        }
        if just_asked && !news && !again {
            return None;
        }
        let picked = self.pick(&id, &bank.texts).filter(|picked| !self.shows_in_vain(&picked.line.text))?;
        Some(PlannedQuestion {
            slot: None,
            kind: bank.kind.clone(),
            text_id: picked.line.id.clone(),
            line: Some(picked.line),
        })
    }

    pub(super) fn question_for(&self, slot: &str) -> Option<PlannedQuestion> {
        let bank: &QuestionBank = self.writer.banks.question(&self.turn.flow.name, &self.next.name, slot)?;
        let picked = self.pick(&format!("question.{slot}"), &bank.texts)?;
        Some(PlannedQuestion {
            slot: Some(slot.to_owned()),
            kind: bank.kind.clone(),
            text_id: picked.line.id.clone(),
            line: Some(picked.line),
        })
    }

    pub(super) fn times_asked(&self, slot: &str) -> usize {
        let of_slot = |id: &String| {
            id.strip_prefix("question.")
                .and_then(|rest| rest.strip_prefix(slot))
                .is_some_and(|rest| rest.starts_with(['#', '.']))
        };
        self.memory.said.texts.iter().filter(|id| of_slot(id)).count()
    }
}

/// Who goes back or was not understood hears the question of the place once more.
fn insists(recipe: &Recipe) -> bool {
    recipe.family == "goback" || recipe.ack.as_deref() == Some("unclear")
}

pub(super) fn contact_question(text_id: &str) -> PlannedQuestion {
    PlannedQuestion {
        slot: Some("contact_info".to_owned()),
        kind: "contact".to_owned(),
        line: None,
        text_id: text_id.to_owned(),
    }
}
