//! The compiler and the decision on a small flow of their own; the shipped one is tested with its content.

use std::collections::BTreeSet;

use salesbot_yaml::{Diagnostics, SourceFile};
use serde_json::json;

use super::{Decision, ReplyMemory, commit, decide};
use crate::flow::{FlowSources, Known};
use crate::understanding::{SlotFill, Understanding};
use crate::{Catalog, DialogueState, IntentCatalog, IntentSpec, Options, Turn, snapshot};

const BASE: &str = "
groups:
  objections: [objection_price]
  go_back: [go_back]
  handover: [request_human]
conditions:
  is_large: {slot: company_size, gte: 50}
  is_ready: {count: {of: [has_company_size, has_pain_point, is_large], at_least: 2}}
mixins:
  advance:
    transitions:
      - {intents: [agreement], to: $next}
priorities:
  default_priorities:
    - {name: state_rules, rank: 200, kind: action, from: state_rule}
    - {name: transitions, rank: 500, from: intent_transition}
    - {name: data_complete, rank: 600, from: data_complete}
states:
  ground:
    abstract: true
    max_turns: 4
    stall_exit: $next
    price_default: answer_with_pricing
    transitions:
      - {group: objections, to: handle_objection}
      - {intents: [rejection], to: soft_close}
      - {intents: [request_human], to: escalated}
      - {intents: [contact_provided], to: success}
      - {intents: [go_back], to: $prev}
      - {intents: [data_complete], to: $next}
    rules:
      - {intents: [price_question], do: $price_default}
      - {intents: [unclear], do: continue_current_goal}
  greeting: {transitions: [{intents: [agreement, situation_provided], to: $entry_state}, {intents: [rejection], to: soft_close}]}
  handle_objection: {extends: ground, next: presentation, prev: presentation, transitions: [{intents: [data_complete], to: null}]}
  presentation: {extends: ground, next: close, prev: greeting, transitions: [{intents: [data_complete], to: null}, {intents: [agreement], to: close}]}
  close: {extends: ground, next: success, prev: presentation, required: [contact_info], stall_exit: soft_close}
  soft_close: {transitions: [{intents: [agreement], to: $entry_state}]}
  success: {final: true}
  escalated: {final: true}
";

const FLOW: &str = "
flow: small
allow: [W13]
entry_state: size
phases:
  - {phase: size, state: size, extends: ground, mixins: [advance], required: [company_size], next: pain, prev: greeting}
  - phase: pain
    state: pain
    phase_label: trouble
    extends: ground
    required: [pain_point]
    next: presentation
    prev: size
    rules:
      - intents: [unclear]
        do: [{when: is_ready, then: probe}, clarify]
      - intents: [price_question]
        do: null
";

const INTENTS: [(&str, &str, &[&str]); 11] = [
    ("agreement", "positive", &[]),
    ("contact_provided", "positive", &[]),
    ("go_back", "dialogue_repair", &[]),
    ("greeting", "positive", &[]),
    ("objection_price", "objection", &[]),
    ("price_question", "question", &["price_related"]),
    ("question_offline", "question", &[]),
    ("rejection", "exit", &[]),
    ("request_human", "escalation", &[]),
    ("situation_provided", "positive", &[]),
    ("unclear", "dialogue_repair", &[]),
];

fn load(flow: &str) -> Result<Catalog, String> {
    let spec = |(name, category, groups): &(&str, &str, &[&str])| IntentSpec {
        name: (*name).to_owned(),
        category: (*category).to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..IntentSpec::default()
    };
    let intents = IntentCatalog::from_specs(INTENTS.iter().map(spec).collect());
    let slots: BTreeSet<String> = ["company_size", "pain_point", "contact_info"].map(str::to_owned).into();
    let known = Known {
        slots: &slots,
        actions: &[],
        action: &|_| true,
        flag: &|_| true,
        asks: &|_| false,
        asked: &|_, _, _| true,
        autonomous: true,
    };
    let sources = FlowSources {
        base: vec![SourceFile::new("flows/_base/all.yaml", BASE)],
        flows: vec![SourceFile::new("flows/small/flow.yaml", flow.to_owned())],
    };
    let mut diagnostics = Diagnostics::default();
    let catalog = Catalog::load(&sources, intents, &known, &mut diagnostics);
    if diagnostics.without_notes().is_empty() { Ok(catalog) } else { Err(diagnostics.to_string()) }
}

fn said(catalog: &Catalog, intent: &str, facts: &[(&str, serde_json::Value)]) -> Understanding {
    let slots = facts.iter().map(|(slot, value)| SlotFill {
        slot: (*slot).to_owned(),
        value: value.clone(),
        source: String::new(),
    });
    Understanding {
        slots: slots.collect(),
        ..Understanding::of(catalog.intents.id(intent).expect("a known intent"))
    }
}

type Fact = (&'static str, serde_json::Value);

/// Runs a talk and describes its last decision.
fn check(start: &str, steps: &[(&str, &[Fact])], want: &str) {
    let catalog = load(FLOW).unwrap();
    let flow = catalog.flow("small").unwrap();
    let mut state =
        DialogueState { flow: "small".to_owned(), state: start.to_owned(), ..DialogueState::default() };
    let options = Options::default();
    let mut shown = String::new();
    for (intent, facts) in steps {
        let read = said(&catalog, intent, facts);
        let turn = Turn { message: "…", state: &state, flow, now: 100 };
        let decision: Decision = decide(&turn, &read, &catalog, &options);
        shown = format!("{} -> {}, {}", intent, decision.action, decision.reasons.join(" "));
        state = commit(&turn, &read, &decision, &ReplyMemory::default(), &catalog, &options);
        shown.push_str(&format!(" => {}", state.state));
        let saved = snapshot::save(&state);
        assert_eq!(snapshot::restore(&saved, &catalog), Ok((state.clone(), Vec::new())));
    }
    assert_eq!(shown, want);
}

#[test]
fn a_flow_with_inheritance_mixins_and_removed_rows_compiles() {
    let catalog = load(FLOW).unwrap();
    let flow = catalog.flow("small").unwrap();
    let row = |state: &str, intent: &str| {
        let id = flow.id(state).unwrap();
        let intent = catalog.intents.id(intent).unwrap();
        flow.state(id)
            .transitions
            .get(&intent)
            .and_then(|chain| chain.default)
            .map(|id| flow.state(id).name.clone())
    };
    assert_eq!(row("size", "agreement").as_deref(), Some("pain"), "the mixin's row");
    assert_eq!(
        row("size", "go_back").as_deref(),
        Some("greeting"),
        "the parent's row with the state's own `prev`"
    );
    assert_eq!(row("pain", "agreement"), None, "no mixin here");
    let pain = flow.state(flow.id("pain").unwrap());
    assert!(
        !pain.rules.contains_key(&catalog.intents.id("price_question").unwrap()),
        "`do: null` removes the inherited row"
    );
    assert_eq!(pain.shown_phase(), Some("trouble"));
}

#[test]
fn a_filled_slot_leaves_the_phase_in_the_same_turn() {
    check(
        "size",
        &[("situation_provided", &[("company_size", json!(8))])],
        "situation_provided -> continue_current_goal, data_complete => pain",
    );
}

#[test]
fn a_phase_whose_data_is_known_is_passed_over() {
    check(
        "size",
        &[("situation_provided", &[("company_size", json!(8)), ("pain_point", json!("недостача"))])],
        "situation_provided -> continue_current_goal, data_complete phase_complete_pain => presentation",
    );
}

#[test]
fn a_price_question_is_answered_and_the_phase_still_moves_on() {
    check(
        "size",
        &[("price_question", &[("company_size", json!(8))])],
        "price_question -> answer_with_pricing, price_question_priority data_complete => pain",
    );
}

#[test]
fn a_chain_takes_its_first_condition_that_holds() {
    check("pain", &[("unclear", &[])], "unclear -> clarify, rule_unclear => pain");
    check("pain", &[("unclear", &[("company_size", json!(80))])], "unclear -> probe, rule_unclear => pain");
}

#[test]
fn a_request_for_a_person_beats_everything_and_is_final() {
    check(
        "size",
        &[("request_human", &[("company_size", json!(8))])],
        "request_human -> escalate_to_human, escalation_explicit_request => escalated",
    );
}

#[test]
fn an_objection_comes_back_to_its_phase() {
    check(
        "pain",
        &[("objection_price", &[]), ("agreement", &[])],
        "agreement -> continue_current_goal, objection_return_to_phase => pain",
    );
}

#[test]
fn the_limit_of_objections_ends_the_arguing() {
    let objection: (&str, &[Fact]) = ("objection_price", &[]);
    check(
        "pain",
        &[objection; 4],
        "objection_price -> objection_limit_reached, objection_limit_exceeded => soft_close",
    );
}

#[test]
fn nobody_wins_without_a_contact() {
    let bad: &[Fact] =
        &[("contact_info", json!({"phone": "12", "email": null, "name": null, "valid": false}))];
    check(
        "close",
        &[("contact_provided", bad)],
        "contact_provided -> continue_current_goal, intent_transition_contact_provided contact_missing => close",
    );
}

#[test]
fn going_back_is_allowed_twice() {
    let steps: [(&str, &[Fact]); 5] =
        [("go_back", &[]), ("agreement", &[]), ("go_back", &[]), ("agreement", &[]), ("go_back", &[])];
    check("size", &steps, "go_back -> go_back_limit_reached, go_back_limit_reached => size");
}

#[test]
fn a_state_that_points_nowhere_stops_the_load() {
    let found = load(&FLOW.replace("next: presentation", "next: presentaton")).unwrap_err();
    assert!(
        found.contains("error[E06]: unknown state `presentaton`")
            && found.contains("did you mean `presentation`?"),
        "{found}"
    );
}
