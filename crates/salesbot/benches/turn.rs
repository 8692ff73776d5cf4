//! Times of a turn and its parts on the shipped content: `cargo bench`. Figures: docs/performance.md.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;

use divan::Bencher;
use salesbot::api::{Call, process};
use salesbot::load::{self, Loaded};
use salesbot_dialogue::flow::Known;
use salesbot_dialogue::policy::ReplyMemory;
use salesbot_dialogue::{Catalog, DialogueState, Turn, commit, decide, snapshot};
use salesbot_knowledge::{Knowledge, KnowledgeSources, Query, Retriever};
use serde_json::{Value, json};

/// Counts what each benchmark allocates.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| load::load(None).expect("the shipped content"))
}

const MESSAGES: [&str; 6] = [
    "здравствуйте, у нас два магазина, 8 человек",
    "сколько стоит ваша программа?",
    "остатки не бьются постоянно, девочки забывают пробивать",
    "дорого, а рассрочка есть?",
    "crjkmrj cnjbn доставка в караганду",
    "давайте, мой номер 8 705 123 45 67",
];

/// A state after a talk of five turns.
fn talked() -> DialogueState {
    let mut state = DialogueState::default();
    for message in &MESSAGES[..5] {
        state = loaded().engine.turn(&state, message, 1_760_000_000).state;
    }
    state
}

/// Starts everything a command starts: content, settings, flows, index, classifier.
#[divan::bench]
fn load_all_content() -> Loaded {
    load::load(None).expect("the shipped content")
}

/// Understand, decide, retrieve, respond, commit; six kinds of messages in turn.
#[divan::bench]
fn turn(bencher: Bencher<'_, '_>) {
    let state = talked();
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % MESSAGES.len();
        loaded().engine.turn(&state, MESSAGES[at], 1_760_000_000)
    });
}

/// Each of the 520 messages ten times; the median is that of a message.
#[divan::bench(sample_count = 5200, sample_size = 1)]
fn understanding(bencher: Bencher<'_, '_>) {
    let state = talked();
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let mut unseen = unseen_messages().into_iter().cycle();
    bencher.with_inputs(|| unseen.next().expect("it never ends")).bench_local_refs(|message| {
        engine.nlu.understand(
            &Turn { message, state: &state, flow, now: 0 },
            &engine.catalog.intents,
            engine.options.nlu,
        )
    });
}

/// The 520 messages of a set that nothing was tuned on.
fn unseen_messages() -> Vec<String> {
    let set = include_str!("../../../tests/nlu/fresh.jsonl");
    set.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a set of our own");
            line["text"].as_str().expect("a message").to_owned()
        })
        .collect()
}

/// The longest message that is read: 4,000 characters of sentences, of one sentence, and of one word.
#[divan::bench(args = ["sentences", "one_sentence", "one_word", "commas"])]
fn understanding_of_4000_characters(bencher: Bencher<'_, '_>, kind: &str) {
    let unit = match kind {
        "sentences" => "у нас два магазина и склад. остатки не бьются, а сколько стоит программа? ",
        "one_sentence" => "у нас два магазина и склад остатки не бьются девочки забывают пробивать ",
        "one_word" => "аптека",
        _ => "касса, сканер, весы, ",
    };
    let message: String = unit.chars().cycle().take(4_000).collect();
    let state = talked();
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let turn = Turn { message: &message, state: &state, flow, now: 0 };
    bencher.bench_local(|| engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu));
}

/// Decide and commit alone, the understanding given.
#[divan::bench]
fn decide_and_commit(bencher: Bencher<'_, '_>) {
    let state = talked();
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let options = &engine.options.dialogue;
    let readings: Vec<_> = MESSAGES
        .iter()
        .map(|message| {
            let turn = Turn { message, state: &state, flow, now: 0 };
            engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu)
        })
        .collect();
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % MESSAGES.len();
        let turn = Turn { message: MESSAGES[at], state: &state, flow, now: 0 };
        let decision = decide(&turn, &readings[at], &engine.catalog, options);
        commit(&turn, &readings[at], &decision, &ReplyMemory::default(), &engine.catalog, options)
    });
}

/// All flows from YAML: read, resolve, check, compile.
#[divan::bench]
fn compile_all_flows(bencher: Bencher<'_, '_>) {
    let engine = &loaded().engine;
    let sources = salesbot::content::Content::open(None).expect("the embedded content").sources();
    let mut slots = engine.nlu.slots().names();
    slots.insert("lead_temperature".to_owned());
    let banks = &engine.writer.banks;
    let known = Known {
        slots: &slots,
        actions: &[],
        action: &|name| banks.recipe(name).is_some(),
        flag: &|_| true,
        asks: &|name| banks.recipe(name).is_some_and(|recipe| recipe.family == "ask"),
        asked: &|flow, state, slot| banks.question(flow, state, slot).is_some(),
        autonomous: true,
    };
    bencher.with_inputs(|| engine.catalog.intents.clone()).bench_local_values(|intents| {
        Catalog::load(&sources.flows, intents, &known, &mut salesbot_yaml::Diagnostics::default())
    });
}

#[divan::bench]
fn retrieval(bencher: Bencher<'_, '_>) {
    let engine = &loaded().engine;
    bencher.bench_local(|| {
        engine
            .retriever
            .search(
                &Query {
                    text: "можно ли подключить весы и сканер к кассе".to_owned(), ..Query::default()
                },
                5,
            )
            .passages
            .len()
    });
}

/// JSON in, JSON out, with a snapshot; no socket.
#[divan::bench]
fn api(bencher: Bencher<'_, '_>) {
    let settings = &loaded().settings;
    let door = load::door(settings);
    let body = json!({"message": MESSAGES[1], "snapshot": snapshot::save(&talked())});
    let call = Call { request_id: "bench", now: 1_760_000_000, measured: &|| 0.0 };
    bencher.bench_local(|| process(&loaded().engine, &door, &body, &call).expect("a reply"));
}

/// One request after the other over one connection on loopback.
#[divan::bench]
fn http_round_trip(bencher: Bencher<'_, '_>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let served = loaded().clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(salesbot::http::serve(served, address)).expect("a server");
    });
    let mut stream = (0..100)
        .find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            TcpStream::connect(address).ok()
        })
        .expect("the server listens");
    stream.set_nodelay(true).ok();
    let body =
        json!({"message": MESSAGES[1], "snapshot": snapshot::save(&talked()), "options": {"trace": "none"}})
            .to_string();
    let request = format!(
        "POST /api/v1/process HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    bencher.bench_local(|| round_trip(&mut stream, &request));
}

fn round_trip(stream: &mut TcpStream, request: &str) -> Value {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        let read = stream.read(&mut chunk).expect("received");
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            line.to_lowercase().strip_prefix("content-length: ")?.trim().parse::<usize>().ok()
        });
        if rest.len() >= length.unwrap_or(0) {
            return serde_json::from_str(rest).expect("JSON");
        }
    }
}

/// A knowledge folder of so many sections: ours again and again, each time about another model.
fn folder(count: usize) -> KnowledgeSources {
    let content = salesbot::content::Content::open(None).expect("the embedded content");
    let base = &loaded().engine.retriever.knowledge.sections;
    let mut text = "sections:\n".to_owned();
    for (at, section) in base.iter().cycle().take(count).enumerate() {
        let model = format!("mk-{}", 1_000 + at / base.len());
        let quoted = |texts: &[String]| {
            texts
                .iter()
                .map(|text| json!(format!("{text} {model}")).to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        text.push_str(&format!(
            "  - topic: t_{at}\n    keywords: [{}]\n    questions: [{}]\n    facts: {}\n",
            quoted(&section.keywords),
            quoted(&section.questions),
            json!(format!("{} Модель {model}.", section.facts))
        ));
    }
    KnowledgeSources {
        meta: content.sources().knowledge.meta,
        files: vec![salesbot_yaml::SourceFile::new("knowledge/products.yaml", text)],
    }
}

fn indexed(sources: &KnowledgeSources) -> Retriever {
    let knowledge = Knowledge::load(sources, false, &mut salesbot_yaml::Diagnostics::default());
    Retriever::new(knowledge, loaded().engine.retriever.language().clone())
}

/// YAML read, checked and indexed.
#[divan::bench(args = [2_000, 20_000, 200_000], sample_count = 3, sample_size = 1)]
fn knowledge_load(bencher: Bencher<'_, '_>, sections: usize) {
    let sources = folder(sections);
    bencher.bench_local(|| indexed(&sources));
}

#[divan::bench(args = [2_000, 20_000, 200_000], sample_size = 1)]
fn knowledge_query(bencher: Bencher<'_, '_>, sections: usize) {
    let retriever = indexed(&folder(sections));
    let mut unseen = unseen_messages().into_iter().cycle();
    bencher
        .with_inputs(|| Query { text: unseen.next().expect("it never ends"), ..Query::default() })
        .bench_local_refs(|query| retriever.search(query, 5).passages.len());
}

/// 3 MB of Cyrillic YAML to a tree with places.
#[divan::bench]
fn yaml_3_mb(bencher: Bencher<'_, '_>) {
    let content = salesbot::content::Content::open(None).expect("the embedded content");
    let sources = content.sources().knowledge.files;
    let mut text = "sections:\n".to_owned();
    while text.len() < 3_000_000 {
        for file in &sources {
            text.push_str(file.text.trim_start_matches("sections:\n"));
        }
    }
    let file = salesbot_yaml::SourceFile::new("large.yaml", text);
    bencher.bench_local(|| {
        let mut diagnostics = salesbot_yaml::Diagnostics::default();
        salesbot_yaml::parse(&file, &mut diagnostics)
    });
}
