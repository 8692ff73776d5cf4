//! Choosing a wording: mood, memory and the seed; and the values of placeholders.

use super::*;
use crate::nlg::grammar;

impl Planner<'_> {
    pub(in crate::nlg) fn message(&self, action: &str) -> Option<Line> {
        self.pick_message(action).map(|picked| picked.line)
    }

    pub(super) fn pick_message(&self, action: &str) -> Option<Picked> {
        let (name, bank) = self.writer.banks.message(&self.turn.flow.name, action)?;
        self.pick(&format!("message.{name}"), &bank.texts)
    }

    pub(super) fn pick_ack(&self, bank: &str) -> Option<Line> {
        self.pick(&format!("ack.{bank}"), self.writer.banks.acks.get(bank)?).map(|picked| picked.line)
    }

    /// The same about a thing by its name.
    pub(super) fn pick_about(&self, bank: &str, name: Option<&str>) -> Option<Line> {
        let value = |hole: &str| match hole {
            "other_name" => name.map(str::to_owned),
            _ => self.value(hole),
        };
        let texts = self.writer.banks.acks.get(bank)?;
        self.pick_with(&format!("ack.{bank}"), texts, &value).map(|picked| picked.line)
    }

    /// A text of the bank that fits mood and memory, by the seed; used ones only when all are used.
    pub(super) fn pick(&self, bank: &str, texts: &[Phrase]) -> Option<Picked> {
        self.pick_with(bank, texts, &|hole| self.value(hole))
    }

    /// The same with values of its own for the placeholders.
    pub(super) fn pick_with(
        &self,
        bank: &str,
        texts: &[Phrase],
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Picked> {
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
                    grammar::holes(&phrase.text)
                        .all(|hole| self.memory.number(hole).is_none_or(|n| n >= least))
                })
            })
            .filter_map(|(at, phrase)| Some((at, fill(&phrase.text, value)?, phrase)))
            .collect();
        if fitting.iter().any(|(_, _, phrase)| phrase.tone.is_some()) {
            fitting.retain(|(_, _, phrase)| phrase.tone.is_some());
        }
        if fitting.iter().any(|(_, text, _)| !self.shows_in_vain(text)) {
            fitting.retain(|(_, text, _)| !self.shows_in_vain(text));
        }
        let used = |at: usize| self.memory.said.texts.iter().rposition(|id| *id == format!("{bank}#{at}"));
        let fresh: Vec<_> =
            fitting.iter().filter(|(at, ..)| !self.options.vary || used(*at).is_none()).collect();
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

    /// Offers a look at the program to who has turned it down.
    pub(super) fn shows_in_vain(&self, text: &str) -> bool {
        self.memory.said.demo_refused
            && self.writer.banks.ctas.shows_it.iter().any(|word| text.to_lowercase().contains(word.as_str()))
    }

    /// A number below `count`, the same for the same talk, turn and bank.
    fn draw(&self, bank: &str, count: usize) -> usize {
        if !self.options.vary {
            return 0;
        }
        let key = format!("{}:{}:{bank}", self.memory.seed, self.memory.counters.turn);
        usize::try_from(salesbot_models::linear::hash(&key)).unwrap_or(0) % count.max(1)
    }

    /// The value of a placeholder.
    pub(super) fn value(&self, hole: &str) -> Option<String> {
        let contact: Contact = self.memory.contact();
        match hole {
            "name" => contact.name.or_else(|| self.memory.text("client_name").map(str::to_owned)),
            "phone" => contact.phone.as_deref().map(mask_phone),
            "email" => contact.email,
            "company" => Some(self.options.company.clone()),
            "tool_in" => self.writer.tool_in.get(self.memory.text("current_tools")?).cloned(),
            slot => self.memory.number(slot).map(|number| number.to_string()),
        }
    }
}
