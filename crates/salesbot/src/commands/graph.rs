//! `flow graph`: a flow as a picture a person can read. The course of the sale runs left to right; jumps ahead
//! arch above it; objections and exits stand apart below, once for all states that share them.

use std::collections::BTreeMap;
use std::fmt::Write;

use salesbot_dialogue::flow::{Flow, StateId};
use salesbot_dialogue::{Catalog, IntentId};

/// States that are ways out or asides; drawn apart.
const ASIDE: [&str; 3] = ["handle_objection", "soft_close", "escalated"];
/// Intents named on an edge before the rest is only counted.
const NAMED: usize = 3;

/// One edge of the picture: all rows of a state that lead to one target.
struct Edge {
    from: StateId,
    to: StateId,
    label: String,
    /// Taken when the required slots hold.
    by_data: bool,
}

/// Groups first, then single intents, then a count.
fn label(intents: &[IntentId], catalog: &Catalog) -> String {
    let mut left: Vec<IntentId> = intents.to_vec();
    let mut parts: Vec<String> = Vec::new();
    for (name, members) in &catalog.groups {
        if !members.is_empty() && members.len() > 1 && members.iter().all(|id| left.contains(id)) {
            left.retain(|id| !members.contains(id));
            parts.push(format!("[{name}]"));
        }
    }
    let rest = left.len();
    parts.extend(left.iter().take(NAMED).map(|id| catalog.intents.name(*id).to_owned()));
    if rest > NAMED {
        parts.push(format!("+{}", rest - NAMED));
    }
    parts.join(", ")
}

fn edges(flow: &Flow, catalog: &Catalog) -> Vec<Edge> {
    let mut found = Vec::new();
    for (from, state) in flow.states() {
        let mut by_target: BTreeMap<StateId, (Vec<IntentId>, bool)> = BTreeMap::new();
        for (intent, chain) in &state.transitions {
            for to in chain.cases.iter().map(|(_, to)| to).chain(&chain.default) {
                by_target.entry(*to).or_default().0.push(*intent);
            }
        }
        for to in state
            .data_complete
            .iter()
            .flat_map(|chain| chain.cases.iter().map(|(_, to)| to).chain(&chain.default))
        {
            by_target.entry(*to).or_default().1 = true;
        }
        for (to, (intents, by_data)) in by_target {
            found.push(Edge { from, to, label: label(&intents, catalog), by_data });
        }
    }
    found
}

/// The states on the course of the sale, in order.
fn course(flow: &Flow) -> Vec<StateId> {
    let mut course: Vec<StateId> =
        flow.states().filter(|(_, state)| !ASIDE.contains(&state.name.as_str())).map(|(id, _)| id).collect();
    course.sort_by_key(|id| (flow.order(*id), id.0));
    course
}

/// Mermaid source, for documents that render it.
pub(super) fn mermaid(flow: &Flow, catalog: &Catalog) -> String {
    let mut out = String::from("flowchart LR\n");
    writeln!(out, "  subgraph course[\"{}\"]\n    direction LR", flow.name).ok();
    for id in course(flow) {
        let state = flow.state(id);
        let needs = if state.required.is_empty() {
            String::new()
        } else {
            format!("<br/>{}", state.required.join(", "))
        };
        let shape = if state.is_final { ("([", "])") } else { ("[", "]") };
        writeln!(out, "    {}{}\"{}{needs}\"{}", state.name, shape.0, state.name, shape.1).ok();
    }
    out.push_str("  end\n  subgraph apart[\"objections and exits\"]\n");
    for name in ASIDE {
        if flow.id(name).is_some() {
            writeln!(out, "    {name}([\"{name}\"])").ok();
        }
    }
    out.push_str("  end\n");
    let mut aside: BTreeMap<(StateId, String), usize> = BTreeMap::new();
    for edge in edges(flow, catalog) {
        let (from, to) = (flow.state(edge.from), flow.state(edge.to));
        if edge.from == edge.to {
            continue;
        }
        if ASIDE.contains(&to.name.as_str()) && !ASIDE.contains(&from.name.as_str()) {
            *aside.entry((edge.to, edge.label)).or_default() += 1;
            continue;
        }
        let back = flow.order(edge.to) < flow.order(edge.from) || ASIDE.contains(&from.name.as_str());
        let arrow = if edge.by_data {
            "==>"
        } else if back {
            "-.->"
        } else {
            "-->"
        };
        let text = match (edge.by_data, edge.label.is_empty()) {
            (true, true) => "data".to_owned(),
            (true, false) => format!("data, {}", edge.label),
            (false, _) => edge.label,
        };
        writeln!(out, "  {} {arrow}|\"{text}\"| {}", from.name, to.name).ok();
    }
    for ((to, label), count) in aside {
        writeln!(out, "  course -.->|\"{label} (from {count} states)\"| {}", flow.state(to).name).ok();
    }
    out
}

const BOX: (i32, i32) = (168, 74);
const GAP: i32 = 58;
const LEFT: i32 = 24;
/// A jump to one state on one cause from so many states is drawn once.
const SHARED: usize = 3;

/// A picture of its own, without any tool.
pub(super) fn svg(flow: &Flow, catalog: &Catalog) -> String {
    let course = course(flow);
    let place =
        |id: StateId| course.iter().position(|own| *own == id).map(|at| i32::try_from(at).unwrap_or(0));
    let x = |at: i32| LEFT + at * (BOX.0 + GAP);
    let edges = edges(flow, catalog);
    // Arcs above: jumps ahead and ways back, the longest highest. What many states share is said once, below.
    let jumps = edges
        .iter()
        .filter_map(|edge| Some((place(edge.from)?, place(edge.to)?, edge)))
        .filter(|(from, to, _)| from != to && to - from != 1);
    let mut shared: BTreeMap<(StateId, &str), usize> = BTreeMap::new();
    for (_, _, edge) in jumps.clone() {
        *shared.entry((edge.to, edge.label.as_str())).or_default() += 1;
    }
    let arcs: Vec<(i32, i32, &Edge)> =
        jumps.filter(|(_, _, edge)| shared[&(edge.to, edge.label.as_str())] < SHARED).collect();
    shared.retain(|_, count| *count >= SHARED);
    let mut spans: Vec<i32> = arcs.iter().map(|(from, to, _)| (to - from).abs()).collect();
    spans.sort_unstable();
    spans.dedup();
    let height_of =
        |span: i32| 26 + 22 * i32::try_from(spans.iter().position(|s| *s == span).unwrap_or(0)).unwrap_or(0);
    let top = 60 + spans.iter().map(|span| height_of(*span)).max().unwrap_or(0) + 20;
    let width = x(i32::try_from(course.len()).unwrap_or(0)) + LEFT;
    let lane = top + BOX.1 + 44;
    let asides: Vec<StateId> = ASIDE.iter().filter_map(|name| flow.id(name)).collect();
    let mut lines: Vec<(&str, &str, Vec<String>)> = Vec::new();
    if !shared.is_empty() {
        let texts = shared.iter().map(|((to, label), count)| {
            format!("{label}  → {}   (from {count} states)", flow.state(*to).name)
        });
        lines.push(("ahead", "Short cuts that most states share.", texts.collect()));
    }
    for aside in &asides {
        let mut by_label: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for edge in edges.iter().filter(|edge| edge.to == *aside && place(edge.from).is_some()) {
            by_label.entry(&edge.label).or_default().push(&flow.state(edge.from).name);
        }
        let all = course.len();
        let texts = by_label.into_iter().map(|(label, from)| {
            let whence = if from.len() + 2 >= all {
                "almost every state".to_owned()
            } else if from.len() > 3 {
                format!("{} states", from.len())
            } else {
                from.join(", ")
            };
            format!("{label}  ← {whence}")
        });
        let state = flow.state(*aside);
        lines.push((&state.name, &state.goal, texts.collect()));
    }
    let lane_height = |texts: &Vec<String>| 34 + 18 * i32::try_from(texts.len()).unwrap_or(0);
    let height = lane + lines.iter().map(|(_, _, texts)| lane_height(texts) + 16).sum::<i32>() + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <style>.b{{fill:#fff;stroke:#345;stroke-width:1.4}}.p{{fill:#eaf3ff}}.f{{fill:#e6f6e6}}.a{{fill:#fff4e5;stroke:#a60}}.e{{fill:none;stroke:#345;stroke-width:1.6}}.j{{fill:none;stroke:#89a;stroke-width:1}}.k{{fill:none;stroke:#c98;stroke-width:1;stroke-dasharray:4 3}}.n{{font-weight:600}}.s{{fill:#567;font-size:10px}}</style>\n\
         <defs><marker id=\"m\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#345\"/></marker></defs>\n"
    );
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"26\" font-size=\"16\" class=\"n\">{} {}</text>",
        escape(&flow.name),
        escape(&flow.version)
    )
    .ok();
    writeln!(out, "<text x=\"{LEFT}\" y=\"44\" class=\"s\">{}</text>", escape(&flow.description)).ok();
    for (from, to, edge) in &arcs {
        let rise = height_of((to - from).abs());
        let (start, end) = (
            x(*from) + BOX.0 / 2 + if to > from { 14 } else { -14 },
            x(*to) + BOX.0 / 2 + if to > from { -14 } else { 14 },
        );
        let class = if to > from { "j" } else { "k" };
        let high = top - rise;
        writeln!(out, "<path class=\"{class}\" marker-end=\"url(#m)\" d=\"M{start} {top}V{high}H{end}V{top}\"><title>{}</title></path>", escape(&edge.label)).ok();
        writeln!(
            out,
            "<text class=\"s\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            (start + end) / 2,
            high - 4,
            escape(&clip(&edge.label, usize::try_from((end - start).abs() / 6).unwrap_or(0)))
        )
        .ok();
    }
    for (at, id) in course.iter().enumerate() {
        let state = flow.state(*id);
        let left = x(i32::try_from(at).unwrap_or(0));
        let class = if state.is_final {
            "b f"
        } else if state.phase.is_some() {
            "b p"
        } else {
            "b"
        };
        writeln!(out, "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"8\"><title>{}</title></rect>", BOX.0, BOX.1, escape(&state.goal)).ok();
        writeln!(
            out,
            "<text class=\"n\" x=\"{}\" y=\"{}\">{}</text>",
            left + 10,
            top + 20,
            escape(&clip(&state.name, 24))
        )
        .ok();
        if let Some(phase) = state.shown_phase() {
            writeln!(
                out,
                "<text class=\"s\" x=\"{}\" y=\"{}\">phase {}</text>",
                left + 10,
                top + 36,
                escape(phase)
            )
            .ok();
        }
        if !state.required.is_empty() {
            writeln!(
                out,
                "<text class=\"s\" x=\"{}\" y=\"{}\">needs {}</text>",
                left + 10,
                top + 50,
                escape(&clip(&state.required.join(", "), 26))
            )
            .ok();
        }
        if state.max_turns > 0 {
            writeln!(
                out,
                "<text class=\"s\" x=\"{}\" y=\"{}\">at most {} turns</text>",
                left + 10,
                top + 64,
                state.max_turns
            )
            .ok();
        }
        for edge in edges.iter().filter(|edge| edge.from == *id && course.get(at + 1) == Some(&edge.to)) {
            let (from, to, y) = (left + BOX.0, left + BOX.0 + GAP, top + BOX.1 / 2);
            let text = if edge.by_data { "data".to_owned() } else { clip(&edge.label, 9) };
            writeln!(
                out,
                "<path class=\"e\" marker-end=\"url(#m)\" d=\"M{from} {y}H{to}\"><title>{}</title></path>",
                escape(&edge.label)
            )
            .ok();
            writeln!(
                out,
                "<text class=\"s\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                (from + to) / 2,
                y - 6,
                escape(&text)
            )
            .ok();
        }
    }
    let mut y = lane;
    for (name, goal, texts) in &lines {
        let tall = lane_height(texts);
        writeln!(
            out,
            "<rect class=\"b a\" x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{tall}\" rx=\"8\"/>",
            width - 2 * LEFT
        )
        .ok();
        writeln!(out, "<text class=\"n\" x=\"{}\" y=\"{}\">{}</text>", LEFT + 12, y + 20, escape(name)).ok();
        writeln!(out, "<text class=\"s\" x=\"{}\" y=\"{}\">{}</text>", LEFT + 150, y + 20, escape(goal)).ok();
        for (at, text) in texts.iter().enumerate() {
            let line = y + 38 + 18 * i32::try_from(at).unwrap_or(0);
            writeln!(out, "<text class=\"s\" x=\"{}\" y=\"{line}\">{}</text>", LEFT + 24, escape(text)).ok();
        }
        y += tall + 16;
    }
    out.push_str("</svg>\n");
    out
}

fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
