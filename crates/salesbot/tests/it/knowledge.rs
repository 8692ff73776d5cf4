//! The knowledge folder: what is found does not hang on the order of sections, and a folder of somebody else's
//! loads as it is.

use std::path::PathBuf;
use std::process::Command;

use salesbot_knowledge::{Knowledge, KnowledgeSources, Query, Retriever};
use salesbot_yaml::{Diagnostics, SourceFile};
use serde_json::Value;

use crate::{data, loaded};

fn questions() -> Vec<String> {
    let set = std::fs::read_to_string(data("nlu/fresh.jsonl")).expect("a set of our own");
    let text = |line: &str| {
        serde_json::from_str::<Value>(line).expect("JSON")["text"].as_str().expect("a text").to_owned()
    };
    set.lines().map(text).collect()
}

fn retriever(sources: &KnowledgeSources) -> Retriever {
    let mut found = Diagnostics::default();
    let knowledge = Knowledge::load(sources, true, &mut found);
    assert!(!found.has_errors(), "{found}");
    Retriever::new(knowledge, loaded().engine.retriever.language().clone())
}

/// The first ten of a question, those of equal score in the order of their names.
fn found(retriever: &Retriever, question: &str) -> Vec<(u32, String)> {
    let query = Query { text: question.to_owned(), ..Query::default() };
    let passages = retriever.search(&query, 10).passages;
    let worst = passages.last().map_or(0.0, |passage| passage.score);
    // The last place may be shared with a section that no longer fits in.
    let inside = passages.iter().filter(|passage| passage.score > worst + 1e-4);
    let mut list: Vec<(u32, String)> =
        inside.map(|passage| ((passage.score * 1e4).round() as u32, passage.section.id.clone())).collect();
    list.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    list
}

#[test]
fn the_order_of_sections_changes_nothing_but_ties() {
    let sources = salesbot::content::Content::open(None).expect("the embedded content").sources().knowledge;
    let turned = KnowledgeSources { files: sources.files.iter().rev().cloned().collect(), ..sources.clone() };
    let (as_is, again, turned) = (retriever(&sources), retriever(&sources), retriever(&turned));
    for question in questions().iter().take(200) {
        let query = Query { text: question.clone(), ..Query::default() };
        assert_eq!(as_is.search(&query, 10), again.search(&query, 10), "{question}");
        let ids = |list: Vec<(u32, String)>| list.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
        assert_eq!(ids(found(&as_is, question)), ids(found(&turned, question)), "{question}");
    }
}

/// Every way YAML has to write a text, as people's folders have them.
const FOREIGN: &str = "# a folder of somebody else's
sections:
  - topic: bakery_oven_1
    priority: 9
    keywords: &oven
      - печь
      - 910
      - \"1.0\"
      - on
      - 'как греется'
    facts: |-
      Печь греется за 20 минут.
      • до 250 °C
  - topic: bakery_oven_2
    keywords: *oven
    facts: >
      Печь ремонтирует
      мастер из Караганды.
  - topic: bakery_flour
    keywords: [мука, 'мука''высший']
    facts: 'Мука высшего сорта

      лежит на складе.'
    urls:
      - {url: https://example.kz/flour, label: Мука}
  - topic: bakery_delivery
    keywords: [доставка хлеба]
    facts: Хлеб привозят
      к шести утра.
";

#[test]
fn a_folder_of_somebody_elses_loads_as_it_is() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bakery");
    std::fs::create_dir_all(&folder).expect("a folder");
    let meta = "company:\n  name: Нан\n  description: >\n    Пекарня\n    у дома.\nstats:\n  total_sections: 4\n  last_updated: 2026-01-31\n";
    std::fs::write(folder.join("_meta.yaml"), meta).expect("a file");
    let windows = format!("\u{feff}{}", FOREIGN.replace('\n', "\r\n"));
    std::fs::write(folder.join("products.yaml"), windows).expect("a file");
    std::fs::write(folder.join("notes.yml"), "not: read").expect("a file");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_salesbot"))
            .args(arguments)
            .args(["--knowledge", folder.to_str().expect("a path")])
            .env_remove("SALESBOT_CONTENT")
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run(&["kb", "info"]).starts_with("Нан: Пекарня у дома.\nsections 4, last updated 2026-01-31"));
    let search = |text: &str| -> Value {
        serde_json::from_str(&run(&["kb", "search", text, "--json"])).expect("JSON")
    };
    let first = |text: &str| search(text)["results"][0]["facts"].as_str().expect("a section").to_owned();
    assert_eq!(first("за сколько греется печь"), "Печь греется за 20 минут.\n• до 250 °C");
    assert_eq!(first("кто чинит печь, мастер есть"), "Печь ремонтирует мастер из Караганды.");
    assert_eq!(first("мука какого сорта"), "Мука высшего сорта\nлежит на складе.");
    assert_eq!(first("хлеб во сколько привозят"), "Хлеб привозят к шести утра.");
    // Nothing of ours is left in it.
    assert_eq!(search("сколько стоит тариф mini")["abstained"], true);
}

#[test]
fn a_broken_an_empty_and_a_dated_folder_behave() {
    let load = |text: &str| {
        let mut found = Diagnostics::default();
        let meta = "company: {name: Нан, description: Пекарня}\nstats: {total_sections: 1}\n";
        let sources = KnowledgeSources {
            meta: Some(SourceFile::new("_meta.yaml", meta)),
            files: vec![SourceFile::new("products.yaml", text.to_owned())],
        };
        let knowledge = Knowledge::load(&sources, false, &mut found);
        (Retriever::new(knowledge, loaded().engine.retriever.language().clone()), found)
    };
    let topics = |retriever: &Retriever, today: i32| -> Vec<String> {
        let query =
            Query { text: "скидка на хлеб".to_owned(), today: Some(today), ..Query::default() };
        let passages = retriever.search(&query, 5).passages;
        passages.iter().map(|passage| passage.section.topic.clone()).collect()
    };
    let (empty, _) = load("");
    assert!(topics(&empty, 0).is_empty());
    let (_, found) = load("sections:\n  - topic: 'broken\n");
    assert!(found.has_code("KB002"), "{found}");
    let (dated, found) = load(
        "sections:
  - {topic: always, keywords: [скидка на хлеб], facts: Скидки на хлеб нет.}
  - {topic: spring, keywords: [скидка на хлеб], facts: Скидка на хлеб десять процентов., valid_from: 2026-03-01, valid_to: 2026-05-31, supersedes: [always]}
",
    );
    assert!(!found.has_errors(), "{found}");
    let day = |text: &str| {
        let date: jiff::civil::Date = text.parse().expect("a date");
        date.since(jiff::civil::date(1970, 1, 1)).expect("a span").get_days()
    };
    assert_eq!(topics(&dated, day("2026-02-28")), ["always"]);
    assert_eq!(topics(&dated, day("2026-03-01")), ["spring"]);
    assert_eq!(topics(&dated, day("2026-05-31")), ["spring"]);
    assert_eq!(topics(&dated, day("2026-06-01")), ["always"]);
}

/// What `kb eval` measures over files of `tests/retrieval/`.
fn measured(files: &[&str], spoil: Option<&str>) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_salesbot"))
        .args(["kb", "eval", "--json"])
        .args(spoil.map(|how| ["--spoil", how]).into_iter().flatten())
        .args(files.iter().map(|file| data(&format!("retrieval/{file}.jsonl"))))
        .env_remove("SALESBOT_CONTENT")
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn share(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {report}"))
}

#[test]
fn natural_questions_find_their_section_and_spoiled_ones_nearly_as_often() {
    let clean = measured(&["dev"], None);
    let (first, five) =
        (share(&clean, "/kinds/natural/recall_at/1"), share(&clean, "/kinds/natural/recall_at/5"));
    assert!(first >= 0.60 && five >= 0.85, "recall@1 {first}, recall@5 {five}");
    for how in ["slips", "layout", "translit"] {
        let spoiled = measured(&["dev"], Some(how));
        for depth in ["/recall_at/1", "/recall_at/5"] {
            let lost = share(&clean, depth) - share(&spoiled, depth);
            assert!(lost <= 0.08, "{how} loses {lost} of {depth}");
        }
    }
}

#[test]
fn foreign_requests_are_left_alone_and_questions_are_not() {
    let report = measured(&["dev", "foreign_dev"], None);
    let (left, wrongly) = (share(&report, "/foreign/abstained"), share(&report, "/kinds/natural/abstained"));
    assert!(share(&report, "/foreign/n") >= 200.0);
    assert!(left >= 0.80 && wrongly <= 0.03, "{left} of foreign requests, {wrongly} of questions");
}
