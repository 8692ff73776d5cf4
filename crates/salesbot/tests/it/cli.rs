//! The command line as scripts use it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn salesbot(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_salesbot"))
        .args(args)
        .env_remove("SALESBOT_CONTENT")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).ok();
    child.wait_with_output().expect("the binary ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn three_lines_sell() {
    let input = "Здравствуйте, у меня два магазина одежды\nсколько стоит ваша программа?\nдавайте, мой номер 8 705 123 45 67\n";
    let output = salesbot(&["chat", "--json", "--seed", "1", "--now", "1760000000"], input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let responses: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(responses.len(), 3);
    let reply = |at: usize| responses[at]["response"].as_str().expect("text").to_owned();
    assert!(reply(0).starts_with("Здравствуйте") || reply(0).starts_with("Приветствую"), "{}", reply(0));
    assert_eq!(reply(0).matches('?').count(), 1, "{}", reply(0));
    assert!(reply(1).contains("5 000 ₸") && reply(1).contains("500 000 ₸"), "{}", reply(1));
    assert!(responses[1]["sources"].as_array().is_some_and(|list| {
        list.iter().any(|source| source["section"].as_str().is_some_and(|id| id.starts_with("pricing/")))
    }));
    assert!(reply(2).contains("+7 705 ••• •• 67"), "{}", reply(2));
    assert_eq!(responses[2]["collected_data"]["contact_info"]["phone"], "+77051234567");
    assert_eq!(responses[2]["state"], "success");
}

#[test]
fn a_piped_chat_prints_one_reply_per_message() {
    let output = salesbot(&["chat", "--seed", "1"], "привет\n\nспасибо, до свидания\n");
    assert!(output.status.success());
    assert_eq!(text(&output.stdout).lines().count(), 2, "{}", text(&output.stdout));
}

#[test]
fn content_commands_answer() {
    for (args, wanted) in [
        (vec!["check"], "0 errors, 0 warnings"),
        (vec!["kb", "check", "--strict"], "0 errors, 0 warnings"),
        (vec!["kb", "info"], "pricing"),
        (vec!["kb", "search", "сколько стоит мини"], "pricing/"),
        (vec!["flow", "list"], "spin_selling"),
        (vec!["flow", "show", "spin_selling", "close"], "contact_info"),
        (vec!["flags"], "waits: embeddings"),
        (vec!["settings", "show"], "server.listen"),
        (vec!["version"], "salesbot 0."),
    ] {
        let output = salesbot(&args, "");
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(wanted), "{args:?}: {}", text(&output.stdout));
    }
    let parsed = salesbot(
        &["nlu", "parse"],
        "сколько стоит\n{\"text\": \"да\", \"context\": {\"state\": \"close\"}}\n",
    );
    assert_eq!(text(&parsed.stdout).lines().count(), 2);
    assert!(text(&parsed.stdout).contains("\"intent\":\"price_question\""));
}

#[test]
fn exit_codes_tell_usage_from_bad_content() {
    assert_eq!(salesbot(&["nonsense"], "").status.code(), Some(2));
    let missing = salesbot(&["check", "/no/such/folder"], "");
    assert_eq!(missing.status.code(), Some(3), "{}", text(&missing.stderr));
    let unset = Command::new(env!("CARGO_BIN_EXE_salesbot"))
        .args(["settings", "show"])
        .env("SALESBOT_SERVER__LISTN", "x")
        .output()
        .expect("runs");
    assert_eq!(unset.status.code(), Some(3));
    assert!(text(&unset.stderr).contains("did you mean `server.listen`?"), "{}", text(&unset.stderr));
}

#[test]
fn logs_are_json_unless_the_flag_is_off() {
    let first_line = |flag: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_salesbot"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("FF_STRUCTURED_LOGGING", flag)
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("a log line");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        line
    };
    let json: Value = serde_json::from_str(&first_line("on")).expect("a line of JSON");
    assert_eq!(json["level"], "INFO");
    let plain = first_line("off");
    assert!(plain.contains("INFO") && serde_json::from_str::<Value>(&plain).is_err(), "{plain}");
}

/// Lines of a running service's log, one by one.
struct Log(std::sync::mpsc::Receiver<String>);

impl Log {
    fn of(child: &mut std::process::Child) -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self(receive)
    }

    /// The next line with these words; a line that never comes fails the test.
    fn wait(&self, words: &str) -> String {
        let patience = std::time::Duration::from_secs(60);
        loop {
            let line = self.0.recv_timeout(patience).unwrap_or_else(|_| panic!("no log line with `{words}`"));
            if line.contains(words) {
                return line;
            }
        }
    }
}

#[test]
fn unsure_readings_are_logged_without_the_clients_words() {
    let lines = |flag: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_salesbot"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("FF_CONFIDENCE_ROUTER_LOGGING", flag)
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Log::of(&mut child);
        let ready: Value = serde_json::from_str(&log.wait("\"ready\"")).expect("a line of JSON");
        let address = ready["fields"]["listen"].as_str().expect("an address").to_owned();
        // Whichever of them the classifier of the day wavers at.
        let wavering = [
            "надо узнать и попробовать чтобы потом решить что брать",
            "сравнить бы и посмотреть вживую",
            "пришлите и позвоните обсудить с мужем",
        ];
        let mut lines = Vec::new();
        for message in wavering {
            let body = json!({"message": format!("{message}, это Олжас 5566")}).to_string();
            let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
            let length = body.len();
            write!(
                stream,
                "POST /api/v1/process HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            )
            .expect("it is sent");
            let answered = |line: &String| line.contains("\"status\"");
            let begun = lines.len();
            while !lines[begun..].iter().any(answered) {
                lines.push(log.wait(""));
            }
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        lines.join("\n")
    };
    let on = lines("on");
    assert!(on.contains("unsure reading") && on.contains("readings"), "{on}");
    assert!(!on.contains("Олжас") && !on.contains("5566"), "{on}");
    assert!(!lines("off").contains("unsure reading"));
}

#[cfg(unix)]
#[test]
fn a_saved_file_and_a_hang_up_signal_reload_the_running_service() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("watched");
    std::fs::create_dir_all(&folder).expect("a folder");
    let save = |text: &str| std::fs::write(folder.join("settings.yaml"), text).expect("a file");
    save("company: {name: Ромашка}\n");
    // Knowledge of its own, beside the content.
    let knowledge = folder.with_file_name("watched-knowledge");
    std::fs::create_dir_all(&knowledge).expect("a folder");
    let tell = |facts: &str| {
        let section = format!("sections:\n  - {{topic: flour, keywords: [мука], facts: {facts}}}\n");
        std::fs::write(knowledge.join("products.yaml"), section).expect("a file");
    };
    let meta = "company: {name: Нан, description: Пекарня}\nstats: {total_sections: 1}\n";
    std::fs::write(knowledge.join("_meta.yaml"), meta).expect("a file");
    tell("Мука есть.");
    let mut child = Command::new(env!("CARGO_BIN_EXE_salesbot"))
        .args(["serve", "--listen", "127.0.0.1:0", "--content"])
        .arg(&folder)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("SALESBOT_KNOWLEDGE__PATH", &knowledge)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let log = Log::of(&mut child);
    log.wait("watched-knowledge");
    tell("Муки нет.");
    assert!(log.wait("content reloaded").contains(r#""why":"file""#));
    save("company: {name: Лютик}\n");
    assert!(log.wait("content reloaded").contains(r#""why":"file""#));
    save("company: {nam: Лютик}\n");
    let refused = log.wait("cannot be used");
    assert!(refused.contains("did you mean `company.name`"), "{refused}");
    save("company: {name: Лютик}\n");
    log.wait("content reloaded");
    let sent = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    assert!(log.wait(r#""why":"signal""#).contains("content reloaded"));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}
