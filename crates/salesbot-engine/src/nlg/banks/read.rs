//! Reads phrases, questions and recipes of the bank files.

use std::collections::{BTreeMap, BTreeSet};

use salesbot_dialogue::Tone;
use salesbot_knowledge::amounts::amounts;
use salesbot_yaml::{Diagnostics, Fields, Node, Place, SourceFile, entries, items, parse};

use super::{AnswerPart, MessageBank, MessagePart, Phrase, QuestionBank, QuestionPart, Recipe};

pub(super) fn phrase_map(
    file: &SourceFile,
    key: &str,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, Vec<Phrase>> {
    let Some(root) = parse(file, diagnostics) else { return BTreeMap::new() };
    let Some(map) = root.get(key) else {
        diagnostics.error(file, root.place, "E17", format!("key `{key}` is missing"));
        return BTreeMap::new();
    };
    let list = entries(map, file, diagnostics);
    list.into_iter()
        .map(|(name, node)| {
            (name.text().unwrap_or_default().to_owned(), phrases(Some(node), file, diagnostics))
        })
        .collect()
}

pub(super) fn message_map(
    file: &SourceFile,
    slots: &BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, MessageBank> {
    let Some(root) = parse(file, diagnostics) else { return BTreeMap::new() };
    let Some(map) = root.get("messages") else {
        diagnostics.error(file, root.place, "E17", "key `messages` is missing");
        return BTreeMap::new();
    };
    let list = entries(map, file, diagnostics);
    list.into_iter()
        .map(|(name, node)| {
            (name.text().unwrap_or_default().to_owned(), read_message(node, slots, file, diagnostics))
        })
        .collect()
}

/// A list of texts, or `{slot, texts}` where the texts ask for the slot.
pub(super) fn read_message(
    node: &Node,
    slots: &BTreeSet<String>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> MessageBank {
    if node.map().is_none() {
        return MessageBank { slot: None, texts: phrases(Some(node), file, diagnostics) };
    }
    let Some(mut fields) = Fields::of(node, file, diagnostics) else { return MessageBank::default() };
    let slot: Option<String> = fields.optional("slot");
    let texts = fields.node("texts");
    fields.finish();
    check_slot(slot.as_ref(), node.place, slots, file, diagnostics);
    MessageBank { slot, texts: phrases(texts, file, diagnostics) }
}

pub(super) fn read_question(
    node: &Node,
    slots: &BTreeSet<String>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<QuestionBank> {
    let mut fields = Fields::of(node, file, diagnostics)?;
    let state = fields.optional("state");
    let slot: Option<String> = fields.optional("slot");
    let kind: String = fields.required("kind").unwrap_or_default();
    let texts = fields.node("texts");
    fields.finish();
    if !["open", "yes_no", "choice", "contact"].contains(&kind.as_str()) {
        diagnostics.error(file, node.place, "E18", format!("unknown kind of question `{kind}`"));
    }
    check_slot(slot.as_ref(), node.place, slots, file, diagnostics);
    Some(QuestionBank { state, slot, kind, texts: phrases(texts, file, diagnostics) })
}

fn check_slot(
    slot: Option<&String>,
    place: Place,
    slots: &BTreeSet<String>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) {
    if let Some(slot) = slot.filter(|slot| !slots.contains(*slot)) {
        diagnostics
            .error(file, place, "E07", format!("unknown slot `{slot}`"))
            .suggest(slot, slots.iter().map(String::as_str));
    }
}

pub(super) fn phrases(node: Option<&Node>, file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<Phrase> {
    let mut found = Vec::new();
    for item in node.map(items).unwrap_or_default() {
        if let Some(text) = item.text() {
            check_numbers(text, item.place, file, diagnostics);
            found.push(Phrase { text: text.to_owned(), asks: implied(text), ..Phrase::default() });
            continue;
        }
        let Some(mut fields) = Fields::of(item, file, diagnostics) else { continue };
        let text: String = fields.required("text").unwrap_or_default();
        let tone: Option<String> = fields.optional("tone");
        let asks = fields.optional("asks").or_else(|| implied(&text));
        let at_least = fields.optional("at_least");
        fields.finish();
        check_numbers(&text, item.place, file, diagnostics);
        let informal = tone.as_deref() == Some("informal");
        let mood = tone.as_deref().filter(|_| !informal).and_then(Tone::from_name);
        if tone.is_some() && !informal && mood.is_none() {
            diagnostics
                .error(file, item.place, "E18", "unknown tone")
                .hint("a tone of nlu/tone.yaml, or `informal`");
        }
        found.push(Phrase { text, tone: mood, informal, asks, at_least });
    }
    found
}

/// What costs how much is said by the knowledge alone, else one thing gets two prices.
fn check_numbers(text: &str, place: Place, file: &SourceFile, diagnostics: &mut Diagnostics) {
    if let Some(number) = amounts(text).first() {
        diagnostics
            .error(file, place, "E24", format!("a phrase states the number {number}"))
            .hint("figures stand in knowledge/ and are cited from there; write small numbers as words");
    }
}

/// A text that ends in a question mark asks, whatever else is said of it.
fn implied(text: &str) -> Option<String> {
    text.ends_with('?').then(|| "open".to_owned())
}

pub(super) fn read_recipe(
    node: &Node,
    family: &str,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Recipe {
    let mut recipe = Recipe { family: family.to_owned(), ..Recipe::default() };
    let Some(mut fields) = Fields::of(node, file, diagnostics) else { return recipe };
    recipe.ack = fields.optional("ack");
    let (answer, message, question) =
        (fields.node("answer"), fields.node("message"), fields.node("question"));
    recipe.lead = fields.or("lead", false);
    recipe.menu = fields.or("menu", false);
    recipe.repeat = fields.or("repeat", false);
    recipe.summary = fields.or("summary", false);
    fields.finish();
    recipe.answer = choice(
        answer,
        &[
            ("asked", AnswerPart::Asked),
            ("asked_if_sure", AnswerPart::AskedIfSure),
            ("pain", AnswerPart::Pain),
            ("objection", AnswerPart::Objection),
        ],
        file,
        diagnostics,
    );
    recipe.message = choice(
        message,
        &[
            ("own", MessagePart::Own),
            ("when_nothing_learned", MessagePart::WhenNothingLearned),
            ("handover", MessagePart::Handover),
        ],
        file,
        diagnostics,
    );
    recipe.question = choice(
        question,
        &[
            ("state", QuestionPart::State),
            ("pressure", QuestionPart::Pressure),
            ("contact", QuestionPart::Contact),
        ],
        file,
        diagnostics,
    );
    recipe
}

fn choice<T: Copy + Default>(
    node: Option<&Node>,
    known: &[(&'static str, T)],
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> T {
    let Some(node) = node else { return T::default() };
    let text = node.text().unwrap_or_default();
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return *value;
    }
    diagnostics
        .error(file, node.place, "E18", format!("unknown value `{text}`"))
        .suggest(text, known.iter().map(|(name, _)| *name));
    T::default()
}
