//! Every flow, walked straight and at random: properties P1–P15 of the dialogue reference (section 27), the
//! straight walk, and the four messages that always get their own answer. `SALESBOT_WALKS` sets the number of
//! random walks per flow (300), `SALESBOT_WALK_SEED` their seed; a failure names flow, walk and turn.

use std::collections::BTreeSet;

use salesbot_dialogue::condition::BUILT_IN;
use salesbot_dialogue::policy::{Move, holding, source_names};
use salesbot_dialogue::understanding::{Candidate, Method, Question, Suggestion};
use salesbot_dialogue::{
    Decision, DialogueState, Flow, IntentId, Merge, Options, SlotFill, Tone, ToneReading, Turn,
    Understanding, commit, decide, score, snapshot,
};
use salesbot_engine::Engine;
use serde_json::{Value, json};

use crate::loaded;

const TURNS: usize = 18;
pub(crate) const START: i64 = 1_760_000_000;

/// SplitMix64: small, seedable, the same everywhere.
pub(crate) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Intents that move talks most; half of all events are of these.
const COMMON: [&str; 24] = [
    "agreement",
    "info_provided",
    "unclear",
    "situation_provided",
    "problem_revealed",
    "need_expressed",
    "price_question",
    "question_features",
    "question_offline",
    "objection_price",
    "objection_think",
    "objection_trust",
    "no_problem",
    "no_need",
    "go_back",
    "correct_info",
    "greeting",
    "gratitude",
    "small_talk",
    "demo_request",
    "rejection",
    "comparison",
    "request_brevity",
    "frustration_expression",
];

fn contact() -> Value {
    json!({"phone": "+77051234567", "email": null, "name": null, "valid": true})
}

/// A value that fills a slot.
fn value(slot: &str) -> Value {
    match slot {
        "company_size" | "users_count" | "locations_count" => json!(7),
        "budget_range" => json!(200_000),
        "contact_info" => contact(),
        "decision_timeline" => json!("this_month"),
        _ => json!("так и есть"),
    }
}

fn reading(intent: IntentId, facts: &[(&str, Value)], engine: &Engine) -> Understanding {
    let intents = &engine.catalog.intents;
    let asks = intents.is_question(intent);
    let label = intents.get(intent).label.clone();
    Understanding {
        questions: if asks { vec![Question { intent, text: label }] } else { Vec::new() },
        slots: facts
            .iter()
            .map(|(slot, value)| SlotFill {
                slot: (*slot).to_owned(),
                value: value.clone(),
                source: String::new(),
            })
            .collect(),
        asks,
        ..Understanding::of(intent)
    }
}

/// One random client message, as understood.
pub(crate) fn event(dice: &mut Dice, state: &DialogueState, flow: &Flow, engine: &Engine) -> Understanding {
    let intents = &engine.catalog.intents;
    let intent = if dice.one_in(2) {
        intents.id(dice.pick(&COMMON)).expect("a common intent")
    } else {
        IntentId(u16::try_from(dice.below(intents.len())).expect("252"))
    };
    let mut read = reading(intent, &[], engine);
    let at = flow.state(flow.id(&state.state).expect("a state of the flow"));
    let mut fill = |slot: &str| {
        read.slots.push(SlotFill { slot: slot.to_owned(), value: value(slot), source: String::new() });
    };
    if dice.one_in(4) {
        at.required.iter().filter(|slot| !at.on_enter_flags.contains(slot)).for_each(|slot| fill(slot));
    }
    if dice.one_in(8) {
        fill(dice.pick(&[
            "pain_point",
            "desired_outcome",
            "current_tools",
            "business_type",
            "client_name",
            "high_interest",
        ]));
    }
    if dice.one_in(24) || intents.is(intent, "contact_provided") && !dice.one_in(4) {
        fill("contact_info");
    }
    if dice.one_in(40) {
        read.slots.push(SlotFill {
            slot: "persona".to_owned(),
            value: json!("skeptic"),
            source: String::new(),
        });
    }
    if dice.one_in(8) {
        let other = IntentId(u16::try_from(dice.below(intents.len())).expect("252"));
        read.secondary.push(other);
    }
    read.asks |= dice.one_in(12);
    read.repeated = read.asks && dice.one_in(6);
    read.confidence = 0.2 + dice.below(80) as f32 / 100.0;
    if dice.one_in(3) {
        read.method = Method::Linear;
        let rival = IntentId(u16::try_from(dice.below(intents.len())).expect("252"));
        let near = (read.confidence - dice.below(30) as f32 / 100.0).max(0.01);
        read.candidates = [(intent, read.confidence), (rival, near)]
            .map(|(intent, score)| Candidate {
                intent,
                score,
                method: Method::Linear,
                evidence: String::new(),
            })
            .to_vec();
    }
    let worst = if dice.one_in(6) { 11 } else { 3 };
    let frustration = u8::try_from(dice.below(worst)).expect("small");
    read.tone = ToneReading {
        tone: if frustration > 3 { Tone::Frustrated } else { Tone::Neutral },
        frustration,
        frustration_before: state.tone.frustration,
        warning: frustration >= 4 && dice.one_in(2),
        ..ToneReading::default()
    };
    if flow.autonomous && dice.one_in(2) {
        let names: Vec<&str> =
            flow.states().map(|(_, state)| state.name.as_str()).chain(["nowhere"]).collect();
        let next_state = (!dice.one_in(3)).then(|| dice.pick(&names).to_owned());
        read.suggestion = Some(Suggestion { next_state, reasoning: String::new(), failed: dice.one_in(9) });
    }
    read
}

pub(crate) fn fresh(flow: &Flow) -> DialogueState {
    DialogueState { flow: flow.name.clone(), seed: 7, ..DialogueState::default() }
}

fn family<'e>(engine: &'e Engine, action: &str) -> &'e str {
    engine.writer.banks.recipe(action).map_or("", |recipe| recipe.family.as_str())
}

/// What must hold of one turn.
fn check(
    engine: &Engine,
    turn: &Turn<'_>,
    read: &Understanding,
    decision: &Decision,
    after: &DialogueState,
    options: &Options,
) {
    let (flow, intents) = (turn.flow, &engine.catalog.intents);
    assert!(flow.id(&after.state).is_some(), "P1: the next state exists");
    assert!(engine.writer.banks.recipe(&decision.action).is_some(), "P2: `{}` has a recipe", decision.action);
    assert!(after.counters.gobacks <= options.limits.max_gobacks, "P6: at most two ways back");
    let objections = &after.counters.objections;
    let (in_a_row, in_all) = options.limits.objections(after.text("persona"));
    let (before_row, before_all) =
        (turn.state.counters.objections.consecutive, turn.state.counters.objections.total);
    assert!(
        objections.consecutive <= in_a_row.max(before_row) && objections.total <= in_all.max(before_all),
        "P7: counters stay at the limit"
    );
    if ["escalated", "success"].contains(&after.state.as_str()) {
        assert!(decision.is_final, "P8: {} is final", after.state);
    }
    let asks_price = intents.is_price(read.intent) && decision.clarify.is_empty();
    let hands_over = decision.action == "escalate_to_human";
    if asks_price && !hands_over {
        let family = family(engine, &decision.action);
        assert!(
            ["price", "roi", "compare", "answer"].contains(&family),
            "P9: a price question got `{}`",
            decision.action
        );
    }
    let at = flow.state(flow.id(&turn.state.state).expect("a state"));
    let complete = !at.required.is_empty() && at.required.iter().all(|slot| decision.memory.has(slot));
    let led = flow.autonomous && read.suggestion.is_some();
    let back =
        decision.reasons.iter().any(|reason| reason.starts_with("go_back") || reason.contains("_back"))
            || engine.catalog.in_group(read.intent, "go_back");
    if complete && !at.is_final && decision.merge != Merge::Blocked && !led && !back {
        assert_ne!(
            after.state,
            at.name,
            "P10: a complete phase is left in the same turn: {} {:?} {:?}",
            intents.name(read.intent),
            decision.reasons,
            decision.visited
        );
    }
    for kind in [true, false] {
        let of_kind = |what: &Move| matches!(what, Move::Act(_)) == kind;
        let own: Vec<_> = decision.proposals.iter().filter(|proposal| of_kind(&proposal.what)).collect();
        if let Some(won) = own.iter().find(|proposal| proposal.won && proposal.source != "PolicyOverlay") {
            let better = own.iter().find(|other| (other.priority, other.rank) < (won.priority, won.rank));
            assert!(
                better.is_none() || !kind && decision.merge == Merge::Merged,
                "P12: {better:?} beats {won:?}"
            );
        }
    }
    assert!((0..=100_000).contains(&after.lead.score), "P14: the score stays within 0 and 100");
    let temperature = score::temperature(after.lead.score, &options.lead_scoring);
    assert_eq!(after.text("lead_temperature"), Some(temperature), "P14: the temperature follows the score");
    if after.state == "success" && turn.state.state != "success" {
        assert!(after.contact().valid, "no win without a contact");
    }
}

/// The decision of this turn again, in other ways that must not matter.
fn check_again(
    engine: &Engine,
    turn: &Turn<'_>,
    read: &Understanding,
    decision: &Decision,
    options: &Options,
) {
    assert_eq!(
        decision,
        &decide(turn, read, &engine.catalog, options),
        "P3: the same input gives the same decision"
    );
    let spoke: BTreeSet<&str> = decision.proposals.iter().map(|proposal| proposal.source).collect();
    for name in source_names().filter(|name| !spoke.contains(name)) {
        let without = Options { sources_off: vec![name.to_owned()], ..options.clone() };
        let other = decide(turn, read, &engine.catalog, &without);
        assert_eq!(decision.action, other.action, "P13: {name}, which proposed nothing, makes no difference");
        assert_eq!(decision.next, other.next, "P13: {name}, which proposed nothing, makes no difference");
    }
}

fn walk(engine: &Engine, flow: &Flow, seed: u64) {
    let options = &engine.options.dialogue;
    let mut dice = Dice(seed);
    let mut state = fresh(flow);
    let mut quiet = 0;
    for at in 0..TURNS {
        let read = event(&mut dice, &state, flow, engine);
        let message = format!("сообщение {at} {}", dice.below(3));
        let now = START + i64::try_from(at).expect("small") * 40;
        let turn = Turn { message: &message, state: &state, flow, now };
        let decision = decide(&turn, &read, &engine.catalog, options);
        let after = commit(&turn, &read, &decision, &Default::default(), &engine.catalog, options);
        check(engine, &turn, &read, &decision, &after, options);
        if dice.one_in(16) {
            check_again(engine, &turn, &read, &decision, options);
        }
        if dice.one_in(8) {
            let restored = snapshot::restore(&snapshot::save(&after), &engine.catalog);
            assert_eq!(restored, Ok((after.clone(), Vec::new())), "P4: save and restore change nothing");
        }
        // P5: without messages that speak for themselves a state is left in time.
        let own = |id: IntentId| {
            let category = engine.catalog.intents.get(id).category.as_str();
            ["question", "objection", "exit", "escalation", "sensitive", "technical_problem", "frustration"]
                .contains(&category)
                || ["go_back", "handover"].iter().any(|group| engine.catalog.in_group(id, group))
        };
        let speaks = read.asks || read.intents().any(own) || read.slot("contact_info").is_some();
        quiet = if after.state == state.state && !speaks && decision.merge != Merge::Blocked {
            quiet + 1
        } else {
            0
        };
        let limit = flow.state(decision.next).max_turns;
        assert!(
            limit == 0 || quiet <= limit + 1,
            "P5: {} held the talk for {quiet} quiet turns",
            after.state
        );
        state = after;
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_walks_of_every_flow_keep_the_properties() {
    let engine = &loaded().engine;
    let (walks, seed) = (number("SALESBOT_WALKS", 300), number("SALESBOT_WALK_SEED", 20_261_122));
    let flows: Vec<&Flow> = engine.catalog.flows().collect();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for part in 0..threads {
            let flows = &flows;
            scope.spawn(move || {
                for flow in flows.iter().skip(part).step_by(threads) {
                    for at in 0..walks {
                        let own = seed ^ (at << 20) ^ flow.name.bytes().map(u64::from).sum::<u64>();
                        let walked = std::panic::catch_unwind(|| walk(engine, flow, own));
                        assert!(walked.is_ok(), "flow {}, walk {at}, SALESBOT_WALK_SEED={seed}", flow.name);
                    }
                }
            });
        }
    });
    assert_eq!(flows.len(), 21);
}

/// A condition that never changes is a rule that never acts.
#[test]
fn every_condition_is_true_somewhere_and_false_somewhere() {
    let engine = &loaded().engine;
    let options = &engine.options.dialogue;
    let names: BTreeSet<&str> = BUILT_IN.iter().map(|condition| condition.name).collect();
    let (mut held, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for flow in engine.catalog.flows() {
        for at in 0..60 {
            let mut dice = Dice(at);
            let mut state = fresh(flow);
            let mut last = None;
            for number in 0..24 {
                let mut read = event(&mut dice, &state, flow, engine);
                // People say the same thing again; three in a row must happen here.
                if let Some(last) = last.filter(|_| !dice.one_in(3)) {
                    read.intent = last;
                }
                last = Some(read.intent);
                if number == 20 {
                    let mail = json!({"phone": null, "email": "a@b.kz", "name": null, "valid": true});
                    read.slots.push(SlotFill {
                        slot: "contact_info".to_owned(),
                        value: mail,
                        source: String::new(),
                    });
                }
                let turn =
                    Turn { message: "сообщение", state: &state, flow, now: START + number * 50 };
                let holding: BTreeSet<&str> =
                    holding(&turn, &read, &engine.catalog, options).into_iter().collect();
                failed.extend(names.difference(&holding).copied());
                held.extend(holding);
                let decision = decide(&turn, &read, &engine.catalog, options);
                state = commit(&turn, &read, &decision, &Default::default(), &engine.catalog, options);
            }
        }
    }
    let never: Vec<_> = names.difference(&held).collect();
    let always: Vec<_> = names.difference(&failed).collect();
    assert!(never.is_empty() && always.is_empty(), "never true: {never:?}; never false: {always:?}");
    assert!(names.len() >= 80, "{} conditions", names.len());
}

/// Gives each phase its required slots in turn, then agrees, then leaves a number.
#[test]
fn the_straight_walk_visits_the_phases_in_order_and_wins() {
    let engine = &loaded().engine;
    let options = &engine.options.dialogue;
    let id = |name: &str| engine.catalog.intents.id(name).expect("an intent");
    let mut straight_to_close = Vec::new();
    for flow in engine.catalog.flows() {
        let mut state = fresh(flow);
        let mut visited: Vec<String> = Vec::new();
        let step = |state: &DialogueState, read: &Understanding, visited: &mut Vec<String>| {
            let message = format!("ответ {}", state.counters.turn);
            let turn = Turn { message: &message, state, flow, now: START };
            let decision = decide(&turn, read, &engine.catalog, options);
            visited.extend(decision.visited.iter().skip(1).map(|id| flow.state(*id).name.clone()));
            commit(&turn, read, &decision, &Default::default(), &engine.catalog, options)
        };
        let first = reading(id("agreement"), &[], engine);
        state = step(&state, &first, &mut visited);
        for _ in 0..flow.phase_order.len() {
            let at = flow.state(flow.id(&state.state).expect("a state"));
            if at.phase.is_none() {
                break;
            }
            let facts: Vec<(&str, Value)> = at
                .required
                .iter()
                .filter(|slot| !at.on_enter_flags.contains(slot))
                .map(|slot| (slot.as_str(), value(slot)))
                .collect();
            state = step(&state, &reading(id("gratitude"), &facts, engine), &mut visited);
        }
        let last = flow.phase_order.last().expect("a flow has phases");
        let last =
            flow.states().find(|(_, state)| state.phase.as_ref() == Some(last)).expect("the last phase").1;
        let onward = flow.state(last.next.expect("a way on")).name.clone();
        assert_eq!(state.state, onward, "{}: after the last phase", flow.name);
        let order: Vec<&str> =
            visited.iter().filter_map(|name| flow.state(flow.id(name)?).phase.as_deref()).collect();
        assert_eq!(order, flow.phase_order, "{}: every phase once, in order: {visited:?}", flow.name);
        if onward == "close" {
            straight_to_close.push(flow.name.as_str());
        } else {
            assert_eq!(onward, "presentation");
            state = step(&state, &reading(id("agreement"), &[], engine), &mut visited);
        }
        assert_eq!(state.state, "close", "{}", flow.name);
        let read = reading(id("contact_provided"), &[("contact_info", contact())], engine);
        state = step(&state, &read, &mut visited);
        assert_eq!(state.state, "success", "{}: a contact wins", flow.name);
    }
    assert_eq!(straight_to_close, ["autonomous", "challenger", "transactional"]);
}

/// Standing in a state: fresh, after many turns there, and angry.
fn standings(flow: &Flow, name: &str) -> Vec<(&'static str, DialogueState, u8)> {
    let mut at = fresh(flow);
    name.clone_into(&mut at.state);
    at.said.greeted = true;
    at.counters.turn = 4;
    let turn = |user: &str| salesbot_dialogue::Exchange {
        user: user.to_owned(),
        bot: "…".to_owned(),
        intent: "unclear".to_owned(),
        action: "continue_current_goal".to_owned(),
        state: name.to_owned(),
        next: name.to_owned(),
        ..Default::default()
    };
    at.turns = vec![turn("ну"), turn("ээ")];
    let mut stalled = at.clone();
    stalled.counters.turns_in_state = 9;
    stalled.counters.turn = 24;
    stalled.counters.recent = vec!["unclear".to_owned(); 3];
    vec![("fresh", at.clone(), 0), ("stalled", stalled, 1), ("angry", at, 8)]
}

#[test]
fn four_messages_get_their_own_answer_in_every_state_of_every_flow() {
    let engine = &loaded().engine;
    let id = |name: &str| engine.catalog.intents.id(name).expect("an intent");
    let mut count = 0;
    for flow in engine.catalog.flows() {
        for (_, state) in flow.states() {
            for (how, standing, frustration) in standings(flow, &state.name) {
                let say = |text: &str, intent: &str, facts: &[(&str, Value)]| {
                    let mut read = reading(id(intent), facts, engine);
                    read.tone.frustration = frustration;
                    if let Some(question) = read.questions.first_mut() {
                        text.clone_into(&mut question.text);
                    }
                    let turn = Turn { message: text, state: &standing, flow, now: START };
                    engine.answer(&turn, read)
                };
                let place = format!("{}/{} {how}", flow.name, state.name);
                let human = say("позовите человека", "request_human", &[]);
                let ended = state.is_final;
                assert!(
                    ended || human.decision.action == "escalate_to_human",
                    "{place}: {}",
                    human.decision.action
                );
                assert_eq!(human.state.state, "escalated", "{place}: a person was asked for");
                assert!(
                    human.reply.text.contains("менеджер")
                        || human.reply.text.contains("человек")
                        || human.reply.text.contains("Менеджер"),
                    "{place}: {}",
                    human.reply.text
                );

                let refusal = say("не интересно", "rejection", &[]);
                assert!(
                    !refusal.reply.text.contains('?'),
                    "{place}: a refusal is final: {}",
                    refusal.reply.text
                );
                // After the hand-over a person decides what follows; the bot only keeps quiet.
                assert!(
                    state.name == "escalated" || family(engine, &refusal.decision.action) == "exit",
                    "{place}: {}",
                    refusal.decision.action
                );
                assert!(
                    ended || refusal.state.state == "soft_close",
                    "{place}: refusal leads to {}",
                    refusal.state.state
                );

                let phone = say("8 705 123 45 67", "contact_provided", &[("contact_info", contact())]);
                assert!(
                    phone.reply.text.contains("67"),
                    "{place}: the number is confirmed: {}",
                    phone.reply.text
                );
                assert!(phone.state.contact().valid);
                let leads = state.transitions.contains_key(&id("contact_provided"));
                assert!(
                    !leads
                        || ["success", flow.state(flow.entry).name.as_str()]
                            .contains(&phone.state.state.as_str())
                        || state.name == "greeting",
                    "{place}: a number leads to {}",
                    phone.state.state
                );

                let price = say("сколько стоит?", "price_question", &[]);
                let kind = family(engine, &price.decision.action);
                assert!(
                    ["price", "roi", "compare", "answer"].contains(&kind),
                    "{place}: price got {}",
                    price.decision.action
                );
                if state.name != "escalated" {
                    assert!(price.reply.text.contains('₸'), "{place}: {}", price.reply.text);
                }
                for outcome in [&human, &refusal, &phone, &price] {
                    assert!(outcome.reply.plan.menu.is_none(), "{place}: a menu: {}", outcome.reply.text);
                    assert!(outcome.decision.fallback_tier.is_none(), "{place}");
                    assert!(!outcome.decision.action.starts_with("transition_to"), "{place}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 21 * 10 * 3, "{count} standings");
}
