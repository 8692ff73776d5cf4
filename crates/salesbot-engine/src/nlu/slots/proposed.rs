//! Facts a language model proposes. They pass the same checks as facts read from the message, and must stand
//! in it: empty is better than wrong.

use serde_json::{Value, json};

use salesbot_dialogue::SlotFill;

use super::{Kind, Slots, clip};
use crate::nlu::text::{Text, plain, stem, words};

/// A name of a tool nobody listed: no longer than this.
const TOOL_CHARS: usize = 30;

impl Slots {
    /// Slots a model may fill: facts in words and numbers. Contacts and state numbers are read from the digits
    /// of the message alone, and flags are the engine's own.
    pub fn may_be_proposed(&self, name: &str) -> bool {
        !name.starts_with('_')
            && self.list.iter().any(|slot| {
                slot.name == name
                    && matches!(
                        slot.kind,
                        Kind::Number { .. } | Kind::Choice { .. } | Kind::Clause { .. } | Kind::Money { .. }
                    )
            })
    }

    /// Checks a proposed value; `Err` says why it is dropped.
    pub fn proposed(&self, name: &str, value: &Value, text: &Text) -> Result<SlotFill, &'static str> {
        let Some(slot) = self.list.iter().find(|slot| slot.name == name && self.may_be_proposed(name)) else {
            return Err("no slot a model may fill");
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let contacts = &self.contacts;
        if !contacts.phones(&shown).is_empty() || !contacts.emails(&shown).is_empty() {
            return Err("a contact in another slot");
        }
        let fill = |value: Value| SlotFill { slot: name.to_owned(), value, source: text.raw.clone() };
        let number = || {
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            let stands = !digits.is_empty() && text.flat.split(' ').any(|word| word == digits);
            digits.parse::<i64>().ok().filter(|_| stands)
        };
        match &slot.kind {
            Kind::Number { min, max, .. } => match number() {
                None => Err("the number does not stand in the message"),
                Some(number) if (*min..=*max).contains(&number) => Ok(fill(json!(number))),
                Some(_) => Err("out of range"),
            },
            Kind::Money { .. } => {
                let currency = text.clauses.first().map_or("KZT", |clause| self.currency(clause));
                let amount = number().map(|amount| fill(json!({"amount": amount, "currency": currency})));
                amount.ok_or("the sum does not stand in the message")
            }
            Kind::Choice { values: choices, .. } => {
                let known = choices.iter().find(|(choice, _)| plain(choice) == plain(&shown));
                match known {
                    Some((choice, patterns)) if patterns.matches(&text.flat, &text.plain) => {
                        Ok(fill(json!(choice)))
                    }
                    Some((choice, _)) if stands_in(choice, text) => Ok(fill(json!(choice))),
                    Some(_) => Err("nothing in the message says so"),
                    // A tool of another name stays as the client wrote it.
                    None if name == "current_tools"
                        && shown.chars().count() <= TOOL_CHARS
                        && !shown.chars().any(|c| c.is_ascii_digit())
                        && stands_in(&shown, text) =>
                    {
                        Ok(fill(json!(shown.trim())))
                    }
                    None => Err("not one of the known values"),
                }
            }
            Kind::Clause { min_chars, .. } => {
                if shown.trim().chars().count() < *min_chars {
                    Err("too short")
                } else if stands_in(&shown, text) {
                    Ok(fill(json!(clip(&shown))))
                } else {
                    Err("its words do not stand in the message")
                }
            }
            _ => Err("no slot a model may fill"),
        }
    }
}

/// Every word of the value, in some form, is a word of the message.
fn stands_in(value: &str, text: &Text) -> bool {
    let said: Vec<String> = words(&text.flat).chain(words(&text.plain)).map(stem).collect();
    let value = plain(value);
    let mut own = words(&value).peekable();
    own.peek().is_some() && own.all(|word| said.contains(&stem(word)))
}
