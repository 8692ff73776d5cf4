//! What a question takes over from the talk before it: "а сколько он стоит?" asks for the price of what was asked
//! about before.

use std::collections::BTreeSet;

use salesbot_dialogue::IntentId;
use salesbot_dialogue::state::Exchange;
use salesbot_knowledge::retriever::Before;
use salesbot_knowledge::typing::translit;
use salesbot_knowledge::words::{normalise, stem, stems, words};

use super::Planner;

/// How many turns back the thing may stand that a question refers to, and that it merely lacks.
const BACK: usize = 6;
const JUST_BEFORE: usize = 2;
/// Words of a question that is too short to name its thing.
const SHORT: usize = 2;
/// A reading less sure than this may lack the thing it is about.
pub(super) const UNSURE: f32 = 0.6;

impl Planner<'_> {
    /// The thing a question follows, if it names none itself.
    pub(super) fn follows(&self, clause: &str, intent: Option<IntentId>) -> Option<Before> {
        let follow_ups = &self.writer.categories.follow_ups;
        let own = words(clause);
        let any = |list: &BTreeSet<String>| own.iter().any(|word| list.contains(word));
        let unsure = self.understanding.confidence < UNSURE;
        let of_a_thing = intent.is_some_and(|id| follow_ups.intents.contains(self.catalog.intents.name(id)));
        // "standard почем и что в нём" says itself what it speaks of.
        let things = self.things(clause, intent);
        let first = own.iter().find(|word| things.contains(word) || follow_ups.pronouns.contains(*word));
        let refers = first.is_some_and(|word| follow_ups.pronouns.contains(word));
        let counted = own.iter().filter(|word| !self.retriever.is_stop(&stem(word))).count();
        let lacks =
            of_a_thing && things.is_empty() || counted <= SHORT && (any(&follow_ups.pointing) || unsure);
        if !refers && !lacks {
            return None;
        }
        // "почем" and "как её подключить" want a thing, "на сколько месяцев" whatever was asked last.
        let wants_thing = refers || of_a_thing && !unsure;
        let mut turns = self.turn.state.turns.iter().rev().take(if refers { BACK } else { JUST_BEFORE });
        let mut before = turns.find_map(|turn| self.asked_about(turn, wants_thing))?;
        if !refers && !self.things(clause, None).is_empty() {
            before.must.clear();
        }
        Some(before)
    }

    /// What an earlier message asked about; `None` if it asked nothing or took its thing from before itself.
    fn asked_about(&self, turn: &Exchange, wants_thing: bool) -> Option<Before> {
        let intents = &self.catalog.intents;
        let follow_ups = &self.writer.categories.follow_ups;
        let intent = intents.id(&turn.intent).filter(|id| intents.is_question(*id))?;
        let follows = words(&turn.user).iter().any(|word| follow_ups.pronouns.contains(word));
        if follows || f32::from(turn.confidence) < UNSURE * 100.0 {
            return None;
        }
        let things = self.things(&turn.user, wants_thing.then_some(intent));
        // "весы с печатью этикеток" asks about scales: what its intent names comes before what else it says.
        let label = stems(&translit(&normalise(&intents.get(intent).label)));
        let named: Vec<String> = things.iter().filter(|word| label.contains(&stem(word))).cloned().collect();
        let words = if named.is_empty() { things } else { named }.join(" ");
        (!words.is_empty()).then(|| Before { must: words.clone(), words })
    }

    /// Words of a question that name a thing: no words of every question, no price words, no pronouns, and where
    /// the intent asks something of a thing, not what it asks ("рассрочка", "гарантия").
    fn things(&self, message: &str, intent: Option<IntentId>) -> Vec<String> {
        let categories = &self.writer.categories;
        let follow_ups = &categories.follow_ups;
        let intents = &self.catalog.intents;
        let asks = intent.filter(|id| follow_ups.intents.contains(intents.name(*id)));
        let label = asks.map(|id| stems(&intents.get(id).label)).unwrap_or_default();
        let names = |word: &String| {
            let stem = stem(word);
            !self.retriever.is_stop(&stem)
                && ![&follow_ups.pronouns, &follow_ups.pointing].iter().any(|list| list.contains(word))
                && !follow_ups.plain.contains(&stem)
                && !label.contains(&stem)
                && !categories.wants_price(word)
        };
        words(&categories.reword(message)).into_iter().filter(names).collect()
    }
}
