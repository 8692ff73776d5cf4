//! `nlu/slots.yaml`: kinds of slots with their patterns. Errors: E18 unknown type, E21 a pattern nobody can read.

use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, entries, items};

use super::{Kind, Slot};
use crate::nlu::pattern::{Pattern, Patterns};

pub(super) fn read_slot(
    name: String,
    node: &Node,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<Slot> {
    let place = node.place;
    let mut fields = Fields::of(node, file, diagnostics)?;
    let kind: String = fields.required("type")?;
    let read = fields.node("read");
    let asked = fields.node("asked");
    let not_before = fields.node("not_before");
    let unless = fields.node("unless");
    let choices = fields.node("choices");
    let words = fields.node("words");
    let from: Vec<String> = fields.optional("from").unwrap_or_default();
    let of: String = fields.optional("of").unwrap_or_default();
    let min_chars = fields.or("min_chars", 3_usize);
    let asked_open = fields.or("asked_open", false);
    let asked_yes = fields.or("asked_yes", false);
    let not_questions = fields.or("not_questions", false);
    let only_told = fields.or("only_told", false);
    let (min, max) = (fields.or("min", 1_i64), fields.or("max", 10_000_i64));
    fields.finish();
    let kind = match kind.as_str() {
        "number" => {
            let words = words.map(|node| entries(node, file, diagnostics)).unwrap_or_default();
            let words = words
                .iter()
                .filter_map(|(k, v)| Some((k.text()?.to_owned(), v.text()?.parse().ok()?)))
                .collect();
            Kind::Number {
                any: Patterns::new([read, asked].into_iter().flatten().flat_map(readable)),
                read: patterns(read, file, diagnostics),
                asked: patterns(asked, file, diagnostics),
                words,
                not_before: joined(not_before, file, diagnostics),
                min,
                max,
            }
        }
        "choice" => {
            let list = choices.map(|node| entries(node, file, diagnostics)).unwrap_or_default();
            let any = Patterns::new(list.iter().flat_map(|(_, node)| readable(node)));
            let values = list.into_iter().map(|(key, node)| {
                (key.text().unwrap_or_default().to_owned(), joined(Some(node), file, diagnostics))
            });
            Kind::Choice { values: values.collect(), any }
        }
        "clause" => Kind::Clause {
            from,
            read: joined(read, file, diagnostics),
            asked: joined(asked, file, diagnostics),
            asked_open,
            min_chars,
        },
        "money" => Kind::Money {
            any: Patterns::new([read, asked].into_iter().flatten().flat_map(readable)),
            read: patterns(read, file, diagnostics),
            asked: patterns(asked, file, diagnostics),
        },
        "flag" => Kind::Flag { read: joined(read, file, diagnostics), asked_yes },
        "name" => Kind::Name { asked_open },
        "contact" => Kind::Contact,
        "contacts" => Kind::Contacts,
        "contact_type" => Kind::ContactType,
        "phone_for" => Kind::PhoneFor(joined(read, file, diagnostics)),
        "upper" => Kind::Upper(of),
        "short_phone" => Kind::ShortPhone,
        "iin" => Kind::StateNumber { business: false },
        "bin" => Kind::StateNumber { business: true },
        "none" => Kind::None,
        other => {
            let known = [
                "number",
                "choice",
                "clause",
                "money",
                "flag",
                "name",
                "contact",
                "contacts",
                "contact_type",
                "phone_for",
                "upper",
                "short_phone",
                "iin",
                "bin",
                "none",
            ];
            diagnostics
                .error(file, place, "E18", format!("unknown slot type `{other}`"))
                .suggest(other, known);
            return None;
        }
    };
    let unless = joined(unless, file, diagnostics);
    Some(Slot { name, kind, not_questions, only_told, unless })
}

/// Compiles a list of patterns; E21 names each that cannot be read.
fn patterns(node: Option<&Node>, file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<Pattern> {
    let mut found = Vec::new();
    for item in node.map(items).unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        match Pattern::new(text) {
            Ok(pattern) => found.push(pattern),
            Err(reason) => {
                diagnostics.error(file, item.place, "E21", reason);
            }
        }
    }
    found
}

/// A list of patterns as one, for lists whose members need no number of their own.
pub(crate) fn joined(node: Option<&Node>, file: &SourceFile, diagnostics: &mut Diagnostics) -> Patterns {
    for item in node.map(items).unwrap_or_default() {
        if let Some(text) = item.text().filter(|text| !reads(text)) {
            diagnostics.error(file, item.place, "E21", format!("cannot read the pattern `{text}`"));
        }
    }
    Patterns::new(node.map(readable).unwrap_or_default())
}

fn reads(text: &str) -> bool {
    !text.trim().is_empty() && text.matches('(').count() == text.matches(')').count()
}

fn readable(node: &Node) -> Vec<&str> {
    items(node).iter().filter_map(Node::text).filter(|text| reads(text)).collect()
}
