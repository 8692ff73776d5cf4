//! Sections and their sentences.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::amounts::amounts;
use crate::load::Meta;

/// One entry of the knowledge base. `id` is `category/topic`; topics are unique over all files.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub id: String,
    pub topic: String,
    pub category: String,
    /// 1 to 10; breaks ties only.
    pub priority: u8,
    pub keywords: Vec<String>,
    pub questions: Vec<String>,
    pub facts: String,
    pub links: Vec<Link>,
    /// Searched and counted, but never shown or sent to a model.
    pub sensitive: bool,
    /// First and last day it holds, in days since 1970.
    pub valid_from: Option<i32>,
    pub valid_to: Option<i32>,
    /// Topics hidden while this section holds.
    pub supersedes: Vec<String>,
    pub sentences: Vec<Sentence>,
    /// Normalised numbers of the facts, for checking replies.
    pub amounts: BTreeSet<String>,
    pub file: String,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub label: String,
    pub kind: String,
}

/// A sentence of the facts, or a list: its lead-in with the lines that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub text: String,
    /// Lines of a list, without the bullet; empty for a plain sentence.
    pub items: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    pub meta: Meta,
    /// In the order of files and of sections in them.
    pub sections: Vec<Section>,
    pub(crate) by_id: BTreeMap<String, usize>,
    /// Sections that hold only for a time or stand for others.
    pub(crate) dated: Vec<usize>,
}

impl Knowledge {
    pub fn has_topic(&self, topic: &str) -> bool {
        self.sections.iter().any(|section| section.topic == topic)
    }

    pub fn section(&self, id: &str) -> Option<&Section> {
        self.by_id.get(id).map(|at| &self.sections[*at])
    }

    /// Sections not to be found on a day (days since 1970): out of their time, or superseded by one that holds.
    pub(crate) fn hidden(&self, today: Option<i32>) -> HashSet<usize> {
        let holds = |section: &Section| {
            today.is_none_or(|day| {
                section.valid_from.is_none_or(|from| from <= day)
                    && section.valid_to.is_none_or(|to| day <= to)
            })
        };
        let mut hidden = HashSet::new();
        for at in &self.dated {
            let section = &self.sections[*at];
            if !holds(section) {
                hidden.insert(*at);
                continue;
            }
            let same = |other: &Section| section.supersedes.contains(&other.topic);
            hidden.extend((0..self.sections.len()).filter(|other| same(&self.sections[*other])));
        }
        hidden
    }

    pub fn categories(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for section in &self.sections {
            *counts.entry(section.category.as_str()).or_default() += 1;
        }
        counts
    }

    /// All texts whose words are known words to the understanding of messages.
    pub fn vocabulary(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().flat_map(|section| {
            section
                .keywords
                .iter()
                .chain(&section.questions)
                .map(String::as_str)
                .chain([section.facts.as_str()])
        })
    }
}

impl Section {
    pub(crate) fn finish(mut self) -> Self {
        self.sentences = sentences(&self.facts);
        self.amounts = amounts(&self.facts);
        self
    }
}

/// Splits facts into sentences and lists. A line that ends in a colon leads the bullets after it.
pub(crate) fn sentences(facts: &str) -> Vec<Sentence> {
    let mut found: Vec<Sentence> = Vec::new();
    for line in facts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let bullet =
            line.strip_prefix('•').or_else(|| line.strip_prefix("- ")).or_else(|| line.strip_prefix("* "));
        if let Some(item) = bullet {
            let item = plain_markup(item.trim());
            match found.last_mut() {
                Some(lead) if lead.text.ends_with(':') => lead.items.push(item),
                _ => found.push(Sentence { text: item, items: Vec::new() }),
            }
            continue;
        }
        found.extend(split(&plain_markup(line)).into_iter().map(|text| Sentence { text, items: Vec::new() }));
    }
    // A lead-in without its list says nothing.
    found.retain(|sentence| !sentence.text.ends_with(':') || !sentence.items.is_empty());
    found
}

fn plain_markup(text: &str) -> String {
    text.replace("**", "").replace("__", "").replace('|', " ").trim().to_owned()
}

/// At `.`, `!`, `?` followed by a space and a capital letter, a digit or a quote.
fn split(line: &str) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    let mut start = 0;
    for at in 0..letters.len() {
        let ends = matches!(letters[at], '.' | '!' | '?') && letters.get(at + 1) == Some(&' ');
        let begins = ends && letters.get(at + 2).is_some_and(|c| c.is_uppercase() || matches!(c, '«' | '"'));
        let shortened = || {
            let word = letters[start..at].iter().rev().take_while(|c| c.is_alphabetic()).count();
            word < 3 && letters[at] == '.'
        };
        if begins && !shortened() {
            found.push(letters[start..=at].iter().collect::<String>().trim().to_owned());
            start = at + 1;
        }
    }
    let rest: String = letters[start..].iter().collect();
    if !rest.trim().is_empty() {
        found.push(rest.trim().to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_part_into_sentences_and_lists() {
        let found = sentences(
            "Mini стоит 5 000 ₸ в месяц. Lite — 150 000 ₸ в год.\nТарифы:\n• Mini — одна точка\n• Lite — один склад\n",
        );
        assert_eq!(found.len(), 3);
        assert_eq!(found[1].text, "Lite — 150 000 ₸ в год.");
        assert_eq!(found[2].items, ["Mini — одна точка", "Lite — один склад"]);
    }

    #[test]
    fn a_lead_in_without_a_list_is_dropped() {
        assert_eq!(sentences("Тарифы:\nMini стоит 5 000 ₸.").len(), 1);
    }
}
