//! Facts about the client in a message. Empty is better than wrong: every value comes from a pattern of
//! `nlu/slots.yaml`, or from a plain answer to the bot's own question.

mod load;
mod name;
mod proposed;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use salesbot_dialogue::{Asked, SlotFill};
use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, entries, items, parse};

pub(super) use load::joined;
use load::read_slot;
use name::{NamePhrases, read_name};

use super::contact::Contacts;
use super::pattern::{Pattern, Patterns};
use super::text::{Clause, Text, plain};

/// "три продавца и я": when the writer counts beside the number.
#[derive(Clone, Debug, Default)]
struct AndMe {
    ends: Vec<String>,
    holds: Vec<String>,
    /// Words of a number that holds him already: "нас двое, я и сестра".
    unless: Vec<String>,
}

impl AndMe {
    fn counts(&self, flat: &str, number: &str) -> bool {
        let holds = |text: &str, words: &String| format!(" {text} ").contains(&format!(" {words} "));
        !self.unless.iter().any(|word| holds(number, word))
            && (self.ends.iter().any(|end| flat.ends_with(end.as_str()))
                || self.holds.iter().any(|words| holds(flat, words)))
    }
}

/// How a message was meant, as far as it is known before its facts are read.
#[derive(Clone, Copy)]
pub struct Meant<'a> {
    pub asked: Option<&'a Asked>,
    /// A plain yes.
    pub yes: bool,
    /// It may be taken whole as the answer to an open question.
    pub plain_answer: bool,
    /// Whether a part of it wonders about the world, or speaks to us, rather than tells.
    pub wonders: &'a dyn Fn(&str) -> bool,
}

/// All slots a message can fill, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    list: Vec<Slot>,
    contacts: Contacts,
    /// Words that stand where a name might and are none.
    not_names: Vec<String>,
    names: NamePhrases,
    /// Words by which the client speaks of himself.
    of_self: Patterns,
    /// Words after which the client says it anew.
    corrects: Vec<String>,
    /// "и я" at the end, "я и" anywhere: the writer is one more.
    and_me: AndMe,
    /// Currencies other than tenge, with the words and signs that name them.
    currencies: Vec<(String, Patterns)>,
}

#[derive(Clone, Debug)]
struct Slot {
    name: String,
    kind: Kind,
    /// Not read from a clause that asks: "а с 1С работает?" tells nothing about the client.
    not_questions: bool,
    /// Nor from a part that holds a question word or speaks to us, though it may not ask.
    only_told: bool,
    /// Not read from a clause that one of these fits: it speaks of others.
    unless: Patterns,
}

/// A choice that stands for no value: what fits it is none of those below.
const NONE: &str = "-";

#[derive(Clone, Debug)]
enum Kind {
    /// `any` holds the patterns of `read` and `asked`: most messages fit none, and one look tells.
    Number {
        read: Vec<Pattern>,
        asked: Vec<Pattern>,
        any: Patterns,
        words: BTreeMap<String, i64>,
        not_before: Patterns,
        min: i64,
        max: i64,
    },
    /// The first value that fits; `any` holds the patterns of all.
    Choice {
        values: Vec<(String, Patterns)>,
        any: Patterns,
    },
    /// The client's own clause: when another slot was found in it, a pattern fits, or the bot asked.
    Clause {
        from: Vec<String>,
        read: Patterns,
        /// Words that answer the bot's own question for the slot.
        asked: Patterns,
        asked_open: bool,
        min_chars: usize,
    },
    Money {
        read: Vec<Pattern>,
        asked: Vec<Pattern>,
        any: Patterns,
    },
    Flag {
        read: Patterns,
        asked_yes: bool,
    },
    Name {
        asked_open: bool,
    },
    Contact,
    /// All phones and e-mails, where a message has more than one.
    Contacts,
    /// Phone or e-mail, whichever the contact is.
    ContactType,
    /// A phone beside words that give it a purpose of its own ("номер каспи").
    PhoneFor(Patterns),
    /// The upper bound of the range another slot was read from.
    Upper(String),
    ShortPhone,
    StateNumber {
        business: bool,
    },
    /// Known to flows, filled by the engine or an operator.
    None,
}

impl Slots {
    pub fn load(file: &SourceFile, diagnostics: &mut Diagnostics) -> Self {
        let mut slots = Self::default();
        let Some(root) = parse(file, diagnostics) else { return slots };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return slots };
        let all = fields.node("slots");
        let and_me = fields.node("and_me");
        let currencies = fields.node("currencies");
        let mut list = |key: &'static str| -> Vec<String> {
            fields.optional::<Vec<String>>(key).unwrap_or_default().iter().map(|word| plain(word)).collect()
        };
        slots.not_names = list("not_names");
        slots.of_self = Patterns::new(list("of_self").iter().map(String::as_str));
        slots.corrects = list("corrects");
        slots.contacts = Contacts::with_documents(&list("not_phone_after"));
        slots.names = NamePhrases {
            after: list("name_after")
                .iter()
                .map(|phrase| phrase.split(' ').map(str::to_owned).collect())
                .collect(),
            before: list("name_before"),
            introduced: list("name_introduced"),
        };
        let part = |key: &str| {
            and_me
                .and_then(|node| node.get(key))
                .map(items)
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text)
                .map(plain)
                .collect()
        };
        slots.and_me = AndMe { ends: part("ends"), holds: part("holds"), unless: part("unless") };
        fields.finish();
        for (key, node) in currencies.map(|list| entries(list, file, diagnostics)).unwrap_or_default() {
            let words = joined(Some(node), file, diagnostics);
            slots.currencies.push((key.text().unwrap_or_default().to_owned(), words));
        }
        for (key, node) in all.map(|list| entries(list, file, diagnostics)).unwrap_or_default() {
            let name = key.text().unwrap_or_default().to_owned();
            slots.list.extend(read_slot(name, node, file, diagnostics));
        }
        slots
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.list.iter().map(|slot| slot.name.clone()).collect()
    }

    pub fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// What the message tells, given how it was meant.
    pub fn read(&self, text: &Text, meant: Meant<'_>) -> Vec<SlotFill> {
        let asked_slot = meant.asked.and_then(|asked| asked.slot.as_deref());
        let mut found: Vec<SlotFill> = Vec::new();
        let clauses: Vec<(&Clause, bool)> = text
            .clauses
            .iter()
            .map(|clause| (clause, self.of_self.matches(&clause.flat, &clause.raw)))
            .collect();
        for slot in &self.list {
            let is_asked = asked_slot == Some(slot.name.as_str());
            if let Some((value, source)) = self.read_slot(slot, (text, &clauses), is_asked, meant, &found) {
                found.push(SlotFill { slot: slot.name.clone(), value, source });
            }
        }
        found
    }

    /// `all` are the clauses of the text, each with whether the client speaks of himself in it.
    fn read_slot(
        &self,
        slot: &Slot,
        (text, all): (&Text, &[(&Clause, bool)]),
        asked: bool,
        meant: Meant<'_>,
        found: &[SlotFill],
    ) -> Option<(Value, String)> {
        let Meant { yes, plain_answer, wonders, .. } = meant;
        // A question tells about the client only where the client speaks of himself: "у нас кафе, подойдёт?".
        let clauses = all
            .iter()
            .copied()
            .filter(|(clause, of_self)| *of_self || asked || !slot.not_questions || !clause.asks);
        let of_others =
            |clause: &Clause, of_self: bool| !of_self && slot.unless.matches(&clause.flat, &clause.raw);
        // "аптека, хочу понять как у вас" tells in its first part and wonders in the second.
        let tells = |clause: &Clause, of_self: bool, source: &str| {
            let holds = |part: &&String| format!(" {part} ").contains(&format!(" {source} "));
            let part = clause.parts.iter().find(holds).unwrap_or(&clause.flat);
            !slot.only_told || asked || of_self || !wonders(part)
        };
        match &slot.kind {
            Kind::Number { read, asked: bare, any, words, not_before, min, max } => {
                let fits =
                    |number: f64| number.fract() == 0.0 && number >= *min as f64 && number <= *max as f64;
                // "сотрудников 25, точек две": a number belongs to the words of its part.
                let flats = clauses.flat_map(|(clause, of_self)| {
                    let parts = clause.parts.iter().chain((clause.parts.len() > 1).then_some(&clause.flat));
                    parts.map(move |part| (clause, of_self, part))
                });
                for (clause, of_self, flat) in flats {
                    // Digits of a phone are no head-count.
                    let flat = without_phones(flat);
                    if !any.matches(&flat, &flat) || of_others(clause, of_self) {
                        continue;
                    }
                    let patterns =
                        read.iter().chain(bare.iter().filter(|_| asked && flat.split(' ').count() <= 4));
                    for pattern in patterns {
                        let Some(hit) = pattern.find(&flat) else { continue };
                        let worded = || {
                            words
                                .iter()
                                .find(|(word, _)| hit.text.split(' ').any(|own| own == word.as_str()))
                                .map(|(_, n)| *n as f64)
                        };
                        let Some(number) = hit
                            .number
                            .map(|(number, _)| number)
                            .or_else(worded)
                            .filter(|number| fits(*number))
                        else {
                            continue;
                        };
                        let after = hit.number.map_or("", |(_, end)| flat[end..].trim());
                        let first = after.split(' ').next().unwrap_or_default();
                        if !first.is_empty() && not_before.matches(first, first) {
                            continue;
                        }
                        // "три продавца и я": the writer counts too.
                        let and_me = slot.name == "company_size"
                            && hit.number.is_some()
                            && self.and_me.counts(&flat, hit.text);
                        return Some((json!(number as i64 + i64::from(and_me)), hit.text.to_owned()));
                    }
                }
                None
            }
            Kind::Choice { values, any } => {
                let choose = |flat: &str, raw: &str| {
                    let hit = |(value, patterns): &(String, Patterns)| {
                        patterns.find(flat, raw).map(|(hit, _)| (json!(value), hit.to_owned()))
                    };
                    values.iter().find_map(hit)
                };
                for (clause, of_self) in clauses {
                    if !any.matches(&clause.flat, &clause.raw) || of_others(clause, of_self) {
                        continue;
                    }
                    // "в 1с, вернее в мойсклад": what comes last counts.
                    let padded = format!(" {} ", clause.flat);
                    let marks = self.corrects.iter().filter_map(|mark| {
                        let mark = format!(" {mark} ");
                        padded.rfind(&mark).map(|at| at + mark.len() - 1)
                    });
                    let corrected = marks.max().and_then(|at| choose(padded[at..].trim(), ""));
                    let chosen = corrected.or_else(|| choose(&clause.flat, &clause.raw));
                    if let Some(found) = chosen.filter(|(_, source)| tells(clause, of_self, source)) {
                        return Some(found).filter(|(value, _)| value != NONE);
                    }
                }
                None
            }
            Kind::Clause { from, read, asked: words, asked_open, min_chars } => {
                let long = |raw: &str| raw.trim().chars().count() >= *min_chars;
                let source =
                    found.iter().find(|fill| from.contains(&fill.slot)).map(|fill| fill.source.clone());
                for (clause, of_self) in clauses {
                    if of_others(clause, of_self) {
                        continue;
                    }
                    let fits = source.as_ref().is_some_and(|source| clause.flat.contains(source.as_str()))
                        || read.matches(&clause.flat, &clause.raw);
                    let answers = asked && !clause.asks && words.matches(&clause.flat, &clause.raw);
                    if fits && long(&clause.raw) || answers {
                        return Some((json!(clip(&clause.raw)), clause.raw.clone()));
                    }
                }
                // Facts of another kind answer another question than the one about troubles or wishes.
                let other = found.iter().any(|fill| {
                    ["company_size", "current_tools", "locations_count", "business_type", "contact_info"]
                        .contains(&fill.slot.as_str())
                });

                let whole = asked && *asked_open && plain_answer && long(&text.raw) && !other;
                whole.then(|| (json!(clip(&text.raw)), text.raw.clone()))
            }
            Kind::Money { read, asked: bare, any } => {
                let patterns: Vec<&Pattern> = read.iter().chain(bare.iter().filter(|_| asked)).collect();
                for (clause, of_self) in clauses {
                    let flat = without_phones(&clause.flat);
                    if !any.matches(&flat, &flat) || of_others(clause, of_self) {
                        continue;
                    }
                    let hit = patterns.iter().find_map(|pattern| {
                        pattern.find(&flat).and_then(|hit| hit.number.map(|(n, _)| (n, hit.text.to_owned())))
                    });
                    if let Some((amount, source)) = hit.filter(|(amount, _)| *amount >= 100.0) {
                        let currency = self.currency(clause);
                        return Some((json!({"amount": amount as i64, "currency": currency}), source));
                    }
                }
                None
            }
            Kind::Flag { read, asked_yes } => {
                let hit = read.find(&text.flat, &text.plain).map(|(hit, _)| hit.to_owned());
                let by_yes = (asked && *asked_yes && yes).then(|| text.raw.clone());
                hit.or(by_yes).map(|source| (json!(true), source))
            }
            Kind::Name { asked_open } => {
                self.name(&text.raw, asked && *asked_open && plain_answer).map(|name| (json!(name), name))
            }
            Kind::Contact => self.read_contact(text, found),
            Kind::Contacts => {
                let mut all = self.contacts.phones(text.with_contacts());
                all.extend(self.contacts.emails(&text.raw));
                let mut values: Vec<String> = Vec::new();
                for contact in all {
                    if !values.contains(&contact.value) {
                        values.push(contact.value);
                    }
                }
                (values.len() > 1).then(|| (json!(values), text.raw.clone()))
            }
            Kind::ContactType => {
                let contact = found.iter().find(|fill| fill.slot == "contact_info")?;
                let kind = if contact.value["phone"].is_null() { "email" } else { "phone" };
                Some((json!(kind), contact.source.clone()))
            }
            Kind::PhoneFor(words) => {
                let phone = self.contacts.phones(text.with_contacts()).into_iter().next()?;
                words.matches(&text.flat, &text.plain).then(|| (json!(phone.value.clone()), phone.value))
            }
            Kind::Upper(of) => {
                let fill = found.iter().find(|fill| fill.slot == *of)?;
                let (low, high) = text.ranges.iter().find(|(low, _)| Some(*low) == fill.value.as_f64())?;
                (low < high).then(|| (json!(*high as i64), fill.source.clone()))
            }
            Kind::ShortPhone => {
                self.contacts.has_short_phone(text.with_contacts()).then(|| (json!(true), text.raw.clone()))
            }
            Kind::StateNumber { business } => {
                let (number, is_business) = self.contacts.state_number(&text.raw)?;
                (is_business == *business).then(|| (json!(number), number))
            }
            Kind::None => None,
        }
    }

    /// The currency a clause names; tenge where it names none.
    fn currency(&self, clause: &Clause) -> &str {
        let named = self.currencies.iter().find(|(_, words)| words.matches(&clause.flat, &clause.raw));
        named.map_or("KZT", |(code, _)| code)
    }

    fn name(&self, raw: &str, asked: bool) -> Option<String> {
        read_name(raw, asked, &self.contacts, &self.names)
            .filter(|name| !self.not_names.contains(&plain(name)))
    }

    fn read_contact(&self, text: &Text, found: &[SlotFill]) -> Option<(Value, String)> {
        let phone = self.contacts.phones(text.with_contacts()).into_iter().next().map(|phone| phone.value);
        let email = self.contacts.emails(&text.raw).into_iter().next().map(|email| email.value);
        if phone.is_none() && email.is_none() {
            return None;
        }
        let name = found.iter().find(|fill| fill.slot == "client_name").map(|fill| fill.value.clone());
        let source = phone.clone().or(email.clone()).unwrap_or_default();
        Some((json!({"phone": phone, "email": email, "name": name, "valid": true}), source))
    }
}

/// Ten digits or more in a row of number words belong to a phone or a personal number.
fn without_phones(flat: &str) -> Cow<'_, str> {
    if flat.bytes().filter(u8::is_ascii_digit).count() < 10 {
        return Cow::Borrowed(flat);
    }
    let mut out: Vec<&str> = Vec::new();
    let tokens: Vec<&str> = flat.split(' ').collect();
    let mut at = 0;
    while at < tokens.len() {
        let run = tokens[at..]
            .iter()
            .take_while(|token| token.chars().all(|c| c.is_ascii_digit() || c == '-') && !token.is_empty())
            .count();
        let digits: usize =
            tokens[at..at + run].iter().map(|token| token.chars().filter(char::is_ascii_digit).count()).sum();
        if digits >= 10 {
            at += run;
        } else {
            out.push(tokens[at]);
            at += 1;
        }
    }
    Cow::Owned(out.join(" "))
}

/// A slot's text keeps to a readable length; the whole message stays in the history.
fn clip(raw: &str) -> String {
    raw.trim().trim_end_matches(['.', ',', '!']).chars().take(300).collect()
}
