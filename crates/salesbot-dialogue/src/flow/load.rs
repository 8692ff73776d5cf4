//! The flow compiler: YAML with inheritance and mixins to [`Flow`]s whose every name resolves.
//!
//! Resolved state = parent (recursively) → mixins in order → the state's own keys. `rules` and `transitions`
//! merge by intent, all other keys replace; `null` removes an inherited row. All problems of all files are
//! reported together.

mod lint;
mod names;
mod priorities;

use std::collections::{BTreeMap, BTreeSet};

use salesbot_yaml::{Diagnostics, Fields, Node, Place, SourceFile, entries, items, parse, strings};

use super::{Catalog, Chain, Flow, Goal, Kind, Origin, RankRule, State, StateId};
use crate::condition::{self, Condition, Scope};
use crate::{IntentCatalog, IntentId};
use lint::lint;
use names::{Names, read_chain};

/// The files of `content/flows/`.
#[derive(Clone, Debug, Default)]
pub struct FlowSources {
    pub base: Vec<SourceFile>,
    /// `flows/<name>/flow.yaml`; the folder's name is the flow's.
    pub flows: Vec<SourceFile>,
}

/// Names that flows may use and other files define.
pub struct Known<'a> {
    /// Slots some extractor fills.
    pub slots: &'a BTreeSet<String>,
    /// Does an action have a reply recipe?
    pub action: &'a dyn Fn(&str) -> bool,
    pub flag: &'a dyn Fn(&str) -> bool,
}

/// A state as written, before inheritance; each row remembers its place.
#[derive(Clone, Default)]
struct Raw<'a> {
    file: Option<&'a SourceFile>,
    place: Place,
    extends: Option<&'a Node>,
    mixins: Vec<&'a Node>,
    is_abstract: bool,
    keys: BTreeMap<&'static str, &'a Node>,
    rules: Rows<'a>,
    transitions: Rows<'a>,
}

type Rows<'a> = BTreeMap<String, Option<(&'a Node, &'a SourceFile)>>;

const KEYS: [&str; 18] = [
    "kind",
    "goal",
    "phase",
    "state",
    "required",
    "optional",
    "on_enter_flags",
    "on_enter",
    "next",
    "prev",
    "max_turns",
    "options_from_turn",
    "stall_exit",
    "final",
    "price_default",
    "unclear_default",
    "phase_label",
    "note",
];

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
        let mut loader =
            Loader { intents: &intents, known, groups: BTreeMap::new(), shared: BTreeMap::new() };
        loader.read_groups(&base, diagnostics);
        let slots = all_slots(known, &base, &flows);
        loader.read_conditions(&base, &slots, diagnostics);
        let shared_states = loader.read_states(&base, "states", diagnostics);
        let mixins = loader.read_states(&base, "mixins", diagnostics);
        let profiles = loader.read_profiles(&base, &slots, diagnostics);
        let mut compiled = BTreeMap::new();
        for (file, root) in &flows {
            let part = FlowBuilder {
                loader: &loader,
                file,
                shared: &shared_states,
                mixins: &mixins,
                profiles: &profiles,
                slots: &slots,
            };
            if let Some(flow) = part.build(root, diagnostics) {
                compiled.insert(flow.name.clone(), flow);
            }
        }
        let groups = loader.groups;
        Self { intents, flows: compiled, groups }
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
        Scope { intents: self.intents, groups: &self.groups, shared: &self.shared, slots }
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

    fn read_states<'n>(
        &self,
        base: &'n [(&'n SourceFile, Node)],
        key: &str,
        diagnostics: &mut Diagnostics,
    ) -> BTreeMap<String, Raw<'n>> {
        let mut found = BTreeMap::new();
        for (file, root) in base {
            let Some(states) = root.get(key) else { continue };
            for (name, node) in entries(states, file, diagnostics) {
                let raw = self.read_state(node, name.place, file, diagnostics);
                found.insert(name.text().unwrap_or_default().to_owned(), raw);
            }
        }
        found
    }

    fn read_state<'n>(
        &self,
        node: &'n Node,
        place: Place,
        file: &'n SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Raw<'n> {
        let mut raw = Raw { file: Some(file), place, ..Raw::default() };
        let Some(mut fields) = Fields::of(node, file, diagnostics) else { return raw };
        for key in KEYS {
            if let Some(value) = fields.node(key) {
                raw.keys.insert(key, value);
            }
        }
        raw.extends = fields.node("extends");
        raw.mixins = fields.node("mixins").map(items).unwrap_or_default().iter().collect();
        raw.is_abstract = fields.or("abstract", false);
        let rules = fields.node("rules");
        let own_rules = fields.node("own_rules");
        let transitions = fields.node("transitions");
        let own_transitions = fields.node("own_transitions");
        fields.finish();
        for rows in [rules, own_rules].into_iter().flatten() {
            self.read_rows(rows, "do", file, &mut raw.rules, diagnostics);
        }
        for rows in [transitions, own_transitions].into_iter().flatten() {
            self.read_rows(rows, "to", file, &mut raw.transitions, diagnostics);
        }
        raw
    }

    /// Rows `{intents | group, do | to}` become one entry per intent; pseudo-intents keep their name.
    fn read_rows<'n>(
        &self,
        rows: &'n Node,
        key: &'static str,
        file: &'n SourceFile,
        into: &mut Rows<'n>,
        diagnostics: &mut Diagnostics,
    ) {
        for row in items(rows) {
            let Some(mut fields) = Fields::of(row, file, diagnostics) else { continue };
            let intents = fields.node("intents");
            let groups = fields.node("group");
            let value = fields.node(key);
            fields.node("note");
            fields.finish();
            let mut names: Vec<(String, Place)> = Vec::new();
            for item in intents.map(items).unwrap_or_default() {
                names.push((item.text().unwrap_or_default().to_owned(), item.place));
            }
            for item in groups.map(items).unwrap_or_default() {
                let group = item.text().unwrap_or_default();
                match self.groups.get(group) {
                    Some(members) => {
                        names
                            .extend(members.iter().map(|id| (self.intents.name(*id).to_owned(), item.place)));
                    }
                    None => {
                        diagnostics
                            .error(file, item.place, "E08", format!("unknown group `{group}`"))
                            .suggest(group, self.groups.keys().map(String::as_str));
                    }
                }
            }
            if names.is_empty() {
                diagnostics.error(file, row.place, "E17", "a row needs `intents` or `group`");
            }
            for (name, place) in names {
                let pseudo = key == "to" && (name == "data_complete" || name == "any");
                if !pseudo && self.intents.id(&name).is_none() {
                    diagnostics
                        .error(file, place, "E08", format!("unknown intent `{name}`"))
                        .suggest(&name, self.intents.names());
                    continue;
                }
                into.insert(name, value.map(|value| (value, file)));
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

struct FlowBuilder<'a> {
    loader: &'a Loader<'a>,
    file: &'a SourceFile,
    shared: &'a BTreeMap<String, Raw<'a>>,
    mixins: &'a BTreeMap<String, Raw<'a>>,
    profiles: &'a BTreeMap<String, Vec<RankRule>>,
    slots: &'a BTreeSet<String>,
}

impl<'a> FlowBuilder<'a> {
    fn build(&self, root: &'a Node, diagnostics: &mut Diagnostics) -> Option<Flow> {
        let file = self.file;
        let mut fields = Fields::of(root, file, diagnostics)?;
        let name: String = fields.required("flow")?;
        let description = fields.or("description", String::new());
        let version = fields.or("version", "1.0".to_owned());
        let goal = fields.node("goal");
        let entry_state = fields.node("entry_state");
        if entry_state.is_none() {
            fields.diagnostics.error(file, root.place, "E17", "key `entry_state` is missing");
        }
        let post = fields.node("post_phases_state");
        let entry_points = fields.node("entry_points");
        let skips = fields.node("skip_conditions");
        let progress = fields.node("progress_intents");
        let priorities = fields.node("priorities");
        let phases = fields.node("phases");
        let own_states = fields.node("states");
        fields.finish();
        let folder = file.name.rsplit('/').nth(1).unwrap_or_default();
        if !folder.is_empty() && folder != name {
            diagnostics.error(file, root.place, "E14", format!("flow `{name}` stands in folder `{folder}`"));
        }
        let goal = one_of(goal, &[("contact", Goal::Contact), ("talk", Goal::Talk)], file, diagnostics);

        let mut raws: BTreeMap<String, Raw<'a>> = self.shared.clone();
        let mut phase_order = Vec::new();
        let mut phase_of: BTreeMap<String, String> = BTreeMap::new();
        for phase in phases.map(items).unwrap_or_default() {
            let raw = self.loader.read_state(phase, phase.place, file, diagnostics);
            let label = raw.keys.get("phase").and_then(|node| node.text());
            let state = raw.keys.get("state").and_then(|node| node.text());
            let (Some(label), Some(state)) = (label, state) else {
                diagnostics.error(file, phase.place, "E10", "a phase needs `phase` and `state`");
                continue;
            };
            phase_order.push(label.to_owned());
            phase_of.insert(state.to_owned(), label.to_owned());
            raws.insert(state.to_owned(), raw);
        }
        if let Some(states) = own_states {
            for (key, node) in entries(states, file, diagnostics) {
                let raw = self.loader.read_state(node, key.place, file, diagnostics);
                raws.insert(key.text().unwrap_or_default().to_owned(), raw);
            }
        }
        let mut resolved: BTreeMap<String, Raw<'a>> = BTreeMap::new();
        for (state, raw) in raws.iter().filter(|(_, raw)| !raw.is_abstract) {
            resolved.insert(state.clone(), self.resolve(state, raw, &raws, &mut Vec::new(), diagnostics));
        }
        let by_name: BTreeMap<String, StateId> = resolved
            .keys()
            .enumerate()
            .map(|(i, state)| (state.clone(), StateId(u16::try_from(i).unwrap_or(u16::MAX))))
            .collect();
        let names = Names {
            by_name: &by_name,
            flow: &name,
            entry: entry_state.and_then(Node::text).or(Some(crate::state::START)),
            raw: None,
        };
        let target = |node: Option<&Node>, fallback: &str, diagnostics: &mut Diagnostics| match node {
            Some(node) => names.state(node, file, diagnostics),
            None => names.by_text(fallback, root.place, file, diagnostics),
        };
        let entry = target(entry_state, "greeting", diagnostics);
        let post_phases = target(post, "presentation", diagnostics);
        let start = target(None, crate::state::START, diagnostics);
        let escalated = target(None, "escalated", diagnostics);
        let soft_close = target(None, "soft_close", diagnostics);
        let mut points = BTreeMap::new();
        for (key, node) in entry_points.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            if let Some(id) = names.state(node, file, diagnostics) {
                points.insert(key.text().unwrap_or_default().to_owned(), id);
            }
        }
        let scope = self.loader.scope(self.slots);
        let mut skip_conditions = BTreeMap::new();
        for (key, node) in skips.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let list = items(node)
                .iter()
                .filter_map(|item| condition::read(item, &scope, file, diagnostics))
                .collect();
            skip_conditions.insert(key.text().unwrap_or_default().to_owned(), list);
        }
        let progress_intents = progress
            .map(|node| entries(node, file, diagnostics))
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, _)| self.loader.intents.id(key.text().unwrap_or_default()))
            .collect();
        let priorities = match priorities {
            Some(node) => self.loader.read_priorities(node, self.profiles, self.slots, file, diagnostics),
            None => self.profiles.get("default_priorities").cloned().unwrap_or_default(),
        };
        let states: Vec<State> = resolved
            .iter()
            .map(|(state, raw)| {
                let names = Names { raw: Some(raw), ..names };
                self.compile(state, raw, phase_of.get(state).cloned(), &names, &scope, diagnostics)
            })
            .collect();
        let flow = Flow {
            name: name.clone(),
            description,
            version,
            goal: goal.unwrap_or(Goal::Contact),
            start: start?,
            entry: entry?,
            post_phases: post_phases?,
            escalated: escalated?,
            soft_close: soft_close?,
            entry_points: points,
            skip_conditions,
            progress_intents,
            phase_order,
            priorities,
            states,
            by_name,
        };
        lint(&flow, root, file, diagnostics);
        Some(flow)
    }

    /// Parent, then mixins, then the state's own keys.
    fn resolve(
        &self,
        name: &str,
        raw: &Raw<'a>,
        all: &BTreeMap<String, Raw<'a>>,
        path: &mut Vec<String>,
        diagnostics: &mut Diagnostics,
    ) -> Raw<'a> {
        let file = raw.file.unwrap_or(self.file);
        let mut result = Raw { file: raw.file, place: raw.place, ..Raw::default() };
        if path.iter().any(|seen| seen == name) {
            diagnostics.error(
                file,
                raw.place,
                "E04",
                format!("inheritance goes in a circle: {} → {name}", path.join(" → ")),
            );
            return result;
        }
        path.push(name.to_owned());
        if let Some(node) = raw.extends {
            let parent = node.text().unwrap_or_default();
            match all.get(parent) {
                Some(parent_raw) => {
                    let inherited = self.resolve(parent, parent_raw, all, path, diagnostics);
                    merge(&mut result, &inherited);
                }
                None => {
                    diagnostics
                        .error(file, node.place, "E03", format!("unknown parent state `{parent}`"))
                        .suggest(parent, all.keys().map(String::as_str));
                }
            }
        }
        for node in &raw.mixins {
            let mixin = node.text().unwrap_or_default();
            match self.mixins.get(mixin) {
                Some(found) => {
                    let mixed = self.resolve(&format!("mixin {mixin}"), found, all, path, diagnostics);
                    merge(&mut result, &mixed);
                }
                None => {
                    diagnostics
                        .error(file, node.place, "E03", format!("unknown mixin `{mixin}`"))
                        .suggest(mixin, self.mixins.keys().map(String::as_str));
                }
            }
        }
        merge(&mut result, raw);
        path.pop();
        result
    }

    fn compile(
        &self,
        name: &str,
        raw: &Raw<'a>,
        phase: Option<String>,
        names: &Names<'_, 'a>,
        scope: &Scope<'_>,
        diagnostics: &mut Diagnostics,
    ) -> State {
        let file = raw.file.unwrap_or(self.file);
        let list = |key: &str, diagnostics: &mut Diagnostics| {
            raw.keys.get(key).map(|node| strings(node, file, diagnostics)).unwrap_or_default()
        };
        let mut number = |key: &str, default: u32| {
            let Some(node) = raw.keys.get(key) else { return default };
            node.text().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
                diagnostics.error(
                    file,
                    node.place,
                    "E18",
                    format!("`{key}` must be a whole number, 0 or more"),
                );
                default
            })
        };
        let max_turns = number("max_turns", 0);
        let options_from_turn = number("options_from_turn", 3);
        let required = list("required", diagnostics);
        let on_enter_flags = list("on_enter_flags", diagnostics);
        for slot in required.iter().filter(|slot| !on_enter_flags.contains(slot)) {
            if !self.loader.known.slots.contains(slot) {
                let place = raw.keys.get("required").map_or(raw.place, |node| node.place);
                diagnostics
                    .error(file, place, "E20", format!("nothing ever fills the required slot `{slot}`"))
                    .suggest(slot, self.loader.known.slots.iter().map(String::as_str));
            }
        }
        let on_enter =
            raw.keys.get("on_enter").and_then(|node| names.action(node, file, self.loader, diagnostics));
        let mut rules = BTreeMap::new();
        for (intent, row) in &raw.rules {
            let (Some((node, row_file)), Some(id)) = (row, self.loader.intents.id(intent)) else { continue };
            let chain = read_chain(node, "then", scope, row_file, diagnostics, &mut |node, diagnostics| {
                names.action(node, row_file, self.loader, diagnostics)
            });
            rules.insert(id, chain);
        }
        let mut transitions = BTreeMap::new();
        let (mut data_complete, mut any) = (None, None);
        for (intent, row) in &raw.transitions {
            let Some((node, row_file)) = row else { continue };
            let chain = read_chain(node, "then", scope, row_file, diagnostics, &mut |node, diagnostics| {
                names.state(node, row_file, diagnostics)
            });
            match (intent.as_str(), self.loader.intents.id(intent)) {
                ("data_complete", _) => data_complete = Some(chain),
                ("any", _) => any = Some(chain),
                (_, Some(id)) => {
                    transitions.insert(id, chain);
                }
                _ => {}
            }
        }
        let mut state_of =
            |key: &str| raw.keys.get(key).and_then(|node| names.state(node, file, diagnostics));
        let (next, prev, stall_exit) = (state_of("next"), state_of("prev"), state_of("stall_exit"));
        State {
            name: name.to_owned(),
            goal: raw.keys.get("goal").and_then(|node| node.text()).unwrap_or_default().to_owned(),
            file: file.name.clone(),
            line: raw.place.line,
            phase_label: raw.keys.get("phase_label").and_then(|node| node.text()).map(str::to_owned),
            phase,
            required,
            optional: list("optional", diagnostics),
            on_enter_flags,
            on_enter,
            next,
            prev,
            max_turns,
            options_from_turn,
            stall_exit,
            is_final: raw.keys.get("final").and_then(|node| node.text()) == Some("true"),
            rules,
            transitions,
            data_complete,
            any,
        }
    }
}

fn merge<'a>(into: &mut Raw<'a>, own: &Raw<'a>) {
    into.keys.extend(own.keys.iter().map(|(key, node)| (*key, *node)));
    into.rules.extend(own.rules.iter().map(|(key, row)| (key.clone(), *row)));
    into.transitions.extend(own.transitions.iter().map(|(key, row)| (key.clone(), *row)));
}
