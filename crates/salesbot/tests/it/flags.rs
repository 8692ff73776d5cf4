//! A flag that acts makes a difference; the others say what they wait for.

use std::collections::BTreeSet;

use salesbot::flags::{FLAGS, Part};
use serde_json::{Value, json};

use crate::settings::differs;
use crate::walks::START;
use crate::{data, dialogues, load_with, loaded, set, turn_with};

/// What the client says: messages of a flow, or a dialogue of `tests/dialogues/` up to a turn.
enum Said {
    Typed(&'static str, &'static [&'static str]),
    Dialogue(&'static str, usize),
    /// One of several talks of a flow: whichever the classifier of the day wavers at.
    OneOf(&'static [(&'static str, &'static [&'static str])]),
    /// Random walks, of which some decision differs.
    Walks,
}

use Said::{Dialogue, OneOf, Typed, Walks};

/// Messages with the seconds before each, the flow and the seed. `pick`: which of several.
fn said(said: &Said, pick: usize) -> (Vec<(String, i64)>, String, u64) {
    let typed = |flow: &str, messages: &[&str]| {
        (messages.iter().map(|text| ((*text).to_owned(), 60)).collect(), flow.to_owned(), 2)
    };
    match said {
        OneOf(talks) => typed(talks[pick].0, talks[pick].1),
        Typed(flow, messages) => typed(flow, messages),
        Dialogue(path, last) => {
            let talk = dialogues::read(&data("dialogues").join(path));
            let turns = talk.turns.into_iter().take(last + 1);
            (turns.map(|turn| (turn.client, turn.after_seconds)).collect(), talk.flow, talk.seed)
        }
        Walks => unreachable!("walked, not talked"),
    }
}

/// The last response of a talk with one flag set; null where a request is refused.
fn talk(row: &Row, on: bool, pick: usize) -> Value {
    let name = format!("FF_{}", row.flag);
    let mut environment = vec![(name.as_str(), if on { "true" } else { "false" })];
    environment.extend(row.beside);
    // Which flows there are is settled on loading.
    let (engine, settings) = if row.flag == "autonomous_flow" {
        let loaded = load_with(&environment);
        (loaded.engine, loaded.settings)
    } else {
        set(&environment).expect("valid flags")
    };
    let (messages, flow, seed) = said(&row.said, pick);
    let (mut response, mut now) = (json!({"snapshot": null}), START);
    for (message, after) in messages {
        now += after;
        let body = json!({
            "message": message, "snapshot": response["snapshot"],
            "flow_name": Some(&flow).filter(|flow| !flow.is_empty()),
            "options": {"seed": seed, "now": now},
        });
        let Ok(next) = turn_with(&engine, &settings, &body) else { return Value::Null };
        response = next;
    }
    response
}

struct Row {
    flag: &'static str,
    /// Flags that stand on both sides.
    beside: &'static [(&'static str, &'static str)],
    said: Said,
    /// The field of the last response that differs between on and off.
    key: &'static str,
}

const fn row(flag: &'static str, said: Said, key: &'static str) -> Row {
    Row { flag, beside: &[], said, key }
}

const MASH: &[&str] = &["нас 5 человек", "ыъыъ ыы", "ыъыъ ыы"];
const AGAIN: &str = "у меня пять сотрудников";

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("apology_system", Typed("", &["цена?", "вы издеваетесь, не то спросил"]), "response"),
    row("autonomous_flow", Typed("autonomous", &["здравствуйте"]), "response"),
    row("circular_flow", Typed("", &["у нас магазин одежды", "нас 5 человек", "недостача постоянно", "давайте вернемся назад"]), "state"),
    row("classification_refinement", Dialogue("challenger/objector_household.yaml", 2), "response"),
    row("comparison_refinement", Typed("", &["здравствуйте", "чем вы лучше, юмаг же дешевле"]), "intent"),
    row("composite_refinement", Dialogue("meddic/questioner_wholesale_chem.yaml", 0), "response"),
    Row { flag: "confidence_router", beside: &[("SALESBOT_DIALOGUE__DISAMBIGUATION__HIGH", "100"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MEDIUM", "99"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__LOW", "2"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__GAP", "100"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__CONFIRM_GAP", "100"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MIN", "1"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MIN_OPTION", "1")], said: OneOf(&[("", &["у нас магазин одежды, 5 человек", "надо узнать и попробовать чтобы потом решить что брать"]), ("", &["у нас магазин одежды, 5 человек", "можете показать как работает и сразу сказать цену за год"]), ("", &["у нас магазин одежды, 5 человек", "расскажите и пришлите мне пожалуйста что у вас там есть"]), ("", &["у нас магазин одежды, 5 человек", "хотелось бы посмотреть цены на каком нибудь видео если можно"]), ("", &["у нас магазин одежды, 5 человек", "пришлите предложение и позвоните обсудить всё вместе с мужем"]), ("", &["у нас магазин одежды, 5 человек", "сравнить бы мне тарифы и посмотреть вживую как там касса"])]), key: "action" },
    row("context_cta_memory", Typed("demo_first", &["нас трое с продавцами", "ясно", "спасибо", "справляемся сами", "а ревизия есть у вас?", "спасибо"]), "response"),
    row("context_engagement_v2", OneOf(&[
        ("sandler", &["пекарня своя", "дорого очень. всё", "ну хз", "одна я сижу, мне и тетрадки хватает", "есть пробный период?", "чё?"]),
        ("snap", &["не, сама потом напишу", "ладно. главное чтоб админ выручку не прятала", "вот бы программа ваша ещё и снег чистила ха-ха"]),
        ("value", &["киоск с напитками и мороженым на базаре", "сколько lite стоит на мои 2 точки с кассой", "а цена какая", "дороговато для меня", "цена смущает, дорого наверно для 12", "да назначайте", "пока не до этого", "а чего так коротко спрашиваете как робот"]),
    ]), "response"),
    row("context_full_envelope", Dialogue("aida/tour_2.yaml", 3), "response"),
    row("context_policy_overlays", Dialogue("spin_selling/price_first_haggler.yaml", 4), "response"),
    row("context_response_directives", Dialogue("snap/stationery_hard.yaml", 3), "response"),
    row("context_shadow_mode", Dialogue("spin_selling/price_first_haggler.yaml", 4), "response"),
    row("conversation_guard", Typed("", MASH), "action"),
    row("cta_generator", Dialogue("demo_first/demo_turned_down.yaml", 2), "response"),
    row("data_aware_refinement", Dialogue("spin_selling/happy_path_market_stall.yaml", 0), "response"),
    row("dynamic_cta_fallback", Typed("", &["здравствуйте", "магазин одежды, нас 5 человек, учет в тетради", "недостачи", "теряем 50 тысяч в месяц", "хочу видеть остатки", "пыщ пыщ", "пыщ пыщ"]), "options"),
    row("first_contact_refinement", Typed("", &["мне посоветовали вас, но надо подумать"]), "intent"),
    row("greeting_context_refinement", Typed("", &["база слетела вчера"]), "intent"),
    row("greeting_state_safety", Dialogue("spin_selling/tech_receipt_not_printing.yaml", 1), "response"),
    Row { flag: "guard_informative_intent_check", beside: &[("FF_DATA_AWARE_REFINEMENT", "off")], said: Typed("bant", &["здравствуйте", AGAIN, "ыъыъ ыы", "вы издеваетесь, сколько можно", "бесите", "ну это самое в экселе"]), key: "action" },
    row("guard_skip_resets_fallback", Typed("bant", &["здравствуйте", AGAIN, AGAIN, AGAIN, AGAIN]), "action"),
    row("intent_pattern_guard", Typed("bant", &["у меня магазин одежды", "чем вы лучше умага", "чем вы лучше 1с", "чем вы лучше poster", "чем вы лучше мойсклад", "чем вы лучше prosklad", "чем вы лучше iiko"]), "action"),
    row("lead_scoring", Typed("", &["здравствуйте"]), "lead_score"),
    row("multi_tier_fallback", Typed("", MASH), "action"),
    row("objection_refinement", Typed("bant", &["здравствуйте", "у меня магазин одежды", "до 300 тысяч", "решаю я сама", "остатки не сходятся", "сейчас не время, после сезона только"]), "intent"),
    row("objection_handler", Typed("", &["надо подумать", "надо еще подумать"]), "state"),
    row("option_selection_refinement", Typed("", &["нас 5 человек", "ыъыъ ыы", "ыъыъ ыы", "2"]), "intent"),
    row("phase_completion_gating", Dialogue("inbound/demo_wanted_after_all.yaml", 3), "state"),
    row("phase_exhausted_source", Dialogue("spin_selling/offtopic_wrong_address.yaml", 4), "response"),
    row("price_question_override", Typed("", &["здравствуйте, а сколько стоит? нас 5 человек"]), "reason_codes"),
    row("question_deduplication", Dialogue("spin_selling/happy_path_pharmacy.yaml", 0), "response"),
    row("refinement_pipeline", Typed("", &["здравствуйте, у нас 5 человек", "в экселе", "да"]), "intent"),
    row("response_variations", Dialogue("aida/flowers_doubts.yaml", 0), "response"),
    row("secondary_intent_detection", Typed("", &["Сколько стоит тариф Mini? А доставка в Актобе есть?"]), "response"),
    row("stall_guard_dual_proposal", Walks, "decision"),
    row("structural_frustration_detection", Dialogue("aida/tour_2.yaml", 3), "response"),
    row("tone_analysis", Typed("", &["вы издеваетесь!!! сколько можно"]), "tone"),
    // A surer classifier asks about less; thresholds at their ends make any two wishes a question.
    Row { flag: "unified_disambiguation", beside: &[("SALESBOT_DIALOGUE__DISAMBIGUATION__HIGH", "100"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MEDIUM", "99"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__LOW", "98"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MIN", "1"), ("SALESBOT_DIALOGUE__DISAMBIGUATION__MIN_OPTION", "1")], said: OneOf(&[("", &["у нас магазин одежды, 5 человек", "надо узнать и попробовать чтобы потом решить что брать"]), ("", &["у нас магазин одежды, 5 человек", "можете показать как работает и сразу сказать цену за год"]), ("", &["у нас магазин одежды, 5 человек", "расскажите и пришлите мне пожалуйста что у вас там есть"]), ("", &["у нас магазин одежды, 5 человек", "хотелось бы посмотреть цены на каком нибудь видео если можно"]), ("", &["у нас магазин одежды, 5 человек", "пришлите предложение и позвоните обсудить всё вместе с мужем"]), ("", &["у нас магазин одежды, 5 человек", "сравнить бы мне тарифы и посмотреть вживую как там касса"])]), key: "action" },
    row("universal_stall_guard", Typed("", &["магазин одежды", "спасибо", "спасибо вам", "спасибо большое", "благодарю", "спасибо"]), "state"),
];

#[test]
fn the_flags_that_act_change_a_talk() {
    let same = |row: &Row| {
        if matches!(row.said, Walks) {
            return (!walks_differ(row.flag)).then(|| format!("`{}` changes no decision", row.flag));
        }
        let picks = if let OneOf(talks) = row.said { talks.len() } else { 1 };
        let differs = |pick| talk(row, true, pick)[row.key] != talk(row, false, pick)[row.key];
        (!(0..picks).any(differs)).then(|| format!("`{}` changes nothing in `{}`", row.flag, row.key))
    };
    let idle: Vec<String> = ROWS.iter().filter_map(same).collect();
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

fn walks_differ(flag: &str) -> bool {
    let name = format!("FF_{flag}");
    let options = |value| set(&[(name.as_str(), value)]).expect("valid flags").0.options.dialogue;
    let (on, off) = (options("on"), options("off"));
    let flows = || loaded().engine.catalog.flows();
    (0..88).any(|seed| flows().any(|flow| differs(&on, &off, flow, seed)))
}

#[test]
fn every_flag_that_acts_has_its_talk() {
    let shown: BTreeSet<&str> = ROWS.iter().map(|row| row.flag).collect();
    assert_eq!(shown.len(), ROWS.len(), "one row a flag");
    let acting = FLAGS.iter().filter(|flag| flag.part == Part::Wired).map(|flag| flag.name);
    // The log is seen from outside: `cli::logs_are_json_unless_the_flag_is_off`, `cli::unsure_readings_are_logged`.
    let logs = ["structured_logging", "confidence_router_logging"];
    let acting: BTreeSet<&str> = acting.filter(|name| !logs.contains(name)).collect();
    assert_eq!(acting, shown);
}

#[test]
fn every_flag_of_the_reference_is_listed_once() {
    let mut names: Vec<&str> = FLAGS.iter().map(|flag| flag.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!((names.len(), count), (65, 65));
    assert!(FLAGS.iter().all(|flag| !matches!(flag.part, Part::Waits(part) if part.is_empty())));
}
