//! One flow: inheritance, names, tables.

use super::*;

pub(super) struct FlowBuilder<'a> {
    pub(super) loader: &'a Loader<'a>,
    pub(super) file: &'a SourceFile,
    pub(super) shared: &'a BTreeMap<String, Raw<'a>>,
    pub(super) mixins: &'a BTreeMap<String, Raw<'a>>,
    pub(super) profiles: &'a BTreeMap<String, Vec<RankRule>>,
    pub(super) slots: &'a BTreeSet<String>,
}

impl<'a> FlowBuilder<'a> {
    pub(super) fn build(&self, root: &'a Node, diagnostics: &mut Diagnostics) -> Option<Flow> {
        let file = self.file;
        let errors = diagnostics.count(Severity::Error);
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
        let skip_phases = fields.node("skip_phases");
        let autonomous = fields.or("autonomous", false);
        let allow: Vec<String> = fields.optional("allow").unwrap_or_default();
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
            let state = node.text().unwrap_or_default();
            match by_name.get(state) {
                Some(id) => {
                    points.insert(key.text().unwrap_or_default().to_owned(), *id);
                }
                None => {
                    diagnostics
                        .error(
                            file,
                            node.place,
                            "E11",
                            format!("entry point leads to unknown state `{state}`"),
                        )
                        .label(format!("flow `{name}` has no such state"))
                        .suggest(state, by_name.keys().map(String::as_str));
                }
            }
        }
        let scope = self.loader.scope(self.slots);
        let mut skip_conditions = BTreeMap::new();
        for (key, node) in skips.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            known_phase(key, &phase_order, file, diagnostics);
            let list = items(node)
                .iter()
                .filter_map(|item| condition::read(item, &scope, file, diagnostics))
                .collect();
            skip_conditions.insert(key.text().unwrap_or_default().to_owned(), list);
        }
        let mut progress_intents = Vec::new();
        for (key, node) in progress.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            known_phase(node, &phase_order, file, diagnostics);
            let intent = key.text().unwrap_or_default();
            match self.loader.intents.id(intent) {
                Some(id) => progress_intents.push(id),
                None => {
                    diagnostics
                        .warning(file, key.place, "W04", format!("no message is ever read as `{intent}`"))
                        .label("the classifier does not know this intent")
                        .suggest(intent, self.loader.intents.names());
                }
            }
        }
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
            skip_phases: self.skip_phases(skip_phases, &phase_order, diagnostics),
            autonomous,
            progress_intents,
            phase_order,
            priorities,
            states,
            by_name,
        };
        if diagnostics.count(Severity::Error) > errors {
            // A flow with wrong names would be faulted for what follows from them.
            return Some(flow);
        }
        let seen = Seen { flow: &flow, raws: &resolved, loader: self.loader, root, file, allow: &allow };
        lint(&seen, diagnostics);
        Some(flow)
    }

    fn chain<T>(
        &self,
        node: &Node,
        row: &Row<'a>,
        scope: &Scope<'_>,
        diagnostics: &mut Diagnostics,
        value: &mut dyn FnMut(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Chain<T> {
        let place = |(file, place): (&SourceFile, Place)| RowPlace {
            file: self.loader.name_of(file),
            line: place.line,
        };
        let mut chain = read_chain(node, "then", scope, row.file, diagnostics, value);
        chain.at = place((row.file, row.place));
        chain.replaces = row.replaces.iter().copied().map(place).collect();
        chain
    }

    fn skip_phases(
        &self,
        node: Option<&Node>,
        phases: &[String],
        diagnostics: &mut Diagnostics,
    ) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        for (key, list) in node.map(|node| entries(node, self.file, diagnostics)).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if !TEMPERATURES.contains(&name) {
                diagnostics
                    .error(self.file, key.place, "E18", format!("unknown temperature `{name}`"))
                    .suggest(name, TEMPERATURES);
            }
            for phase in items(list) {
                known_phase(phase, phases, self.file, diagnostics);
            }
            found.insert(name.to_owned(), strings(list, self.file, diagnostics));
        }
        found
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
        let mut from_mixins = Raw::default();
        for node in &raw.mixins {
            let mixin = node.text().unwrap_or_default();
            match self.mixins.get(mixin) {
                Some(found) => {
                    self.loader.used.borrow_mut().insert(mixin.to_owned());
                    let mixed = self.resolve(&format!("mixin {mixin}"), found, all, path, diagnostics);
                    for (rows, other) in
                        [(&mixed.rules, &from_mixins.rules), (&mixed.transitions, &from_mixins.transitions)]
                    {
                        if let Some(key) = rows.keys().find(|key| other.contains_key(*key)) {
                            let what = self.loader.key_name(*key);
                            diagnostics.warning(
                                file,
                                node.place,
                                "W05",
                                format!(
                                    "mixin `{mixin}` overwrites the row of `{what}` from an earlier mixin"
                                ),
                            );
                        }
                    }
                    merge(&mut from_mixins, &mixed);
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
        for (key, row) in &raw.rules {
            let (RowKey::Intent(id), Some(node)) = (key, row.value) else { continue };
            let mut action = |node: &Node, diagnostics: &mut Diagnostics| {
                names.action(node, row.file, self.loader, diagnostics)
            };
            rules.insert(*id, self.chain(node, row, scope, diagnostics, &mut action));
        }
        let mut transitions = BTreeMap::new();
        let (mut data_complete, mut any) = (None, None);
        for (key, row) in &raw.transitions {
            let Some(node) = row.value else { continue };
            let mut target =
                |node: &Node, diagnostics: &mut Diagnostics| names.state(node, row.file, diagnostics);
            let chain = self.chain(node, row, scope, diagnostics, &mut target);
            match key {
                RowKey::DataComplete => data_complete = Some(chain),
                RowKey::Any => any = Some(chain),
                RowKey::Intent(id) => {
                    transitions.insert(*id, chain);
                }
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
            kb_categories: list("kb_categories", diagnostics),
            terminal_requirements: list("terminal_requirements", diagnostics),
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
    lay_over(&mut into.rules, &own.rules);
    lay_over(&mut into.transitions, &own.transitions);
}

/// Temperatures of a lead at which phases may be passed over.
const TEMPERATURES: [&str; 3] = ["warm", "hot", "very_hot"];

fn known_phase(node: &Node, phases: &[String], file: &SourceFile, diagnostics: &mut Diagnostics) {
    let name = node.text().unwrap_or_default();
    if !phases.iter().any(|phase| phase == name) {
        diagnostics
            .error(file, node.place, "E10", format!("unknown phase `{name}`"))
            .suggest(name, phases.iter().map(String::as_str));
    }
}
