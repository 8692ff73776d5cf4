//! What a flow without mistakes in its names can still get wrong.

use super::*;

/// Unreachable states, dead ends, requirements nobody completes, a flow without an end.
pub(super) fn lint(flow: &Flow, root: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) {
    let targets = |state: &State| -> Vec<StateId> {
        let chains = state.transitions.values().chain(&state.data_complete).chain(&state.any);
        let mut found: Vec<_> =
            chains.flat_map(|chain| chain.cases.iter().map(|(_, id)| *id).chain(chain.default)).collect();
        found.extend(state.stall_exit);
        found
    };
    let mut reached = BTreeSet::from([flow.start, flow.entry, flow.post_phases]);
    reached.extend(flow.entry_points.values());
    let mut open: Vec<_> = reached.iter().copied().collect();
    while let Some(id) = open.pop() {
        for target in targets(flow.state(id)) {
            if reached.insert(target) {
                open.push(target);
            }
        }
    }
    for (id, state) in flow.states() {
        if !reached.contains(&id) {
            diagnostics.warning(
                file,
                root.place,
                "W01",
                format!("state `{}` can never be reached", state.name),
            );
        }
        let own_line = Place { line: state.line, column: 1, width: 1 };
        let place = if state.file == file.name { own_line } else { root.place };
        if !state.is_final && targets(state).iter().all(|target| *target == id) {
            diagnostics.error(file, place, "E15", format!("state `{}` can never be left", state.name));
        }
        if !state.required.is_empty() && !state.is_final && state.data_complete.is_none() {
            diagnostics.error(
                file,
                place,
                "E15",
                format!("state `{}` requires data but has no `data_complete` row", state.name),
            );
        }
    }
    if !flow.states().any(|(_, state)| state.is_final) {
        diagnostics.error(file, root.place, "E15", format!("flow `{}` has no final state", flow.name));
    }
}
