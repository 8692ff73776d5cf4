//! Readings the place of the talk corrects: an objection that answers what was asked, a doubt in the first
//! message, trouble told in the greeting. One table, `refine` of `nlu/context.yaml`; the first row that fits wins.

use salesbot_dialogue::understanding::Method;
use salesbot_dialogue::{DialogueState, IntentCatalog, IntentId, SlotFill};
use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, items};

use super::NluOptions;
use super::answer::Reading;
use super::pattern::Patterns;
use super::slots::joined;
use super::text::Text;

/// Which flag switches a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// An objection against what the bot asked, or with words that make it something else.
    Objection,
    /// A doubt in the first message is no objection yet.
    FirstContact,
    /// Trouble told in a greeting is what the client comes with.
    Greeting,
    /// A comparison that takes sides is an objection.
    Comparison,
}

const GROUPS: [(&str, Group); 4] = [
    ("objection", Group::Objection),
    ("first_contact", Group::FirstContact),
    ("greeting", Group::Greeting),
    ("comparison", Group::Comparison),
];

#[derive(Clone, Debug)]
struct Row {
    group: Group,
    from: Vec<IntentId>,
    to: IntentId,
    confidence: f32,
    words: Option<Patterns>,
    unless: Patterns,
    /// The bot has just asked for one of these slots …
    asked: Vec<String>,
    /// … or its last action begins with one of these.
    action: Vec<String>,
    state: Option<String>,
    /// Up to this turn of the talk, the first being 1.
    until_turn: u32,
    /// A slot the message must fill.
    slot: Option<String>,
    /// Readings as sure as this stay.
    below: f32,
    because: String,
}

/// The rows of `refine`, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Refinements(Vec<Row>);

impl Refinements {
    pub(super) fn load(
        nodes: &[Node],
        file: &SourceFile,
        catalog: &IntentCatalog,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self(nodes.iter().filter_map(|node| row(node, file, catalog, diagnostics)).collect())
    }

    pub(super) fn apply(
        &self,
        text: &Text,
        state: &DialogueState,
        slots: &[SlotFill],
        options: NluOptions,
        reading: &mut Reading,
        catalog: &IntentCatalog,
    ) {
        let on = |group: Group| match group {
            Group::Objection => options.objections,
            Group::FirstContact => options.first_contact,
            Group::Greeting => options.greeting,
            Group::Comparison => options.comparison,
        };
        let asked_slot = state.asked.as_ref().and_then(|asked| asked.slot.as_ref());
        let about = |row: &Row| {
            row.asked.is_empty() && row.action.is_empty()
                || asked_slot.is_some_and(|slot| row.asked.contains(slot))
                || row.action.iter().any(|action| state.last_action().starts_with(action.as_str()))
        };
        let fits = |row: &&Row| {
            on(row.group)
                && row.from.contains(&reading.intent)
                && reading.confidence < row.below
                && reading.method != Method::Context
                && row.words.as_ref().is_none_or(|words| words.matches(&text.flat, &text.plain))
                && !row.unless.matches(&text.flat, &text.plain)
                && about(row)
                && row.state.as_ref().is_none_or(|name| *name == state.state)
                && state.counters.turn < row.until_turn
                && row.slot.as_ref().is_none_or(|name| slots.iter().any(|fill| fill.slot == *name))
        };
        if let Some(row) = self.0.iter().find(fits) {
            reading.set(catalog, catalog.name(row.to), row.confidence, &row.because);
        }
    }
}

fn row(
    node: &Node,
    file: &SourceFile,
    catalog: &IntentCatalog,
    diagnostics: &mut Diagnostics,
) -> Option<Row> {
    let place = node.place;
    let mut fields = Fields::of(node, file, diagnostics)?;
    let group: String = fields.required("group")?;
    let from: Vec<String> = fields.required("from")?;
    let to: String = fields.required("to")?;
    let confidence = fields.or("confidence", 0.75_f32);
    let words = fields.node("words");
    let unless = fields.node("unless");
    let asked = fields.optional("asked").unwrap_or_default();
    let action = fields.optional("action").unwrap_or_default();
    let state = fields.optional("state");
    let until_turn = fields.or("until_turn", u32::MAX);
    let slot = fields.optional("slot");
    let below = fields.or("below", f32::INFINITY);
    let because = fields.required("because").unwrap_or_default();
    fields.finish();
    let Some((_, group)) = GROUPS.into_iter().find(|(name, _)| *name == group) else {
        diagnostics
            .error(file, place, "E18", format!("unknown group `{group}`"))
            .suggest(&group, GROUPS.map(|(name, _)| name));
        return None;
    };
    let mut known = |name: &String| {
        let id = catalog.id(name);
        if id.is_none() {
            diagnostics
                .error(file, place, "E08", format!("unknown intent `{name}`"))
                .suggest(name, catalog.names());
        }
        id
    };
    let to = known(&to)?;
    let from = from.iter().filter_map(&mut known).collect();
    Some(Row {
        group,
        from,
        to,
        confidence,
        words: words.filter(|node| !items(node).is_empty()).map(|node| joined(Some(node), file, diagnostics)),
        unless: joined(unless, file, diagnostics),
        asked,
        action,
        state,
        until_turn,
        slot,
        below,
        because,
    })
}
