//! Whole talks from `tests/dialogues/<flow>/*.yaml`: every reply as the client gets it, and what must hold of
//! any talk. `UPDATE_EXPECT=1` rewrites replies; read that diff as the client would.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use salesbot_knowledge::amounts::amounts;
use salesbot_yaml::{Diagnostics, Node, SourceFile, items, parse};
use serde_json::{Value, json};

use crate::{data, loaded, turn, updating};

pub(crate) struct Talk {
    about: String,
    pub seed: u64,
    pub flow: String,
    pub turns: Vec<Expected>,
}

pub(crate) struct Expected {
    pub client: String,
    pub after_seconds: i64,
    bot: String,
    intent: String,
    action: String,
    state: String,
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for flow in std::fs::read_dir(data("dialogues")).expect("tests/dialogues").flatten() {
        for file in std::fs::read_dir(flow.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|ending| ending == "yaml") {
                found.push(file.path());
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn read(path: &Path) -> Talk {
    let text = std::fs::read_to_string(path).expect("a dialogue file");
    let file = SourceFile::new(path.display().to_string(), text);
    let mut diagnostics = Diagnostics::default();
    let root = parse(&file, &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics}"));
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    let turns = root.get("turns").map(items).unwrap_or_default();
    Talk {
        about: text(&root, "about"),
        seed: text(&root, "seed").parse().unwrap_or(1),
        flow: text(&root, "flow"),
        turns: turns
            .iter()
            .map(|node| Expected {
                client: text(node, "client"),
                after_seconds: text(node, "after_seconds").parse().unwrap_or(60),
                bot: text(node, "bot"),
                intent: text(node, "intent"),
                action: text(node, "action"),
                state: text(node, "state"),
            })
            .collect(),
    }
}

fn run(talk: &Talk) -> Vec<Value> {
    let mut snapshot = Value::Null;
    let mut now = 1_760_000_000;
    let mut responses = Vec::new();
    for expected in &talk.turns {
        now += expected.after_seconds;
        let flow = if snapshot.is_null() && !talk.flow.is_empty() { json!(talk.flow) } else { Value::Null };
        let body = json!({"message": expected.client, "snapshot": snapshot, "flow_name": flow, "options": {"seed": talk.seed, "now": now}});
        let response = turn(&body).unwrap_or_else(|problem| panic!("{}: {problem:?}", expected.client));
        snapshot = response["snapshot"].clone();
        responses.push(response);
    }
    responses
}

#[test]
fn every_dialogue_gets_the_replies_it_got_when_it_was_read() {
    let mut wrong = String::new();
    let files = files();
    assert!(files.len() >= 30, "{} dialogues", files.len());
    for path in files {
        let talk = read(&path);
        let responses = run(&talk);
        check_talk(&path, &talk, &responses);
        if updating() {
            std::fs::write(&path, rewrite(&talk, &responses)).expect("the dialogue can be written");
            continue;
        }
        for (expected, got) in talk.turns.iter().zip(&responses) {
            let pairs = [
                (&expected.bot, "response"),
                (&expected.intent, "intent"),
                (&expected.action, "action"),
                (&expected.state, "state"),
            ];
            for (want, key) in pairs {
                if got[key] != json!(want) {
                    writeln!(
                        wrong,
                        "{}: `{}`: {key}\n  was {want}\n  now {}",
                        path.display(),
                        expected.client,
                        got[key]
                    )
                    .ok();
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\nUPDATE_EXPECT=1 cargo test rewrites them; read the diff as the client would"
    );
}

fn rewrite(talk: &Talk, responses: &[Value]) -> String {
    let quote = |text: &str| json!(text).to_string();
    let mut out = format!("about: {}\nseed: {}\n", quote(&talk.about), talk.seed);
    if !talk.flow.is_empty() {
        writeln!(out, "flow: {}", talk.flow).ok();
    }
    out.push_str("turns:\n");
    for (expected, got) in talk.turns.iter().zip(responses) {
        writeln!(out, "  - client: {}", quote(&expected.client)).ok();
        if expected.after_seconds != 60 {
            writeln!(out, "    after_seconds: {}", expected.after_seconds).ok();
        }
        let reply = got["response"].as_str().unwrap_or_default();
        if reply.contains('\n') {
            let lines: Vec<String> = reply.lines().map(|line| format!("      {line}")).collect();
            writeln!(out, "    bot: |-\n{}", lines.join("\n")).ok();
        } else {
            writeln!(out, "    bot: {}", quote(reply)).ok();
        }
        for key in ["intent", "action", "state"] {
            writeln!(out, "    {key}: {}", got[key].as_str().unwrap_or_default()).ok();
        }
    }
    out
}

/// What must hold of any talk, whatever its words.
fn check_talk(path: &Path, talk: &Talk, responses: &[Value]) {
    let knowledge = &loaded().engine.retriever.knowledge;
    let mut client_numbers: BTreeSet<String> = BTreeSet::new();
    let (mut greetings, mut apologies) = (0, Vec::new());
    for (at, (expected, got)) in talk.turns.iter().zip(responses).enumerate() {
        let place = format!("{}, turn {}", path.display(), at + 1);
        let reply = got["response"].as_str().unwrap_or_default();
        client_numbers.extend(amounts(&expected.client));
        client_numbers.extend(
            got["collected_data"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(_, value)| value.as_i64())
                .map(|n| n.to_string()),
        );
        let cited: Vec<&str> = got["sources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|source| source["section"].as_str())
            .collect();
        let sections: Vec<_> = cited
            .iter()
            .map(|id| knowledge.section(id).unwrap_or_else(|| panic!("{place}: unknown section {id}")))
            .collect();
        // Amounts of money stand in a cited section; a masked phone and the numbers of a menu are no amounts.
        for line in reply.lines().filter(|line| line.contains('₸')) {
            // "+7 705 ••• •• 67" is no amount.
            let mut line = line.to_owned();
            while let Some(at) = line.find("+7 ") {
                let phone: String = line[at..].chars().take("+7 705 ••• •• 67".chars().count()).collect();
                line = line.replacen(&phone, "", 1);
            }
            for number in amounts(&line) {
                let known = client_numbers.contains(&number)
                    || sections.iter().any(|section| section.amounts.contains(&number));
                assert!(known, "{place}: {number} of `{line}` is in no cited section");
            }
        }
        assert!(!reply.trim().is_empty(), "{place}: empty reply");
        assert!(!reply.contains(['{', '}', '<', '*', '#']), "{place}: markup in `{reply}`");
        assert!(reply.matches('?').count() <= 1, "{place}: more than one question in `{reply}`");
        assert_eq!(got["snapshot"]["revision"], json!(at + 1), "{place}");
        let greets = ["Здравствуйте", "Приветствую", "Добрый", "Сәлеметсіз", "Қайырлы", "Амансыз"]
            .iter()
            .any(|word| reply.starts_with(word));
        greetings += usize::from(greets);
        if ["ростите", "звините", "рошу прощения"].iter().any(|word| reply.contains(word))
        {
            apologies.push(at);
        }
        let before = at.checked_sub(1).map_or(Value::Null, |at| responses[at]["collected_data"].clone());
        if let Some(slot) = got["snapshot"]["asked"]["slot"].as_str() {
            assert!(before.get(slot).is_none_or(Value::is_null), "{place}: asks again for {slot}");
        }
        if got["state"] == "success" {
            assert_eq!(
                got["collected_data"]["contact_info"]["valid"],
                json!(true),
                "{place}: won without a contact"
            );
        }
        assert!(got["snapshot"].to_string().len() < 32 << 10, "{place}: snapshot too large");
    }
    assert!(greetings <= 1, "{}: greets {greetings} times", path.display());
    assert!(
        apologies.windows(2).all(|pair| pair[1] - pair[0] >= 3),
        "{}: apologises again and again: {apologies:?}",
        path.display()
    );
}

#[test]
fn the_same_talk_twice_gives_the_same_bytes() {
    for path in files().into_iter().take(8) {
        let talk = read(&path);
        let strip = |responses: Vec<Value>| -> Vec<String> {
            responses
                .into_iter()
                .map(|response| format!("{}{}", response["response"], response["snapshot"]))
                .collect()
        };
        assert_eq!(strip(run(&talk)), strip(run(&talk)), "{}", path.display());
    }
}

/// Edges of a flow: ways from one state to another that its rows, its data and its stall exits give.
fn edges(flow: &salesbot_dialogue::Flow) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (id, state) in flow.states() {
        let chains = state.transitions.values().chain(&state.data_complete).chain(&state.any);
        let targets = chains.flat_map(|chain| chain.cases.iter().map(|(_, to)| *to).chain(chain.default));
        for to in targets.chain(state.stall_exit).filter(|to| *to != id) {
            found.insert((state.name.clone(), flow.state(to).name.clone()));
        }
    }
    found
}

#[test]
fn the_dialogues_walk_four_fifths_of_the_edges_of_the_flows() {
    let mut walked: BTreeSet<(String, String, String)> = BTreeSet::new();
    for path in files() {
        for response in run(&read(&path)) {
            let flow = response["meta"]["flow_name"].as_str().unwrap_or_default().to_owned();
            let visited: Vec<&str> = response["visited_states"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for pair in visited.windows(2) {
                walked.insert((flow.clone(), pair[0].to_owned(), pair[1].to_owned()));
            }
        }
    }
    let (mut all, mut covered) = (0, 0);
    for flow in loaded().engine.catalog.flows() {
        let edges = edges(flow);
        let has =
            |(from, to): &&(String, String)| walked.contains(&(flow.name.clone(), from.clone(), to.clone()));
        let here = edges.iter().filter(has).count();
        let missing: Vec<String> =
            edges.iter().filter(|edge| !has(edge)).map(|(from, to)| format!("{from}→{to}")).collect();
        println!("{:16} {here:3} of {:3} edges; not walked: {}", flow.name, edges.len(), missing.join(" "));
        all += edges.len();
        covered += here;
    }
    println!("edges walked: {covered} of {all}, {} %", covered * 100 / all);
    assert!(covered * 100 >= all * 80, "{covered} of {all} edges");
}
