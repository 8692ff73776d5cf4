//! Reading the request: shape, types, limits. Every refusal names its field.

use serde_json::{Map, Value};

use super::Door;
use crate::problem::{Code, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    Full,
    Compact,
    None,
}

impl Trace {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::Full),
            "compact" => Some(Self::Compact),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// A valid request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub message: String,
    pub snapshot: Option<Value>,
    /// The snapshot as text, once: for its size and for the `parent` of the next one.
    pub snapshot_text: String,
    pub flow_name: Option<String>,
    pub config_name: String,
    /// Another configuration was asked for than the one there is.
    pub config_fallback: bool,
    pub client_id: Option<String>,
    pub session_id: Option<String>,
    pub shape: &'static str,
    pub trace: Trace,
    pub seed: Option<u64>,
    pub now: Option<i64>,
    /// The talk may go on in another flow than its own.
    pub may_switch_flow: bool,
    /// Where a new talk begins.
    pub entry_point: Option<String>,
}

/// Characters of a flow or configuration name; closes path tricks.
const NAME_CHARS: usize = 64;

impl Request {
    pub(super) fn read(body: &Value, door: &Door) -> Result<Self, Problem> {
        let Some(fields) = body.as_object() else {
            if body.is_array() {
                return Err(store_needed());
            }
            return Err(Problem::new(Code::BadRequest, "the body must be a JSON object with `message`"));
        };
        let shape = match (fields.get("message"), fields.get("user_message")) {
            _ if fields.contains_key("client_text") && fields.contains_key("session") => {
                return Err(store_needed());
            }
            (Some(Value::Object(_)), _) => return Err(store_needed()),
            (_, Some(_)) => "integration",
            _ => "core",
        };
        let options = object(fields, "options")?;
        let config_name = name(fields, "config_name")?;
        let context = object(fields, "context")?;
        let switch = match options.and_then(|options| options.get("allow_flow_switch")) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => return Err(wrong("/options/allow_flow_switch", "expected true or false")),
        };
        let entry_point = match context.and_then(|context| context.get("entry_point")) {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.chars().take(NAME_CHARS).collect()),
            Some(_) => return Err(wrong("/context/entry_point", "expected text")),
        };
        let snapshot = snapshot(fields)?;
        Ok(Self {
            message: message(fields, door)?,
            snapshot_text: snapshot.as_ref().map(Value::to_string).unwrap_or_default(),
            snapshot,
            flow_name: name(fields, "flow_name")?,
            config_fallback: config_name.is_some_and(|name| name != door.config),
            config_name: door.config.clone(),
            client_id: id(fields, "client_id", 128)?,
            session_id: id(fields, "session_id", 256)?,
            shape,
            trace: trace(options, door)?,
            seed: whole(options, "seed")?
                .map(u64::try_from)
                .transpose()
                .map_err(|_| wrong("/options/seed", "must be 0 or more"))?,
            now: whole(options, "now")?,
            may_switch_flow: switch || shape == "integration",
            entry_point,
        })
    }
}

fn store_needed() -> Problem {
    Problem::new(
        Code::SnapshotStoreDisabled,
        "this request shape carries no snapshot and needs the session store (`store.mode`), which is off; send `message` and `snapshot`",
    )
}

fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::field(Code::BadRequest, pointer, detail)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn text<'v>(fields: &'v Map<String, Value>, key: &str) -> Result<Option<&'v str>, Problem> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(&format!("/{key}"), format!("expected text, found {}", kind(other)))),
    }
}

/// The client's text: trimmed, without control characters but new line and tab, neither empty nor too long.
fn message(fields: &Map<String, Value>, door: &Door) -> Result<String, Problem> {
    let (core, integration) = (text(fields, "message")?, text(fields, "user_message")?);
    let (key, given) = match (core, integration) {
        (Some(one), Some(other)) if one != other => {
            return Err(Problem::field(
                Code::AmbiguousPayload,
                "/user_message",
                "differs from `message`; send one of them",
            ));
        }
        (_, Some(text)) => ("/user_message", text),
        (Some(text), None) => ("/message", text),
        (None, None) => return Err(wrong("/message", "is missing; send the client's text")),
    };
    let clean: String = given.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let clean = clean.trim();
    let length = clean.chars().count();
    if length == 0 {
        return Err(wrong(key, "is empty; send the client's text"));
    }
    if length > door.max_message_chars {
        let detail = format!("{length} characters, at most {} are accepted", door.max_message_chars);
        return Err(Problem::field(Code::PayloadTooLarge, key, detail));
    }
    Ok(clean.to_owned())
}

fn snapshot(fields: &Map<String, Value>) -> Result<Option<Value>, Problem> {
    match fields.get("snapshot") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) if map.is_empty() => Ok(None),
        Some(Value::Object(map)) => Ok(Some(Value::Object(map.clone()))),
        Some(other) => {
            let detail =
                format!("expected the object that the last response returned, found {}", kind(other));
            Err(Problem::field(Code::InvalidSnapshot, "/snapshot", detail))
        }
    }
}

/// `^[a-z0-9_][a-z0-9_-]{0,63}$`
fn name(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, Problem> {
    let Some(text) = text(fields, key)? else { return Ok(None) };
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if text.is_empty() || text.len() > NAME_CHARS || text.starts_with('-') || !text.chars().all(good) {
        return Err(wrong(&format!("/{key}"), "a name is 1 to 64 of a-z, 0-9, `_` and `-`"));
    }
    Ok(Some(text.to_owned()))
}

fn id(fields: &Map<String, Value>, key: &str, limit: usize) -> Result<Option<String>, Problem> {
    let Some(text) = text(fields, key)?.map(str::trim) else { return Ok(None) };
    if text.is_empty() || text.chars().count() > limit || text.chars().any(char::is_control) {
        return Err(wrong(&format!("/{key}"), format!("must be 1 to {limit} visible characters")));
    }
    Ok(Some(text.to_owned()))
}

fn object<'v>(fields: &'v Map<String, Value>, key: &str) -> Result<Option<&'v Map<String, Value>>, Problem> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(wrong(&format!("/{key}"), format!("expected an object, found {}", kind(other)))),
    }
}

fn trace(options: Option<&Map<String, Value>>, door: &Door) -> Result<Trace, Problem> {
    match options.and_then(|options| options.get("trace")) {
        None | Some(Value::Null) => Ok(door.trace),
        Some(value) => value
            .as_str()
            .and_then(Trace::from_name)
            .ok_or_else(|| wrong("/options/trace", "expected `full`, `compact` or `none`")),
    }
}

fn whole(options: Option<&Map<String, Value>>, key: &str) -> Result<Option<i64>, Problem> {
    match options.and_then(|options| options.get(key)) {
        None | Some(Value::Null) => Ok(None),
        // Ten thousand years of seconds; larger numbers would lose digits in other readers of the snapshot.
        Some(value) => match value.as_i64().filter(|number| number.unsigned_abs() < 1 << 53) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(&format!("/options/{key}"), "expected a whole number below 2^53")),
        },
    }
}
