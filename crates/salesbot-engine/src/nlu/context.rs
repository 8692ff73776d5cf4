//! What the talk so far makes of a short or mixed message: "да", "2", "в экселе".

use std::collections::BTreeMap;

use salesbot_dialogue::{Asked, DialogueState, Flow, IntentCatalog};
use salesbot_yaml::{Diagnostics, Fields, SourceFile, entries, items, parse};

use super::refine::Refinements;
use super::text::Text;

/// Tables of `nlu/context.yaml` with the words of a plain yes and no.
#[derive(Clone, Debug, Default)]
pub struct Context {
    rows: Vec<Row>,
    progress: Vec<(String, String, Vec<String>)>,
    yields_to_data: Vec<String>,
    /// Slots that an intent, surely read, leaves untold.
    empties: BTreeMap<String, Vec<String>>,
    /// Signs without which an intent is not believed.
    signs: BTreeMap<String, super::pattern::Patterns>,
    pub secondary_above: f32,
    /// Slots whose question any short word answers.
    pub free_slots: Vec<String>,
    /// Words that take back a yes before them.
    pub but: Vec<String>,
    pub yes: Vec<String>,
    pub no: Vec<String>,
    /// Words that may stand beside a plain yes or no.
    pub fillers: Vec<String>,
    pub unsure: super::pattern::Patterns,
    /// Words that ask for nothing but an answer; the second only with a question mark.
    insists: (super::pattern::Patterns, super::pattern::Patterns),
    /// By what the client speaks to us.
    to_us_words: Vec<String>,
    to_us_endings: Vec<String>,
    pub(super) refinements: Refinements,
}

#[derive(Clone, Debug, Default)]
struct Row {
    kind: Option<String>,
    state: Option<String>,
    /// Keys or labels of phases; any of them.
    phase: Vec<String>,
    /// Any phase at all.
    in_phase: bool,
    action: Option<String>,
    yes: String,
    no: String,
    unsure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    Yes,
    No,
    Unsure,
}

impl Context {
    pub fn load(file: &SourceFile, catalog: &IntentCatalog, diagnostics: &mut Diagnostics) -> Self {
        let mut context = Self::default();
        let Some(root) = parse(file, diagnostics) else { return context };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return context };
        let rows = fields.node("short_answers");
        let progress = fields.node("progress");
        let refine = fields.node("refine");
        let to_us = fields.node("to_us");
        let empties = fields.node("empties");
        let signs = fields.node("signs");
        let insists = (fields.node("insists"), fields.node("insists_asking"));
        context.yields_to_data = fields.required("yields_to_data").unwrap_or_default();
        context.secondary_above = fields.required("secondary_above").unwrap_or(0.5);
        context.but = fields.optional("but").unwrap_or_default();
        context.free_slots = fields.optional("free_slots").unwrap_or_default();
        fields.finish();
        let check = |name: &str, place, diagnostics: &mut Diagnostics| {
            if name != "-" && catalog.id(name).is_none() {
                diagnostics
                    .error(file, place, "E08", format!("unknown intent `{name}`"))
                    .suggest(name, catalog.names());
            }
        };
        for node in rows.map(items).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let row = Row {
                kind: fields.optional("kind"),
                state: fields.optional("state"),
                phase: fields.optional("phase").unwrap_or_default(),
                in_phase: fields.or("in_phase", false),
                action: fields.optional("action"),
                yes: fields.required("yes").unwrap_or_default(),
                no: fields.required("no").unwrap_or_default(),
                unsure: fields.required("unsure").unwrap_or_default(),
            };
            fields.finish();
            for name in [&row.yes, &row.no, &row.unsure] {
                check(name, node.place, diagnostics);
            }
            context.rows.push(row);
        }
        for (key, node) in progress.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let intent: String = fields.required("intent").unwrap_or_default();
            let slots = fields.required("slots").unwrap_or_default();
            fields.finish();
            check(&intent, node.place, diagnostics);
            context.progress.push((key.text().unwrap_or_default().to_owned(), intent, slots));
        }
        for (key, node) in empties.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let intent = key.text().unwrap_or_default().to_owned();
            check(&intent, key.place, diagnostics);
            let slots = items(node).iter().filter_map(|node| node.text()).map(str::to_owned).collect();
            context.empties.insert(intent, slots);
        }
        for (key, node) in signs.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let intent = key.text().unwrap_or_default().to_owned();
            check(&intent, key.place, diagnostics);
            context.signs.insert(intent, super::slots::joined(Some(node), file, diagnostics));
        }
        let part = |key: &str| -> Vec<String> {
            let list = to_us.and_then(|node| node.get(key)).map(items).unwrap_or_default();
            list.iter().filter_map(|node| node.text()).map(str::to_owned).collect()
        };
        (context.to_us_words, context.to_us_endings) = (part("words"), part("endings"));
        let mut joined = |node| super::slots::joined(node, file, diagnostics);
        context.insists = (joined(insists.0), joined(insists.1));
        let refine = refine.map(items).unwrap_or_default();
        context.refinements = Refinements::load(refine, file, catalog, diagnostics);
        for name in &context.yields_to_data {
            check(name, root.place, diagnostics);
        }
        context
    }

    /// The client speaks to us: "ваша", "работаете".
    pub fn speaks_to_us(&self, flat: &str) -> bool {
        flat.split(' ').any(|word| {
            self.to_us_words.iter().any(|known| known == word)
                || self.to_us_endings.iter().any(|ending| word.ends_with(ending.as_str()))
        })
    }

    /// The client wants the answer to what was asked before: "вы не ответили", "ну и?".
    pub fn insists(&self, text: &Text) -> bool {
        let (always, asking) = &self.insists;
        let said = |patterns: &super::pattern::Patterns| patterns.matches(&text.flat, &text.plain);
        said(always) || text.raw.contains('?') && said(asking)
    }

    /// A plain yes, no or "don't know" of at most five words.
    pub fn polarity(&self, text: &Text) -> Option<Polarity> {
        if text.asks || text.word_count() > 5 || text.flat.is_empty() {
            return (text.raw.trim() == "+").then_some(Polarity::Yes);
        }
        if self.unsure.matches(&text.flat, &text.plain) && text.word_count() <= 4 {
            return Some(Polarity::Unsure);
        }
        // All words spoken for by yes words (or no words), the first one deciding.
        let covered = |known: &[String]| {
            let whole = format!(" {} ", text.flat);
            let mut rest = whole.clone();
            let mut sorted: Vec<&String> = known.iter().collect();
            sorted.sort_by_key(|word| std::cmp::Reverse(word.len()));
            for word in sorted {
                rest = rest.replace(&format!(" {word} "), "  ").replace("  ", " ");
            }
            // Fillers alone ("спасибо", "вполне") are neither a yes nor a no.
            let said = rest != whole;
            for filler in &self.fillers {
                rest = rest.replace(&format!(" {filler} "), " ");
            }
            said && rest.trim().is_empty()
        };
        let begins_no = self.no.iter().any(|word| format!("{} ", text.flat).starts_with(&format!("{word} ")));
        if begins_no && covered(&self.no) {
            return Some(Polarity::No);
        }
        if covered(&self.yes) {
            return Some(Polarity::Yes);
        }
        covered(&self.no).then_some(Polarity::No)
    }

    /// The intent of a short answer in this place of the talk, with the row that decided.
    pub fn short_answer(
        &self,
        polarity: Polarity,
        state: &DialogueState,
        flow: &Flow,
    ) -> Option<(&str, String)> {
        let at = flow.id(&state.state).map(|id| flow.state(id));
        let phase = at.and_then(|at| at.phase.as_deref());
        let label = at.and_then(|at| at.shown_phase());
        let named = |name: &String| phase == Some(name) || label == Some(name);
        let asked = state.asked.as_ref();
        let fits = |row: &&Row| {
            row.kind.as_ref().is_none_or(|kind| asked.is_some_and(|asked| &asked.kind == kind))
                && row.state.as_ref().is_none_or(|name| *name == state.state)
                && (row.phase.is_empty() || row.phase.iter().any(named))
                && (!row.in_phase || phase.is_some())
                && row.action.as_ref().is_none_or(|action| state.last_action().starts_with(action.as_str()))
        };
        let row = self.rows.iter().find(fits)?;
        let intent = match polarity {
            Polarity::Yes => &row.yes,
            Polarity::No => &row.no,
            Polarity::Unsure => &row.unsure,
        };
        let by_phase = (!row.phase.is_empty() || row.in_phase).then(|| phase.unwrap_or_default().to_owned());
        let why = [&row.kind, &row.state, &by_phase, &row.action]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        (intent != "-").then(|| {
            (
                intent.as_str(),
                format!("short answer after {}", if why.is_empty() { "nothing special" } else { &why }),
            )
        })
    }

    /// The progress intent of the phase when the message filled one of its slots; the label counts first.
    pub fn progress(&self, phases: &[&str], filled: &[&str]) -> Option<&str> {
        let (_, intent, slots) =
            phases.iter().find_map(|phase| self.progress.iter().find(|(name, ..)| name == phase))?;
        slots.iter().any(|slot| filled.contains(&slot.as_str())).then_some(intent.as_str())
    }

    /// The intent shows itself in certain words only, and none of them is there.
    pub fn lacks_sign(&self, intent: &str, text: &Text) -> bool {
        self.signs.get(intent).is_some_and(|signs| !signs.matches(&text.flat, &text.plain))
    }

    /// What the phases take as progress, each once.
    pub fn progress_intents(&self) -> impl Iterator<Item = &str> {
        let names = self.progress.iter().map(|(_, intent, _)| intent.as_str());
        names.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// "очередей не бывает" names no trouble, whatever its words are.
    pub fn leaves_untold(&self, intent: &str, slot: &str) -> bool {
        self.empties.get(intent).is_some_and(|slots| slots.iter().any(|name| name == slot))
    }

    pub fn yields_to_data(&self, intent: &str) -> bool {
        self.yields_to_data.iter().any(|name| name == intent)
    }
}

/// Which of the offered choices a message picks: a number, an ordinal, or words of its label.
pub fn picked(text: &Text, asked: &Asked, ordinals: &BTreeMap<String, f64>) -> Option<usize> {
    if asked.options.is_empty() || text.word_count() > 6 {
        return None;
    }
    let words: Vec<&str> = text.flat.split(' ').collect();
    let by_number = words.iter().find_map(|word| {
        let digit = word.parse::<usize>().ok();
        // "второе", and "2".
        let ordinal = || {
            ordinals
                .iter()
                .find(|(begin, _)| word.starts_with(begin.as_str()))
                .map(|(_, number)| *number as usize)
        };
        digit.or_else(ordinal).and_then(|number| number.checked_sub(1))
    });
    if let Some(at) = by_number.filter(|at| *at < asked.options.len()) {
        return Some(at);
    }
    let stems: Vec<String> =
        words.iter().filter(|word| word.chars().count() > 3).map(|word| super::text::stem(word)).collect();
    let label_hits = |label: &str| {
        let label = super::text::plain(label);
        super::text::words(&label).filter(|word| stems.contains(&super::text::stem(word))).count()
    };
    let hits: Vec<usize> = asked.options.iter().map(|option| label_hits(&option.label)).collect();
    let best = hits.iter().copied().max().filter(|best| *best > 0)?;
    let mut at = hits.iter().enumerate().filter(|(_, count)| **count == best).map(|(at, _)| at);
    let first = at.next();
    if at.next().is_some() { None } else { first }
}
