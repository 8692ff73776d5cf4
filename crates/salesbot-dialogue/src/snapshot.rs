//! The snapshot on the wire: reading it without ever losing a conversation silently, and importing 1.0.
//!
//! A wrong type is an error that names the field; a missing field takes its default; an unknown state goes
//! on at its phase with a warning. `restore(save(x)) = x`.

use serde_json::{Map, Value, json};

use crate::state::{Asked, Counters, DialogueState, Exchange, VERSION, keep_last, percent};
use crate::{Catalog, Contact};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    #[error("the snapshot must be an object, the one the last response returned")]
    NotAnObject,
    #[error("snapshot version `{found}` is newer than this server supports ({VERSION})")]
    TooNew { found: String },
    #[error("`{pointer}` has a wrong value: {reason}")]
    Field { pointer: String, reason: String },
    #[error("the snapshot belongs to flow `{flow}`, which does not exist here")]
    UnknownFlow { flow: String },
}

/// What was mended while reading; shown in `meta.warnings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotWarning {
    StateReset { from: String, to: String },
    Migrated,
}

impl std::fmt::Display for SnapshotWarning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::StateReset { from, to } => {
                write!(
                    out,
                    "snapshot_state_reset: state `{from}` does not exist any more, the talk goes on at `{to}`"
                )
            }
            Self::Migrated => out.write_str("snapshot_migrated: version 1.0 was read and is returned as 2.0"),
        }
    }
}

pub fn save(state: &DialogueState) -> Value {
    serde_json::to_value(state).unwrap_or_default()
}

/// Reads a snapshot of version 2.0 or 1.0 and fits it to today's flows.
///
/// # Errors
/// [`SnapshotError`], naming the field by JSON pointer.
pub fn restore(
    value: &Value,
    catalog: &Catalog,
) -> Result<(DialogueState, Vec<SnapshotWarning>), SnapshotError> {
    let object = value.as_object().ok_or(SnapshotError::NotAnObject)?;
    let mut warnings = Vec::new();
    let version = match object.get("version") {
        None | Some(Value::Null) if object.contains_key("state_machine") => "1.0",
        None | Some(Value::Null) => VERSION,
        Some(Value::String(version)) => version,
        Some(other) => {
            return Err(wrong("/version", format!("expected text like \"{VERSION}\", found {other}")));
        }
    };
    let major: u32 = version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0);
    let mut state = match major {
        2 => typed(value)?,
        0 | 1 => {
            warnings.push(SnapshotWarning::Migrated);
            import(object)?
        }
        _ => return Err(SnapshotError::TooNew { found: version.to_owned() }),
    };
    VERSION.clone_into(&mut state.version);
    bound(&mut state);
    check_contact(&state)?;
    let flow =
        catalog.flow(&state.flow).ok_or_else(|| SnapshotError::UnknownFlow { flow: state.flow.clone() })?;
    if flow.id(&state.state).is_none() {
        let to = flow.state(flow.recover(&state.state)).name.clone();
        warnings.push(SnapshotWarning::StateReset { from: state.state.clone(), to: to.clone() });
        state.state = to;
        state.asked = None;
    }
    state.counters.return_state = state.counters.return_state.filter(|name| flow.id(name).is_some());
    Ok((state, warnings))
}

fn typed(value: &Value) -> Result<DialogueState, SnapshotError> {
    let stripped = without_nulls(value);
    serde_path_to_error::deserialize(&stripped).map_err(|error| {
        let pointer = format!("/{}", error.path().to_string().replace(['.', '['], "/").replace(']', ""));
        wrong(&pointer, error.inner().to_string())
    })
}

/// A null at the top or inside a block means "not given": the default applies.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(key, value)| {
                    (key.clone(), if key == "slots" { value.clone() } else { without_nulls(value) })
                })
                .collect(),
            )
        }
        other => other.clone(),
    }
}

fn wrong(pointer: &str, reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Field { pointer: pointer.to_owned(), reason: reason.into() }
}

/// Numbers no talk reaches are cut to the largest one it may: a count never overflows in the turn.
fn bound(state: &mut DialogueState) {
    const MOST: u32 = 1_000_000;
    const LAST_SECOND: i64 = 253_402_300_799; // the end of the year 9999
    state.revision = state.revision.min(1 << 53);
    state.lead.score = state.lead.score.clamp(0, 100_000);
    let counters = &mut state.counters;
    counters.guard.active_seconds = counters.guard.active_seconds.clamp(0, LAST_SECOND);
    counters.guard.last_at = counters.guard.last_at.clamp(0, LAST_SECOND);
    let Counters {
        turn,
        turns_in_state,
        intents,
        objections,
        gobacks,
        guard,
        fallbacks,
        tier_2_streak,
        since_clarification,
        tiers,
        actions,
        ..
    } = counters;
    let single = [
        turn,
        turns_in_state,
        gobacks,
        fallbacks,
        tier_2_streak,
        &mut guard.last_progress_turn,
        &mut objections.consecutive,
        &mut objections.total,
    ];
    let said = [&mut state.said.apologised, &mut state.said.ctas];
    let many = intents.values_mut().chain(objections.families.values_mut()).chain(tiers.values_mut());
    let outcomes = actions.values_mut().flat_map(|(on, back)| [on, back]);
    for count in single.into_iter().chain(said).chain(many).chain(since_clarification).chain(outcomes) {
        *count = (*count).min(MOST);
    }
}

/// `contact_info` is read by rules, so its shape is checked once, here.
fn check_contact(state: &DialogueState) -> Result<(), SnapshotError> {
    let Some(contact) = state.slots.get("contact_info").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    serde_json::from_value::<Contact>(contact.clone()).map(|_| ()).map_err(|error| {
        wrong("/slots/contact_info", format!("expected {{phone, email, name, valid}}: {error}"))
    })
}

/// Version 1.0 (dialogue reference, section 24.1): blocks of the older service become our facts.
fn import(old: &Map<String, Value>) -> Result<DialogueState, SnapshotError> {
    let empty = Map::new();
    let machine = block(old, "state_machine", "")?.unwrap_or(&empty);
    let tracker = block(machine, "intent_tracker", "/state_machine")?.unwrap_or(&empty);
    let circular = block(machine, "circular_flow", "/state_machine")?.unwrap_or(&empty);
    let guard = block(old, "guard", "")?.unwrap_or(&empty);
    let lead = block(old, "lead_scorer", "")?.unwrap_or(&empty);
    let objections = block(old, "objection_handler", "")?.unwrap_or(&empty);

    let mut state = DialogueState::default();
    state.conversation_id = text(old, "conversation_id", "")?.unwrap_or_default();
    state.client_id = text(old, "client_id", "")?;
    state.flow = text(old, "flow_name", "")?.unwrap_or(state.flow);
    state.config = text(old, "config_name", "")?.unwrap_or(state.config);
    state.state = text(machine, "state", "/state_machine")?.unwrap_or(state.state);
    state.revision = number(old, "revision", "")?.unwrap_or(0).unsigned_abs();
    if let Some(slots) = block(machine, "collected_data", "/state_machine")? {
        for (slot, value) in slots {
            let value = if slot == "contact_info" { contact(value) } else { value.clone() };
            state.fill(slot, &value);
        }
    }
    let counters = &mut state.counters;
    counters.turn = small(
        number(tracker, "turn_number", "/state_machine/intent_tracker")?
            .or(number(guard, "turn_count", "/guard")?)
            .unwrap_or(0),
    );
    counters.turns_in_state = small(number(machine, "turns_in_state", "/state_machine")?.unwrap_or(0));
    counters.gobacks = small(number(circular, "goback_count", "/state_machine/circular_flow")?.unwrap_or(0));
    counters.return_state = text(machine, "_state_before_objection", "/state_machine")?;
    for (intent, count) in block(tracker, "intent_totals", "/state_machine/intent_tracker")?.unwrap_or(&empty)
    {
        counters.intents.insert(intent.clone(), small(count.as_i64().unwrap_or(0)));
    }
    let recent = tracker.get("recent_intents").and_then(Value::as_array).cloned().unwrap_or_default();
    counters.recent = recent.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    for (family, count) in block(objections, "objection_attempts", "/objection_handler")?.unwrap_or(&empty) {
        counters.objections.families.insert(family.clone(), small(count.as_i64().unwrap_or(0)));
    }
    counters.objections.total = counters.objections.families.values().sum();
    counters.guard.active_seconds = number(guard, "elapsed_seconds", "/guard")?.unwrap_or(0);
    counters.guard.last_progress_turn = small(number(guard, "last_progress_turn", "/guard")?.unwrap_or(0));
    state.tone.frustration =
        u8::try_from(number(guard, "frustration_level", "/guard")?.unwrap_or(0).clamp(0, 10)).unwrap_or(0);
    let score = lead.get("raw_score").or(lead.get("current_score")).and_then(Value::as_f64).unwrap_or(0.0);
    let score = (score.clamp(0.0, 100.0) * 1000.0).round() as i64;
    state.lead.score = score;
    state.turns = import_turns(old);
    // An older talk has greeted already; the new service must not do it again.
    state.said.greeted = counters_began(&state);
    if machine.get("in_disambiguation") == Some(&Value::Bool(true)) {
        state.asked = import_menu(machine);
    }
    Ok(state)
}

fn counters_began(state: &DialogueState) -> bool {
    state.counters.turn > 0 || !state.turns.is_empty() || state.state != crate::state::START
}

fn import_turns(old: &Map<String, Value>) -> Vec<Exchange> {
    let list = old.get("context_window").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut turns: Vec<Exchange> = list
        .iter()
        .map(|turn| {
            let text = |key: &str| turn[key].as_str().unwrap_or_default().to_owned();
            Exchange {
                user: text("user_message"),
                bot: text("bot_response"),
                intent: text("intent"),
                action: text("action"),
                state: text("state"),
                next: text("next_state"),
                confidence: percent(turn["confidence"].as_f64().unwrap_or(0.0)),
                has_data: turn["extracted_data"].as_object().is_some_and(|data| !data.is_empty()),
                asked: text("bot_response").ends_with('?'),
            }
        })
        .collect();
    keep_last(&mut turns, crate::state::KEPT_TURNS);
    turns
}

/// The options of a clarification that was open in the older service.
fn import_menu(machine: &Map<String, Value>) -> Option<Asked> {
    let options = machine.get("disambiguation_context")?.get("options")?.as_array()?;
    let options = options
        .iter()
        .filter_map(|option| {
            let label = option["label"].as_str()?.to_owned();
            Some(crate::Choice { label, intent: option["intent"].as_str().map(str::to_owned), value: None })
        })
        .collect();
    Some(Asked { slot: None, kind: "choice".to_owned(), options, text_id: "imported".to_owned() })
}

/// A 1.0 contact is text or an object; either becomes the one shape of 2.0.
fn contact(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains('@') => {
            json!({"phone": null, "email": text, "name": null, "valid": true})
        }
        Value::String(text) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let phone = match digits.len() {
                11 if digits.starts_with(['7', '8']) => format!("+7{}", &digits[1..]),
                10 => format!("+7{digits}"),
                _ => text.clone(),
            };
            json!({"phone": phone, "email": null, "name": null, "valid": digits.len() >= 10})
        }
        Value::Object(map) => {
            let known = map.get("phone").or(map.get("email")).is_some_and(|value| !value.is_null());
            json!({"phone": map.get("phone"), "email": map.get("email"), "name": map.get("name"), "valid": known})
        }
        _ => Value::Null,
    }
}

fn block<'v>(
    map: &'v Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<Option<&'v Map<String, Value>>, SnapshotError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(wrong(&format!("{path}/{key}"), "expected an object")),
    }
}

fn text(map: &Map<String, Value>, key: &str, path: &str) -> Result<Option<String>, SnapshotError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(&format!("{path}/{key}"), "expected text")),
    }
}

fn number(map: &Map<String, Value>, key: &str, path: &str) -> Result<Option<i64>, SnapshotError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64().or_else(|| value.as_f64().map(|float| float as i64)) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(&format!("{path}/{key}"), "expected a number")),
        },
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
