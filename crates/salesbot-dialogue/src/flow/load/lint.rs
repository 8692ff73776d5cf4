//! What a flow without mistakes in its names can still get wrong. Codes: dialogue reference, 18.4, and ours
//! from W13 on. A flow silences a finding it means by `allow: [W02]`.

use super::*;
use crate::condition::Test;

/// A compiled flow with all that a finding needs to point at its place.
pub(super) struct Seen<'s, 'a> {
    pub(super) flow: &'s Flow,
    pub(super) raws: &'s BTreeMap<String, Raw<'a>>,
    pub(super) loader: &'s Loader<'a>,
    pub(super) root: &'s Node,
    pub(super) file: &'s SourceFile,
    pub(super) allow: &'s [String],
}

pub(super) fn lint(seen: &Seen<'_, '_>, diagnostics: &mut Diagnostics) {
    let mut found = Diagnostics::default();
    reachable(seen, &mut found);
    ends(seen, &mut found);
    for (id, state) in seen.flow.states() {
        rows(seen, id, state, &mut found);
        keys(seen, id, state, &mut found);
    }
    unhandled(seen, &mut found);
    let idle: Vec<&String> = seen.allow.iter().filter(|code| !found.has_code(code)).collect();
    for code in idle {
        let message = format!("`allow: {code}` silences nothing in this flow");
        found.warning(seen.file, seen.root.place, "W16", message);
    }
    found.drop_codes(seen.allow);
    diagnostics.extend(found);
}

impl Seen<'_, '_> {
    /// Where a state is written.
    fn place(&self, state: &State) -> (&SourceFile, Place) {
        match self.raws.get(&state.name) {
            Some(raw) => (raw.file.unwrap_or(self.file), raw.place),
            None => (self.file, self.root.place),
        }
    }

    fn targets(&self, state: &State) -> Vec<StateId> {
        let chains = state.transitions.values().chain(&state.data_complete).chain(&state.any);
        let mut found: Vec<_> =
            chains.flat_map(|chain| chain.cases.iter().map(|(_, id)| *id).chain(chain.default)).collect();
        found.extend(state.stall_exit);
        found
    }
}

/// Everything a walk can get to, from every way in.
fn reachable(seen: &Seen<'_, '_>, found: &mut Diagnostics) {
    let flow = seen.flow;
    let mut reached = BTreeSet::from([flow.start, flow.entry, flow.post_phases]);
    reached.extend(flow.entry_points.values());
    let mut open: Vec<_> = reached.iter().copied().collect();
    while let Some(id) = open.pop() {
        for target in seen.targets(flow.state(id)) {
            if reached.insert(target) {
                open.push(target);
            }
        }
    }
    for (id, state) in flow.states() {
        if !reached.contains(&id) {
            let (file, place) = seen.place(state);
            found.warning(file, place, "W01", format!("state `{}` can never be reached", state.name));
        }
    }
}

/// From every state a final one can be reached; a circle nobody leaves is an error.
fn ends(seen: &Seen<'_, '_>, found: &mut Diagnostics) {
    let flow = seen.flow;
    let mut good: BTreeSet<StateId> =
        flow.states().filter(|(_, state)| state.is_final).map(|(id, _)| id).collect();
    if good.is_empty() {
        found
            .error(seen.file, seen.root.place, "E15", format!("flow `{}` has no final state", flow.name))
            .hint("mark at least one state with `final: true`");
        return;
    }
    loop {
        let leads = |state: &State| seen.targets(state).iter().any(|to| good.contains(to));
        let more: Vec<StateId> = flow
            .states()
            .filter(|(id, state)| !good.contains(id) && leads(state))
            .map(|(id, _)| id)
            .collect();
        if more.is_empty() {
            break;
        }
        good.extend(more);
    }
    for (id, state) in flow.states().filter(|(id, _)| !good.contains(id)) {
        let (file, place) = seen.place(state);
        let alone = seen.targets(state).iter().all(|target| *target == id);
        let message = if alone {
            format!("state `{}` can never be left", state.name)
        } else {
            format!("state `{}` leads round in a circle: no final state can be reached from it", state.name)
        };
        found.error(file, place, "E15", message);
    }
}

/// Rows that do nothing, or not what they seem to.
fn rows(seen: &Seen<'_, '_>, id: StateId, state: &State, found: &mut Diagnostics) {
    let (own_file, place) = seen.place(state);
    for (intent, rule) in &state.rules {
        let asks = rule.default.as_deref().is_some_and(|action| (seen.loader.known.asks)(action));
        let leaves = state
            .transitions
            .get(intent)
            .is_some_and(|chain| chain.cases.is_empty() && chain.default.is_some_and(|target| target != id));
        if asks && leaves && rule.at.file.as_ref() == seen.file.name {
            let name = seen.loader.intents.name(*intent);
            let message = format!("`{}` asks on `{name}`, but the same message leaves the state", state.name);
            found
                .warning(seen.file, line(rule.at.line), "W02", message)
                .hint("remove the row, or let the intent stay here with `to: null`");
        }
    }
    let raw = seen.raws.get(&state.name);
    let tables = raw.map(|raw| [(&raw.rules, "do"), (&raw.transitions, "to")]);
    for (rows, key) in tables.into_iter().flatten() {
        for (intent, row) in rows {
            if row.value.is_none() && row.file.name == own_file.name && row.replaces.is_empty() {
                let name = seen.loader.key_name(*intent);
                found.warning(
                    row.file,
                    row.place,
                    "W17",
                    format!("`{key}: null` for `{name}` removes nothing"),
                );
            }
        }
    }
    for chain in state.rules.values() {
        contradictions(seen, chain, found);
    }
    for chain in state.transitions.values() {
        contradictions(seen, chain, found);
    }
    if state.is_final && state.transitions.values().any(|chain| chain.default == Some(id)) {
        found.note(own_file, place, "W08", format!("final state `{}` leads to itself", state.name));
    }
    if state.is_final && seen.targets(state).iter().any(|target| *target != id) {
        found.note(own_file, place, "W12", format!("final state `{}` has a way out", state.name));
    }
}

fn line(line: usize) -> Place {
    Place { line, column: 1, width: usize::MAX }
}

/// A condition that can never hold: both a thing and its opposite are wanted.
fn contradictions<T>(seen: &Seen<'_, '_>, chain: &Chain<T>, found: &mut Diagnostics) {
    let own = chain.at.file.as_ref() == seen.file.name;
    if own && chain.cases.iter().any(|(condition, _)| contradicts(condition)) {
        let message = "this condition can never hold: it wants a thing and its opposite";
        found.warning(seen.file, line(chain.at.line), "W03", message);
    }
}

fn contradicts(condition: &Condition) -> bool {
    let Condition::All(parts) = condition else {
        return match condition {
            Condition::Any(parts) => parts.iter().all(contradicts),
            _ => false,
        };
    };
    let opposite = |a: &Condition, b: &Condition| match (a, b) {
        (Condition::Not(inner), other) | (other, Condition::Not(inner)) => **inner == *other,
        (Condition::Slot(slot, Test::AtLeast(low)), Condition::Slot(other, Test::AtMost(high)))
        | (Condition::Slot(slot, Test::AtMost(high)), Condition::Slot(other, Test::AtLeast(low))) => {
            slot == other && low > high
        }
        (Condition::Slot(slot, Test::Filled), Condition::Slot(other, Test::Empty))
        | (Condition::Slot(slot, Test::Empty), Condition::Slot(other, Test::Filled)) => slot == other,
        _ => false,
    };
    parts.iter().enumerate().any(|(at, a)| parts[at + 1..].iter().any(|b| opposite(a, b)))
        || parts.iter().any(contradicts)
}

/// Keys of a state that contradict each other.
fn keys(seen: &Seen<'_, '_>, id: StateId, state: &State, found: &mut Diagnostics) {
    let (file, place) = seen.place(state);
    let name = &state.name;
    if !state.required.is_empty() && !state.is_final && state.data_complete.is_none() {
        found
            .error(file, place, "E15", format!("state `{name}` requires data but has no `data_complete` row"))
            .hint("add `- {intents: [data_complete], to: $next}` to its transitions");
    }
    let own_flag = |slot: &String| state.on_enter_flags.contains(slot);
    if !state.required.is_empty() && state.required.iter().all(own_flag) {
        found.note(
            file,
            place,
            "W07",
            format!("state `{name}` lasts one turn: entering it sets what it requires"),
        );
    }
    for slot in state.required.iter().filter(|slot| !own_flag(slot)) {
        if !(seen.loader.known.asked)(&seen.flow.name, name, slot) {
            found
                .warning(
                    file,
                    place,
                    "W18",
                    format!("state `{name}` requires `{slot}`, and no question asks for it"),
                )
                .hint("add a question with this slot to the flow's replies.yaml");
        }
    }
    if !state.required.is_empty() && state.stall_exit == Some(id) {
        found.warning(file, place, "W09", format!("state `{name}` requires data and stalls into itself"));
    }
    let written = |key: &str| seen.raws.get(name).and_then(|raw| raw.keys.get(key)).copied();
    let own = |key: &str| written(key).filter(|_| file.name == seen.file.name);
    if let Some(node) = own("options_from_turn").filter(|_| state.max_turns == 0) {
        let message = format!("`options_from_turn` never acts: `{name}` has no `max_turns`");
        found.warning(file, node.place, "W19", message);
    }
    if let Some(node) = written("phase_label").filter(|_| state.phase.is_some()) {
        found.note(file, node.place, "W11", format!("phase of `{name}` is shown under another label"));
    }
    if let Some(node) = written("phase_label").filter(|_| state.phase.is_none()) {
        found.warning(file, node.place, "W19", format!("`phase_label` never acts: `{name}` is no phase"));
    }
    if let Some(node) =
        written("terminal_requirements").filter(|_| !seen.flow.autonomous || state.phase.is_none())
    {
        let message =
            format!("`terminal_requirements` never acts: `{name}` is no stage of an autonomous flow");
        found.warning(file, node.place, "W19", message);
    }
}

/// Intents that no state of the flow and no taxonomy answers.
fn unhandled(seen: &Seen<'_, '_>, found: &mut Diagnostics) {
    let intents = seen.loader.intents;
    let handled = |intent: &IntentId| {
        let has = |state: &State| state.rules.contains_key(intent) || state.transitions.contains_key(intent);
        seen.flow.states().any(|(_, state)| has(state))
    };
    let silent: Vec<&str> = intents
        .iter()
        .filter(|(_, spec)| spec.fallback_action.is_none())
        .filter(|(id, _)| !intents.is_question(*id) && !intents.is_objection(*id) && !handled(id))
        .map(|(_, spec)| spec.name.as_str())
        .collect();
    if !silent.is_empty() {
        let message = format!("no state of flow `{}` handles {}", seen.flow.name, silent.join(", "));
        found
            .warning(seen.file, seen.root.place, "W13", message)
            .hint("add a row, or a `fallback_action` to the intent");
    }
}
