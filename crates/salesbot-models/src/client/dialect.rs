//! The two ways servers speak: Ollama's own API and the OpenAI-compatible one. A dialect writes the body of a
//! request and reads the lines of a stream; it knows nothing of connections.

use serde_json::{Map, Value, json};

use crate::chat::{Failure, Prompt, Usage};

/// What the client sends beside the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub model: String,
    pub num_ctx: u32,
    pub keep_alive: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Ollama,
    OpenAi,
}

/// What one line of a stream brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    /// Thoughts; counted, never shown.
    pub reasoning: bool,
    pub usage: Option<Usage>,
    /// The answer is whole; counts may still follow.
    pub ended: bool,
    /// Nothing follows.
    pub done: bool,
    /// It ended because its tokens were used up.
    pub full: bool,
}

impl Dialect {
    pub fn chat_path(self) -> &'static str {
        match self {
            Self::Ollama => "/api/chat",
            Self::OpenAi => "/v1/chat/completions",
        }
    }

    /// Where the installed models are listed.
    pub fn models_path(self) -> &'static str {
        match self {
            Self::Ollama => "/api/tags",
            Self::OpenAi => "/v1/models",
        }
    }

    /// Names of the models a server lists; `None` if that is no such list.
    pub fn models(self, body: &Value) -> Option<Vec<&str>> {
        let (list, name) = match self {
            Self::Ollama => ("models", "name"),
            Self::OpenAi => ("data", "id"),
        };
        let items = body.get(list)?.as_array()?;
        Some(items.iter().filter_map(|item| item.get(name)?.as_str()).collect())
    }

    /// The body of a chat request. `num_ctx` is the same in all of them: two values make a server load the
    /// model anew at every change. The schema goes with the prompt's own words as well (the caller's part).
    pub fn body(self, prompt: &Prompt, wire: &Wire) -> Value {
        let mut messages = Vec::new();
        for (role, text) in [("system", &prompt.system), ("user", &prompt.user)] {
            if !text.is_empty() {
                messages.push(json!({"role": role, "content": text}));
            }
        }
        let stop = (!prompt.stop.is_empty()).then(|| json!(prompt.stop));
        // Seeds are 31 bits wide: servers keep them in signed integers.
        let seed = prompt.seed & 0x7fff_ffff;
        match self {
            Self::Ollama => {
                let mut options = json!({
                    "num_ctx": wire.num_ctx, "num_predict": prompt.max_tokens,
                    "temperature": prompt.temperature, "seed": seed,
                });
                put(&mut options, "stop", stop);
                let mut body = json!({
                    "model": wire.model, "messages": messages, "stream": true, "think": false,
                    "truncate": false, "keep_alive": wire.keep_alive, "options": options,
                });
                put(&mut body, "format", prompt.schema.clone());
                body
            }
            Self::OpenAi => {
                let mut body = json!({
                    "model": wire.model, "messages": messages, "stream": true,
                    "stream_options": {"include_usage": true}, "max_tokens": prompt.max_tokens,
                    "temperature": prompt.temperature, "seed": seed,
                    "chat_template_kwargs": {"enable_thinking": false},
                });
                put(&mut body, "stop", stop);
                let format = prompt.schema.as_ref().map(|schema| {
                    json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}})
                });
                put(&mut body, "response_format", format);
                body
            }
        }
    }

    /// Reads one line; `None` for lines that say nothing (empty ones, comments).
    ///
    /// # Errors
    /// A line that is none of this dialect, or one in which the server reports a failure.
    pub fn piece(self, line: &str) -> Result<Option<Piece>, Failure> {
        let line = line.trim();
        let data = match self {
            Self::Ollama => line,
            Self::OpenAi => match line.strip_prefix("data:") {
                Some(data) => data.trim(),
                None if line.is_empty() || line.starts_with(':') || line.starts_with("event:") => "",
                None => line,
            },
        };
        match data {
            "" => return Ok(None),
            "[DONE]" => return Ok(Some(Piece { ended: true, done: true, ..Piece::default() })),
            _ => {}
        }
        let value: Value = serde_json::from_str(data).map_err(|_| Failure::NotAnAnswer(head(data)))?;
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            let said = error.get("message").unwrap_or(error);
            return Err(Failure::Server(200, head(said.as_str().unwrap_or(&said.to_string()))));
        }
        let piece = match self {
            Self::Ollama => ollama(&value),
            Self::OpenAi => openai(&value),
        };
        piece.map(Some).ok_or_else(|| Failure::NotAnAnswer(head(data)))
    }
}

fn ollama(value: &Value) -> Option<Piece> {
    let done = value.get("done")?.as_bool()?;
    let message = value.get("message");
    let text = |key: &str| message.and_then(|message| message.get(key)?.as_str()).unwrap_or_default();
    let ms = |key: &str| Some(u32::try_from(value.get(key)?.as_u64()? / 1_000_000).unwrap_or(u32::MAX));
    let usage = done.then(|| Usage {
        prompt_tokens: number(value, "prompt_eval_count"),
        answer_tokens: number(value, "eval_count"),
        load_ms: ms("load_duration"),
        prompt_eval_ms: ms("prompt_eval_duration"),
        eval_ms: ms("eval_duration"),
    });
    Some(Piece {
        text: text("content").to_owned(),
        reasoning: !text("thinking").is_empty(),
        usage,
        ended: done,
        done,
        full: value.get("done_reason").and_then(Value::as_str) == Some("length"),
    })
}

fn openai(value: &Value) -> Option<Piece> {
    let choices = value.get("choices")?.as_array()?;
    let usage = value.get("usage").filter(|usage| usage.is_object()).map(|usage| Usage {
        prompt_tokens: number(usage, "prompt_tokens"),
        answer_tokens: number(usage, "completion_tokens"),
        ..Usage::default()
    });
    let Some(choice) = choices.first() else { return Some(Piece { usage, ..Piece::default() }) };
    let delta = choice.get("delta").or_else(|| choice.get("message"));
    let text = |key: &str| delta.and_then(|delta| delta.get(key)?.as_str()).unwrap_or_default();
    let ended = choice.get("finish_reason").and_then(Value::as_str);
    Some(Piece {
        text: text("content").to_owned(),
        reasoning: ["reasoning_content", "reasoning"].iter().any(|key| !text(key).is_empty()),
        usage,
        ended: ended.is_some(),
        done: false,
        full: ended == Some("length"),
    })
}

fn number(value: &Value, key: &str) -> Option<u32> {
    value.get(key)?.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn put(into: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(map), Some(value)) = (into.as_object_mut(), value) {
        Map::insert(map, key.to_owned(), value);
    }
}

/// The beginning of what a server sent, for messages and logs.
pub(super) fn head(text: &str) -> String {
    let text: String = text.chars().take(120).map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Purpose;

    fn prompt() -> Prompt {
        Prompt {
            purpose: Purpose::ResponseGeneration,
            system: "правила".to_owned(),
            user: "вопрос".to_owned(),
            schema: Some(json!({"type": "object"})),
            temperature: 0.7,
            max_tokens: 256,
            stop: vec!["Клиент:".to_owned()],
            seed: u64::MAX,
        }
    }

    fn wire() -> Wire {
        Wire { model: "qwen3:14b".to_owned(), num_ctx: 8192, keep_alive: "30m".to_owned() }
    }

    #[test]
    fn each_dialect_says_the_same_in_its_own_words() {
        let ollama = Dialect::Ollama.body(&prompt(), &wire());
        assert_eq!(
            ollama.to_string(),
            r#"{"model":"qwen3:14b","messages":[{"role":"system","content":"правила"},{"role":"user","content":"вопрос"}],"stream":true,"think":false,"truncate":false,"keep_alive":"30m","options":{"num_ctx":8192,"num_predict":256,"temperature":0.699999988079071,"seed":2147483647,"stop":["Клиент:"]},"format":{"type":"object"}}"#
        );
        let openai = Dialect::OpenAi.body(&prompt(), &wire());
        assert_eq!(openai["max_tokens"], 256);
        assert_eq!(openai["response_format"]["json_schema"]["schema"], json!({"type": "object"}));
        assert_eq!(openai["chat_template_kwargs"]["enable_thinking"], false);
    }

    #[test]
    fn streams_are_read_line_by_line() {
        let read = |dialect: Dialect, line: &str| dialect.piece(line).map(Option::unwrap_or_default);
        let first = read(Dialect::Ollama, r#"{"message":{"role":"assistant","content":"До"},"done":false}"#);
        assert_eq!(first, Ok(Piece { text: "До".to_owned(), ..Piece::default() }));
        let last = read(
            Dialect::Ollama,
            r#"{"message":{"content":""},"done":true,"done_reason":"length","prompt_eval_count":31,"eval_count":5,"load_duration":2000000}"#,
        )
        .unwrap();
        assert!(last.done && last.full);
        assert_eq!(last.usage.unwrap().prompt_tokens, Some(31));
        assert_eq!(last.usage.unwrap().load_ms, Some(2));
        let delta =
            read(Dialect::OpenAi, r#"data: {"choices":[{"delta":{"content":"брый"},"finish_reason":null}]}"#);
        assert_eq!(delta.unwrap().text, "брый");
        let ended =
            read(Dialect::OpenAi, r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#).unwrap();
        assert!(ended.ended && !ended.done);
        let counts = read(
            Dialect::OpenAi,
            r#"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
        );
        assert_eq!(counts.unwrap().usage.unwrap().answer_tokens, Some(2));
        assert!(read(Dialect::OpenAi, "data: [DONE]").unwrap().done);
        assert_eq!(Dialect::OpenAi.piece(": ping"), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_named() {
        for dialect in [Dialect::Ollama, Dialect::OpenAi] {
            assert!(matches!(dialect.piece("<html>502</html>"), Err(Failure::NotAnAnswer(_))));
            assert!(matches!(dialect.piece(r#"{"error":"out of memory"}"#), Err(Failure::Server(200, _))));
            assert!(matches!(dialect.piece("{\"hello\":1}"), Err(Failure::NotAnAnswer(_))));
        }
    }

    #[test]
    fn thoughts_are_known_as_such() {
        let piece = Dialect::Ollama.piece(r#"{"message":{"content":"","thinking":"хм"},"done":false}"#);
        assert!(piece.unwrap().unwrap().reasoning);
    }
}
