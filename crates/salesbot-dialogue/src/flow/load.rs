//! The flow compiler: YAML with inheritance and mixins to [`Flow`]s whose every name resolves.
//!
//! Resolved state = parent (recursively) → mixins in order → the state's own keys. `rules` and `transitions`
//! merge by intent, all other keys replace; `null` removes an inherited row. All problems of all files are
//! reported together.

mod build;
mod lint;
mod names;
mod priorities;
mod raw;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use salesbot_yaml::{Diagnostics, Fields, Node, Place, Severity, SourceFile, entries, items, parse, strings};

use super::{Catalog, Chain, Flow, Goal, Kind, Origin, Pattern, RankRule, RowPlace, State, StateId};
use crate::condition::{self, Condition, Scope};
use crate::{IntentCatalog, IntentId};
use build::FlowBuilder;
use lint::{Seen, lint};
use names::{Names, read_chain};
use raw::{Raw, Row, RowKey, lay_over};

/// The files of `content/flows/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowSources {
    pub base: Vec<SourceFile>,
    /// `flows/<name>/flow.yaml`; the folder's name is the flow's.
    pub flows: Vec<SourceFile>,
}

/// Names that flows may use and other files define.
pub struct Known<'a> {
    /// Slots some extractor fills.
    pub slots: &'a BTreeSet<String>,
    /// Names of actions, to suggest the one that was meant.
    pub actions: &'a [String],
    /// Does an action have a reply recipe?
    pub action: &'a dyn Fn(&str) -> bool,
    pub flag: &'a dyn Fn(&str) -> bool,
    /// Does an action put a question of its own?
    pub asks: &'a dyn Fn(&str) -> bool,
    /// Is there a question for (flow, state, slot)?
    pub asked: &'a dyn Fn(&str, &str, &str) -> bool,
    /// Flows that a model may lead are run.
    pub autonomous: bool,
}

impl Catalog {
    /// Compiles all flows. With errors in `diagnostics` the result must not be used.
    pub fn load(
        sources: &FlowSources,
        intents: IntentCatalog,
        known: &Known<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let base = parse_all(&sources.base, diagnostics);
        let flows = parse_all(&sources.flows, diagnostics);
        let mut loader = Loader {
            intents: &intents,
            known,
            groups: BTreeMap::new(),
            shared: BTreeMap::new(),
            files: RefCell::default(),
            used: RefCell::default(),
        };
        loader.read_groups(&base, diagnostics);
        let slots = all_slots(known, &base, &flows);
        loader.read_conditions(&base, &slots, diagnostics);
        let shared_states = loader.read_states(&base, "states", diagnostics);
        let mixins = loader.read_states(&base, "mixins", diagnostics);
        let profiles = loader.read_profiles(&base, &slots, diagnostics);
        let patterns = loader.read_patterns(&base, diagnostics);
        loader.check_base_keys(&base, diagnostics);
        let mut compiled = BTreeMap::new();
        let mut switched_off = Vec::new();
        for (file, root) in &flows {
            let part = FlowBuilder {
                loader: &loader,
                file,
                shared: &shared_states,
                mixins: &mixins,
                profiles: &profiles,
                slots: &slots,
            };
            let Some(flow) = part.build(root, diagnostics) else { continue };
            if flow.autonomous && !known.autonomous {
                switched_off.push(flow.name);
            } else {
                compiled.insert(flow.name.clone(), flow);
            }
        }
        loader.check_unused(&base, diagnostics);
        let groups = loader.groups;
        Self { intents, flows: compiled, groups, patterns, switched_off }
    }
}

fn parse_all<'a>(files: &'a [SourceFile], diagnostics: &mut Diagnostics) -> Vec<(&'a SourceFile, Node)> {
    files.iter().filter_map(|file| Some((file, parse(file, diagnostics)?))).collect()
}

/// Slots a condition may compare: what extractors fill, what states require or set.
fn all_slots(
    known: &Known<'_>,
    base: &[(&SourceFile, Node)],
    flows: &[(&SourceFile, Node)],
) -> BTreeSet<String> {
    let mut slots = known.slots.clone();
    let mut take = |state: &Node| {
        let list = state.get("on_enter_flags").map(items).unwrap_or_default();
        slots.extend(list.iter().filter_map(Node::text).map(str::to_owned));
    };
    for (_, root) in flows {
        root.get("phases").map(items).unwrap_or_default().iter().for_each(&mut take);
    }
    for (_, root) in base.iter().chain(flows) {
        for (_, state) in root.get("states").and_then(Node::map).unwrap_or_default() {
            take(state);
        }
    }
    slots.insert("lead_temperature".to_owned());
    slots
}

struct Loader<'a> {
    intents: &'a IntentCatalog,
    known: &'a Known<'a>,
    groups: BTreeMap<String, Vec<IntentId>>,
    shared: BTreeMap<String, Condition>,
    /// Names of files, each kept once.
    files: RefCell<BTreeMap<String, Arc<str>>>,
    /// Shared names some flow makes use of.
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Loader<'a> {
    fn read_groups(&mut self, base: &[(&SourceFile, Node)], diagnostics: &mut Diagnostics) {
        for (file, root) in base {
            let Some(groups) = root.get("groups") else { continue };
            for (key, node) in entries(groups, file, diagnostics) {
                let members = self.intent_list(node, file, diagnostics);
                self.groups.insert(key.text().unwrap_or_default().to_owned(), members);
            }
        }
    }

    fn name_of(&self, file: &SourceFile) -> Arc<str> {
        let mut files = self.files.borrow_mut();
        files.entry(file.name.clone()).or_insert_with(|| file.name.as_str().into()).clone()
    }

    fn key_name(&self, key: RowKey) -> &str {
        match key {
            RowKey::Intent(id) => self.intents.name(id),
            RowKey::DataComplete => "data_complete",
            RowKey::Any => "any",
        }
    }

    /// Files of `_base` hold these blocks and no others.
    fn check_base_keys(&self, base: &[(&SourceFile, Node)], diagnostics: &mut Diagnostics) {
        const BLOCKS: [&str; 7] =
            ["groups", "conditions", "states", "mixins", "priorities", "patterns", "library"];
        for (file, root) in base {
            for (key, _) in root.map().unwrap_or_default() {
                let name = key.text().unwrap_or_default();
                if !BLOCKS.contains(&name) {
                    diagnostics
                        .error(file, key.place, "E02", format!("unknown key `{name}`"))
                        .label(format!("known here: {}", BLOCKS.join(", ")))
                        .suggest(name, BLOCKS);
                }
            }
        }
    }

    fn read_patterns(&self, base: &[(&SourceFile, Node)], diagnostics: &mut Diagnostics) -> Vec<Pattern> {
        let mut found = Vec::new();
        for (file, root) in base {
            let Some(patterns) = root.get("patterns") else { continue };
            for (key, node) in entries(patterns, file, diagnostics) {
                let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
                let (intents, limits) = (fields.node("intents"), fields.node("limits"));
                fields.finish();
                let intents =
                    intents.map(|node| self.intent_list(node, file, diagnostics)).unwrap_or_default();
                let mut by_persona = BTreeMap::new();
                for (persona, pair) in limits.map(|node| entries(node, file, diagnostics)).unwrap_or_default()
                {
                    let numbers: Vec<u32> = items(pair)
                        .iter()
                        .filter_map(|n| n.text()?.parse().ok())
                        .filter(|n| *n > 0)
                        .collect();
                    match numbers[..] {
                        [streak, total] => {
                            by_persona.insert(persona.text().unwrap_or_default().to_owned(), (streak, total));
                        }
                        _ => {
                            diagnostics.error(
                                file,
                                pair.place,
                                "E18",
                                "a limit is `[in a row, in all]`, both above 0",
                            );
                            by_persona.insert(persona.text().unwrap_or_default().to_owned(), (1, 1));
                        }
                    }
                }
                if !by_persona.contains_key("default") {
                    diagnostics.error(file, key.place, "E17", "limits need an entry `default`");
                }
                let name = key.text().unwrap_or_default().to_owned();
                found.push(Pattern { name, intents, limits: by_persona });
            }
        }
        found
    }

    /// Shared conditions and mixins no flow uses. A file that says `library: true` offers them for others.
    fn check_unused(&self, base: &[(&SourceFile, Node)], diagnostics: &mut Diagnostics) {
        let used = self.used.borrow();
        for (file, root) in base {
            if root.get("library").and_then(Node::text) == Some("true") {
                continue;
            }
            for (block, what) in [("conditions", "condition"), ("mixins", "mixin")] {
                for (key, _) in root.get(block).and_then(Node::map).unwrap_or_default() {
                    let name = key.text().unwrap_or_default();
                    if !used.contains(name) {
                        diagnostics
                            .warning(file, key.place, "W10", format!("{what} `{name}` is never used"))
                            .hint("remove it, or say `library: true` in this file");
                    }
                }
            }
        }
    }

    fn intent_list(&self, node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<IntentId> {
        let mut found = Vec::new();
        for item in items(node) {
            let Some(name) = item.text() else { continue };
            match self.intents.id(name) {
                Some(id) => found.push(id),
                None => {
                    diagnostics
                        .error(file, item.place, "E08", format!("unknown intent `{name}`"))
                        .suggest(name, self.intents.names());
                }
            }
        }
        found
    }

    fn scope<'s>(&'s self, slots: &'s BTreeSet<String>) -> Scope<'s> {
        Scope { intents: self.intents, groups: &self.groups, shared: &self.shared, slots, used: &self.used }
    }

    /// Conditions may use those above them in the file; a cycle is therefore an unknown name.
    fn read_conditions(
        &mut self,
        base: &[(&SourceFile, Node)],
        slots: &BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) {
        for (file, root) in base {
            let Some(conditions) = root.get("conditions") else { continue };
            for (key, node) in entries(conditions, file, diagnostics) {
                let name = key.text().unwrap_or_default();
                if condition::BUILT_IN.iter().any(|known| known.name == name) {
                    diagnostics.warning(
                        file,
                        key.place,
                        "W20",
                        format!("`{name}` hides a condition of the engine"),
                    );
                }
                if let Some(found) = condition::read(node, &self.scope(slots), file, diagnostics) {
                    self.shared.insert(name.to_owned(), found);
                }
            }
        }
    }
}

fn one_of<T: Copy>(
    node: Option<&Node>,
    choices: &[(&str, T)],
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let node = node?;
    let text = node.text().unwrap_or_default();
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        diagnostics.error(
            file,
            node.place,
            "E18",
            format!("expected one of {}, found `{text}`", names.join(", ")),
        );
    }
    found
}
