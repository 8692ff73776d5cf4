//! Facts for a reply: which sentences of which section answer what the client asked.

use std::collections::{BTreeMap, BTreeSet};

use salesbot_dialogue::{IntentCatalog, IntentId};
use salesbot_knowledge::retriever::Language;
use salesbot_knowledge::words::{normalise, stem};
use salesbot_knowledge::{Passage, Query, Retriever, Section, Sentence};
use salesbot_yaml::{Diagnostics, Fields, SourceFile, entries, parse, strings};

/// Which categories an intent prefers, and the words that count for nothing; `nlu/categories.yaml`.
#[derive(Clone, Debug, Default)]
pub struct Categories {
    groups: BTreeMap<String, Vec<String>>,
    intents: BTreeMap<String, Vec<String>>,
    /// Stop words and words of trades.
    pub language: Language,
    /// Beginnings of words that ask for an amount.
    price_words: Vec<String>,
    /// Words of a question that mean one of ours: "срм" is asked about, a programme is what there is.
    synonyms: BTreeMap<String, String>,
    /// The section that answers an intent when the question names nothing special.
    leads: BTreeMap<String, String>,
    pub follow_ups: FollowUps,
    /// Intents that ask about things by their names.
    pub named_things: BTreeSet<String>,
    /// What to look for when a client has this trouble.
    pub pains: BTreeMap<String, String>,
    /// The section that speaks of this trouble, where the knowledge has it.
    pub pain_topics: BTreeMap<String, String>,
    /// How the programme as a whole is looked up: `ask`, and the `topic` that is meant.
    pub overview: BTreeMap<String, String>,
    /// What to look for beside a price when this slot is known.
    pub fits: BTreeMap<String, String>,
}

/// When a question takes its thing from the talk before it.
#[derive(Clone, Debug, Default)]
pub struct FollowUps {
    /// They always speak of what was said …
    pub pronouns: BTreeSet<String>,
    /// … these only in a short question.
    pub pointing: BTreeSet<String>,
    /// Stems that name no thing of their own.
    pub plain: BTreeSet<String>,
    /// Intents that ask something of a thing.
    pub intents: BTreeSet<String>,
}

/// An answer to one question: whole sentences or one list of one section.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub asked: String,
    pub section: String,
    pub sentences: Vec<Sentence>,
}

/// How much an answer may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub words: usize,
    pub lists: bool,
    /// A short list is wanted where there is one: prices side by side.
    pub prefers_lists: bool,
    /// Sentences with a sum come first.
    pub wants_price: bool,
}

/// Sections looked at for each question.
const LOOKED_AT: usize = 5;
/// So much less than `min_coverage` is enough in a section of the expected category.
const EXPECTED: f32 = 0.12;
/// A second sentence is added when it fits the question nearly as well as the first.
const SECOND_FROM: f32 = 0.6;
/// What a sum is worth to a question about a price, in idf points.
const SUM_BONUS: f32 = 6.0;
/// Words of a list that reads at a glance.
const SHORT_LIST: usize = 60;
/// A list outranks the sentence before it from this share of its score.
const LIST_FROM: f32 = 0.9;

impl Categories {
    pub fn load(file: &SourceFile, catalog: &IntentCatalog, diagnostics: &mut Diagnostics) -> Self {
        let mut found = Self::default();
        let Some(root) = parse(file, diagnostics) else { return found };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return found };
        let (groups, intents) = (fields.node("groups"), fields.node("intents"));
        found.language.stop_words = fields.optional("stop_words").unwrap_or_default();
        found.language.names = fields.optional("names").unwrap_or_default();
        found.language.small_talk = fields.optional("small_talk").unwrap_or_default();
        let named: Vec<String> = fields.optional("named_things").unwrap_or_default();
        let bound = ["trades", "towns", "extras"].map(|key| fields.node(key));
        let follow_ups = fields.node("follow_ups");
        found.price_words = fields.optional("price_words").unwrap_or_default();
        let tables =
            ["synonyms", "leads", "pains", "pain_topics", "overview", "fits"].map(|key| fields.node(key));
        fields.finish();
        let [synonyms, leads, pains, pain_topics, overview, fits] = tables.map(|node| {
            let pairs = node.map(|node| entries(node, file, diagnostics)).unwrap_or_default();
            pairs
                .into_iter()
                .filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned())))
                .collect()
        });
        found = Self { synonyms, leads, pains, pain_topics, overview, fits, ..found };
        if let Some(mut fields) = follow_ups.and_then(|node| Fields::of(node, file, diagnostics)) {
            let mut words = |key: &'static str| -> Vec<String> {
                let list: Vec<String> = fields.optional(key).unwrap_or_default();
                list.iter().map(|word| normalise(word)).collect()
            };
            let (pronouns, pointing) =
                ["pronouns", "pointing"].map(|key| words(key).into_iter().collect()).into();
            let plain = words("plain").iter().map(|word| stem(word)).collect();
            let intents: Vec<String> = fields.optional("intents").unwrap_or_default();
            fields.finish();
            let intents = intents.into_iter().collect();
            found.follow_ups = FollowUps { pronouns, pointing, plain, intents };
        }
        found.named_things = named.into_iter().collect();
        let listed = found.named_things.iter().chain(&found.follow_ups.intents);
        for name in listed.filter(|name| catalog.id(name).is_none()) {
            diagnostics
                .error(file, root.place, "E08", format!("unknown intent `{name}`"))
                .suggest(name, catalog.names());
        }
        let language = &mut found.language;
        for (list, node) in
            [&mut language.trades, &mut language.towns, &mut language.extras].into_iter().zip(bound)
        {
            for (_, node) in node.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
                list.push(strings(node, file, diagnostics));
            }
        }
        for (key, node) in groups.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            found.groups.insert(key.text().unwrap_or_default().to_owned(), strings(node, file, diagnostics));
        }
        for (key, node) in intents.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if catalog.id(name).is_none() {
                diagnostics
                    .error(file, key.place, "E08", format!("unknown intent `{name}`"))
                    .suggest(name, catalog.names());
            }
            found.intents.insert(name.to_owned(), strings(node, file, diagnostics));
        }
        found
    }

    /// Categories that some intent speaks of.
    pub fn reachable(&self) -> BTreeSet<String> {
        self.groups.values().chain(self.intents.values()).flatten().cloned().collect()
    }

    /// A question in our words, for the search.
    pub fn reword(&self, clause: &str) -> String {
        let plain = normalise(clause);
        let words = plain.split_whitespace().map(|word| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            self.synonyms.get(bare).map_or(word, String::as_str)
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Does the question want an amount?
    pub fn wants_price(&self, clause: &str) -> bool {
        salesbot_knowledge::words::stems(clause).iter().any(|stem| self.price_words.contains(stem))
    }

    pub fn lead(&self, intent: IntentId, catalog: &IntentCatalog) -> Option<&str> {
        self.leads.get(catalog.name(intent)).map(String::as_str)
    }

    /// Whether the section, named `category/topic`, answers some intent in general.
    pub fn leads_to(&self, section: &str) -> bool {
        let topic = section.split_once('/').map_or(section, |(_, topic)| topic);
        self.leads.values().any(|lead| lead == topic)
    }

    pub fn of(&self, intent: IntentId, catalog: &IntentCatalog) -> Vec<String> {
        if let Some(own) = self.intents.get(catalog.name(intent)) {
            return own.clone();
        }
        let groups = &catalog.get(intent).groups;
        let mut found: Vec<String> =
            groups.iter().filter_map(|group| self.groups.get(group)).flatten().cloned().collect();
        found.dedup();
        found
    }
}

/// Looks a question up. The display label of its intent backs a clause of few words.
pub fn look_up<'k>(retriever: &'k Retriever, query: &Query) -> Vec<Passage<'k>> {
    retriever.search(query, LOOKED_AT).passages
}

/// The best section's sentences for the question; `None` when it knows too little of what was asked. Less is enough
/// where a sure reading speaks of the section's category.
pub fn answer(
    retriever: &Retriever,
    query: &Query,
    passages: &[Passage<'_>],
    room: Room,
    sure: bool,
) -> Option<Answer> {
    let least = |section: &Section| {
        let expected = sure && query.categories.contains(&section.category);
        query.options.min_coverage - if expected { EXPECTED } else { 0.0 }
    };
    let best = passages.first().filter(|passage| passage.known() >= least(passage.section))?;
    let before = query.before.as_ref().map_or("", |before| before.words.as_str());
    let asked = [query.text.as_str(), before].join(" ");
    let sentences = choose(retriever, best.section, &asked, room);
    (!sentences.is_empty()).then(|| Answer {
        asked: query.text.clone(),
        section: best.section.id.clone(),
        sentences,
    })
}

fn choose(retriever: &Retriever, section: &Section, clause: &str, room: Room) -> Vec<Sentence> {
    let scored: Vec<(f32, &Sentence)> = section
        .sentences
        .iter()
        .map(|sentence| {
            let sum = room.wants_price && sentence.text.contains('₸');
            (retriever.sentence_score(sentence, clause) + if sum { SUM_BONUS } else { 0.0 }, sentence)
        })
        .collect();
    let Some(first) = scored.first() else { return Vec::new() };
    let list = scored.iter().find(|(_, sentence)| !sentence.items.is_empty());
    if let Some((score, list)) = list
        && room.lists
        && (*score >= LIST_FROM * first.0
            || first.1.items == list.items
            || room.prefers_lists && words(list) <= SHORT_LIST)
        && words(list) <= room.words.max(110)
    {
        return vec![(*list).clone()];
    }
    let plain: Vec<&(f32, &Sentence)> =
        scored.iter().filter(|(_, sentence)| sentence.items.is_empty()).collect();
    let Some(top) = plain.iter().map(|(score, _)| *score).max_by(f32::total_cmp) else {
        return vec![in_line(first.1)];
    };
    // The first sentence answers its topic's main question: it stands unless another fits far better.
    let lead = plain.iter().position(|(score, _)| *score >= 0.75 * top || top == 0.0).unwrap_or(0);
    let mut chosen = vec![plain[lead].1.clone()];
    let mut length = words(&chosen[0]);
    for (score, sentence) in plain.iter().skip(lead + 1) {
        if chosen.len() < 2 && *score >= SECOND_FROM * top && length + words(sentence) <= room.words {
            length += words(sentence);
            chosen.push((*sentence).clone());
        }
    }
    chosen
}

/// A list said in one breath.
fn in_line(list: &Sentence) -> Sentence {
    Sentence { text: format!("{} {}.", list.text, list.items.join("; ")), items: Vec::new() }
}

fn words(sentence: &Sentence) -> usize {
    sentence.text.split_whitespace().count()
        + sentence.items.iter().map(|item| item.split_whitespace().count()).sum::<usize>()
}
