//! One HTTP attempt: send, read the stream line by line, hand the text on as it comes.

use std::error::Error;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::ClientOptions;
use super::dialect::{Piece, head};
use super::endpoint::Endpoint;
use super::thoughts::Thoughts;
use crate::chat::{Failure, Hear, Prompt, Usage};

/// Longest line of a stream.
const LINE_BYTES: usize = 1 << 20;
/// Bytes of a stream that no answer of its size needs.
const STREAM_BYTES: usize = 4 << 20;
/// Characters a token may have on average before an answer counts as endless.
const CHARS_PER_TOKEN: usize = 12;
/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 4 << 10;

/// What came of an attempt.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) usage: Usage,
    pub(super) first_text: Option<Duration>,
    /// The listener had heard enough.
    pub(super) stopped: bool,
    pub(super) failure: Option<Failure>,
}

impl Heard {
    pub(super) fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

pub(super) async fn attempt(
    http: &reqwest::Client,
    options: &ClientOptions,
    endpoint: &Endpoint,
    prompt: &Prompt,
    deadline: Instant,
    hear: Hear<'_>,
) -> Heard {
    let begun = Instant::now();
    let mut heard = Heard::default();
    let work = converse(http, options, endpoint, prompt, begun, &mut heard, hear);
    let failure = match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Timeout(deadline.saturating_duration_since(begun))),
    };
    heard.failure = failure;
    heard
}

async fn converse(
    http: &reqwest::Client,
    options: &ClientOptions,
    endpoint: &Endpoint,
    prompt: &Prompt,
    begun: Instant,
    heard: &mut Heard,
    hear: Hear<'_>,
) -> Result<(), Failure> {
    let dialect = options.dialect;
    let body = dialect.body(prompt, &options.wire).to_string();
    let mut request = http
        .post(format!("{}{}", endpoint.base, dialect.chat_path()))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(body);
    if !options.api_key.is_empty() {
        request = request.bearer_auth(&options.api_key);
    }
    let mut response = request.send().await.map_err(|error| unreachable(&error, options))?;
    let status = response.status();
    if status != StatusCode::OK {
        let mut said = Vec::new();
        while said.len() < ERROR_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            said.extend_from_slice(&chunk);
        }
        return Err(refusal(status, &said, options));
    }
    let mut lines = Lines::default();
    let mut thoughts = Thoughts::default();
    let mut reasoning = false;
    let mut ended = false;
    let limit = prompt.max_tokens as usize * CHARS_PER_TOKEN;
    let mut chars = 0;
    loop {
        let Some(line) = lines.next() else {
            match response.chunk().await {
                Ok(Some(chunk)) => lines.add(&chunk)?,
                Ok(None) if lines.finish() => {}
                Ok(None) if ended => break,
                Ok(None) => return Err(Failure::Cut),
                Err(_) if ended => break,
                Err(error) => return Err(Failure::Broken(cause(&error))),
            }
            continue;
        };
        let Some(piece) = dialect.piece(&line)? else { continue };
        let Piece { text, usage, done, .. } = &piece;
        reasoning |= piece.reasoning;
        if let Some(usage) = usage {
            heard.usage = *usage;
        }
        let shown = thoughts.pass(text);
        chars += text.chars().count();
        if chars > limit {
            return Err(Failure::Endless);
        }
        if !shown.is_empty() {
            heard.first_text.get_or_insert_with(|| begun.elapsed());
            heard.text.push_str(&shown);
            if hear(&shown).is_break() {
                heard.stopped = true;
                return Ok(());
            }
        }
        ended |= piece.ended;
        if *done {
            break;
        }
    }
    let rest = thoughts.finish();
    if !rest.is_empty() {
        heard.text.push_str(&rest);
        heard.stopped = hear(&rest).is_break();
    }
    if heard.text.trim().is_empty() {
        return Err(if reasoning || thoughts.seen { Failure::ReasoningOnly } else { Failure::Empty });
    }
    Ok(())
}

/// The innermost reason, without addresses.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    head(&inner.to_string())
}

fn unreachable(error: &reqwest::Error, options: &ClientOptions) -> Failure {
    if error.is_timeout() {
        return Failure::ConnectTimeout(options.connect_timeout);
    }
    if error.is_connect() { Failure::Unreachable(cause(error)) } else { Failure::Broken(cause(error)) }
}

fn refusal(status: StatusCode, said: &[u8], options: &ClientOptions) -> Failure {
    let said = String::from_utf8_lossy(said);
    let json: Option<serde_json::Value> = serde_json::from_str(&said).ok();
    let error = json.as_ref().and_then(|body| {
        let error = body.get("error")?;
        error.as_str().or_else(|| error.get("message")?.as_str())
    });
    let reason = head(error.unwrap_or(&said));
    match status {
        StatusCode::NOT_FOUND if error.is_some() => Failure::ModelMissing(options.wire.model.clone()),
        StatusCode::NOT_FOUND => Failure::NotAnAnswer(reason),
        StatusCode::TOO_MANY_REQUESTS => Failure::Busy,
        status if status.is_server_error() => Failure::Server(status.as_u16(), reason),
        status => Failure::Refused(status.as_u16(), reason),
    }
}

/// Lines of a body that comes in chunks of any size.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    at: usize,
    total: usize,
}

impl Lines {
    fn add(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.total += chunk.len();
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() > LINE_BYTES || self.total > STREAM_BYTES {
            return Err(Failure::Endless);
        }
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        let rest = &self.buffer[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Some(line)
    }

    /// Ends a last line that has no end; false if there is none.
    fn finish(&mut self) -> bool {
        let open = self.at < self.buffer.len();
        if open {
            self.buffer.push(b'\n');
        }
        open
    }
}
