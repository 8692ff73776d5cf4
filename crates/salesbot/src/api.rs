//! `POST /api/v1/process` without the HTTP: request JSON in, response JSON or a [`Problem`] out. The console
//! uses the same door.

mod request;
mod response;

use serde_json::Value;
use sha2::{Digest, Sha256};

use salesbot_dialogue::{DialogueState, Understanding, snapshot};
use salesbot_engine::Engine;

use crate::doors;
use crate::problem::{Code, Problem};
pub use request::{Request, Trace};
pub use response::Measured;

/// Limits and defaults of the door.
#[derive(Clone, Debug)]
pub struct Door {
    pub max_message_chars: usize,
    pub max_snapshot_bytes: usize,
    pub active_flow: String,
    pub model: String,
    pub trace: Trace,
    /// Unsure readings are logged, without a word of the client's.
    pub log_unsure: bool,
    /// The configuration this door leads to.
    pub config: String,
}

/// The configuration a request asks for: its own, else its snapshot's.
pub fn config_of(body: &Value) -> &str {
    let named = body.get("config_name").and_then(Value::as_str);
    named.or_else(|| body.get("snapshot")?.get("config")?.as_str()).unwrap_or(crate::load::DEFAULT)
}

/// What the caller knows beside the body.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub request_id: &'a str,
    /// Unix seconds, unless the request fixes its own time.
    pub now: i64,
    /// Milliseconds since some moment; for the trace only.
    pub measured: &'a dyn Fn() -> f64,
}

/// One turn. The same body, content, time and request id give the same reply and snapshot.
///
/// # Errors
/// A [`Problem`] naming the field. The caller's old snapshot stays valid.
pub fn process(engine: &Engine, door: &Door, body: &Value, call: &Call<'_>) -> Result<Value, Problem> {
    let request = Request::read(body, door)?;
    let now = request.now.unwrap_or(call.now);
    let (state, notes) = restore(engine, door, &request, call.request_id, now)?;
    let started = (call.measured)();
    let outcome = engine.turn(&state, &request.message, now);
    if door.log_unsure && !engine.nlu.is_sure(&outcome.understanding) {
        log_unsure(engine, &outcome.understanding, call.request_id);
    }
    let measured = Measured { total_ms: (call.measured)() - started };
    let mut after = outcome.state.clone();
    after.parent = request.snapshot.as_ref().map(|_| hex(&Sha256::digest(&request.snapshot_text)[..8]));
    Ok(response::render(
        engine,
        door,
        &request,
        &state,
        &outcome,
        &after,
        &notes,
        call.request_id,
        now,
        measured,
    ))
}

/// What a person who labels such messages looks for; the message itself is with the one who sent it.
fn log_unsure(engine: &Engine, read: &Understanding, request_id: &str) {
    let name = |id| engine.catalog.intents.name(id);
    let others: Vec<String> = read
        .candidates
        .iter()
        .take(3)
        .map(|other| format!("{} {:.2}", name(other.intent), other.score))
        .collect();
    tracing::info!(
        request_id, intent = name(read.intent), confidence = %format_args!("{:.2}", read.confidence),
        readings = others.join(", "), "unsure reading"
    );
}

/// What happened to the snapshot on the way in; shown in `meta`.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub warnings: Vec<String>,
    pub snapshot_ignored: Option<&'static str>,
    pub flow_name_ignored: bool,
    pub flow_switched: Option<(String, String)>,
}

fn restore(
    engine: &Engine,
    door: &Door,
    request: &Request,
    request_id: &str,
    now: i64,
) -> Result<(DialogueState, Notes), Problem> {
    let mut notes = Notes::default();
    if let Some(given) = &request.snapshot {
        let size = request.snapshot_text.len();
        if size > door.max_snapshot_bytes {
            let detail = format!("{size} bytes, at most {} are accepted", door.max_snapshot_bytes);
            return Err(Problem::field(Code::PayloadTooLarge, "/snapshot", detail));
        }
        let (state, warnings) =
            snapshot::restore(given, &engine.catalog).map_err(|error| snapshot_problem(&error, engine))?;
        let other =
            request.client_id.is_some() && state.client_id.is_some() && request.client_id != state.client_id;
        if !other {
            notes.warnings = warnings.iter().map(ToString::to_string).collect();
            let client_id = state.client_id.clone().or_else(|| request.client_id.clone());
            let mut state = DialogueState { client_id, config: door.config.clone(), ..state };
            if let Some(flow) = request.flow_name.as_ref().filter(|flow| **flow != state.flow) {
                if !request.may_switch_flow {
                    notes.flow_name_ignored = true;
                } else if let Some(from) = doors::switch_flow(&mut state, flow, &engine.catalog) {
                    notes.flow_switched = Some((from, flow.clone()));
                } else {
                    return Err(unknown_flow("/flow_name", flow, engine));
                }
            }
            return Ok((state, notes));
        }
        notes.snapshot_ignored = Some("client_mismatch");
    }
    let flow = request.flow_name.clone().unwrap_or_else(|| door.active_flow.clone());
    if engine.catalog.flow(&flow).is_none() {
        return Err(unknown_flow("/flow_name", &flow, engine));
    }
    let conversation_id = request.session_id.clone().unwrap_or_else(|| {
        let parts = format!(
            "{}\n{request_id}\n{now}\n{}",
            request.client_id.as_deref().unwrap_or(""),
            request.message
        );
        format!("c-{}", hex(&Sha256::digest(parts)[..12]))
    });
    let seed = request.seed.unwrap_or_else(|| {
        let digest = Sha256::digest(&conversation_id);
        // 53 bits: any JSON reader keeps the number whole.
        u64::from_be_bytes([
            0,
            digest[0] & 0x1f,
            digest[1],
            digest[2],
            digest[3],
            digest[4],
            digest[5],
            digest[6],
        ])
    });
    let mut start = salesbot_dialogue::state::START.to_owned();
    if let (Some(point), Some(flow)) = (&request.entry_point, engine.catalog.flow(&flow)) {
        match flow.entry_points.get(point) {
            Some(id) => start.clone_from(&flow.state(*id).name),
            None => {
                let known: Vec<&str> = flow.entry_points.keys().map(String::as_str).collect();
                notes.warnings.push(format!(
                    "flow `{}` has no entry point `{point}`; known: {}",
                    flow.name,
                    known.join(", ")
                ));
            }
        }
    }
    let state = DialogueState {
        conversation_id,
        client_id: request.client_id.clone(),
        state: start,
        flow,
        config: request.config_name.clone(),
        seed,
        ..DialogueState::default()
    };
    Ok((state, notes))
}

fn snapshot_problem(error: &snapshot::SnapshotError, engine: &Engine) -> Problem {
    use snapshot::SnapshotError as E;
    match error {
        E::NotAnObject => Problem::field(Code::InvalidSnapshot, "/snapshot", error.to_string()),
        E::TooNew { .. } => Problem::field(Code::SnapshotTooNew, "/snapshot/version", error.to_string()),
        E::Field { pointer, reason } => {
            Problem::field(Code::InvalidSnapshot, format!("/snapshot{pointer}"), reason)
        }
        E::UnknownFlow { flow } => unknown_flow("/snapshot/flow", flow, engine),
    }
}

fn unknown_flow(pointer: &str, flow: &str, engine: &Engine) -> Problem {
    let known: Vec<&str> = engine.catalog.names().collect();
    let shown: String = flow.chars().take(64).collect();
    if engine.catalog.switched_off.iter().any(|name| name == flow) {
        let detail = format!("flow `{shown}` is switched off here; turn on the flag `autonomous_flow`");
        return Problem::field(Code::UnknownFlow, pointer, detail);
    }
    Problem::field(
        Code::UnknownFlow,
        pointer,
        format!("there is no flow `{shown}`; available: {}", known.join(", ")),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
