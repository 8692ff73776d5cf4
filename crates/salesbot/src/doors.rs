//! The doors beside the turn: flows, configurations, overrides, flags, a look at a snapshot. Each is a function
//! of what is loaded, so tests call them without a socket.

use serde_json::{Map, Value, json};

use salesbot_dialogue::{Catalog, DialogueState, score, snapshot};

use crate::flags::FLAGS;
use crate::problem::{Code, Problem};
use crate::service::{Configurations, Live, View};

/// `GET /api/v1/flows`: the active flow's kind first, then by name.
pub fn flows(live: &Live) -> Value {
    let view = live.view(crate::load::DEFAULT);
    let mut flows: Vec<_> = view.engine.catalog.flows().collect();
    flows.sort_by_key(|flow| (flow.name != "spin_selling", flow.name.clone()));
    let list: Vec<Value> = flows
        .iter()
        .map(|flow| {
            json!({
                "name": flow.name, "version": flow.version, "description": flow.description, "phases": flow.phase_order,
                "entry_state": flow.state(flow.entry).name, "states": flow.states().count(),
                "entry_points": flow.entry_points.keys().collect::<Vec<_>>(), "autonomous": flow.autonomous, "outbound_start": false,
            })
        })
        .collect();
    json!({"flows": list})
}

/// `GET /api/v1/configs`
pub fn configs(live: &Live) -> Value {
    let list: Vec<Value> = live
        .views()
        .map(|view| {
            let source = if view.name == crate::load::DEFAULT { "service".to_owned() } else { format!("configs/{}", view.name) };
            json!({"name": view.name, "description": view.description, "has_overrides": !view.overrides.is_empty(), "source": source})
        })
        .collect();
    json!({"configs": list})
}

/// `GET /api/v1/flags`: effective values of the default configuration.
pub fn flags(live: &Live) -> Value {
    let flags = &live.view(crate::load::DEFAULT).settings.flags;
    let list: Vec<Value> = FLAGS
        .iter()
        .filter_map(|flag| {
            let setting = flags.get(flag.name)?;
            Some(json!({
                "name": flag.name, "value": setting.on, "source": setting.source, "default": flag.default, "part": flag.part.to_string(),
                "depends_on": flag.needs, "dependencies_off": flags.lacks(flag), "help": flag.help,
            }))
        })
        .collect();
    json!({"flags": list})
}

fn no_config(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(
        Code::NotFound,
        format!("there is no configuration `{shown}`; GET /api/v1/configs lists them"),
    )
}

/// `GET /api/v1/configs/{name}/override`
///
/// # Errors
/// 404 for an unknown configuration.
pub fn overrides(live: &Live, name: &str) -> Result<Value, Problem> {
    let view = live.get(name).ok_or_else(|| no_config(name))?;
    Ok(json!({"config_name": name, "overrides": view.overrides, "revision": view.revision}))
}

/// `POST /api/v1/configs/{name}/override` with `{"overrides": {…}, "persist": false, "replace": false}`.
///
/// # Errors
/// 400 naming the field, 404 for an unknown configuration. A rejected block is no error: the answer says why.
pub fn set_overrides(configurations: &Configurations, name: &str, body: &Value) -> Result<Value, Problem> {
    let wrong = |pointer: &str, detail: &str| Problem::field(Code::BadRequest, pointer, detail);
    let given = match body.get("overrides") {
        Some(Value::Object(given)) => given,
        _ => {
            return Err(wrong(
                "/overrides",
                "send an object of blocks such as {\"guard\": {\"max_turns\": 30}}",
            ));
        }
    };
    let truth = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong(&format!("/{key}"), "must be true or false")),
    };
    let (persist, replace) = (truth("persist")?, truth("replace")?);
    let made = configurations.set(name, given, replace, persist).ok_or_else(|| no_config(name))?;
    Ok(
        json!({"applied": made.applied, "rejected": made.rejected, "revision": made.revision, "persisted": made.persisted}),
    )
}

/// `DELETE /api/v1/configs/{name}/override`
///
/// # Errors
/// 404 for an unknown configuration.
pub fn clear_overrides(configurations: &Configurations, name: &str) -> Result<Value, Problem> {
    let cleared = configurations.clear(name).ok_or_else(|| no_config(name))?;
    Ok(json!({"config_name": name, "cleared": cleared}))
}

/// `POST /api/v1/restore`: what a snapshot says, mended and with what an operator adds; processes no message.
/// An unusable snapshot is an answer with `valid: false`.
///
/// # Errors
/// 400 for a request that names no snapshot or has fields of a wrong type.
pub fn restore(live: &Live, body: &Value) -> Result<Value, Problem> {
    let wrong = |pointer: &str, detail: String| Problem::field(Code::BadRequest, pointer, detail);
    let Some(given) = body.get("snapshot").filter(|given| !given.is_null()) else {
        return Err(wrong(
            "/snapshot",
            "is missing; send the object that the last response returned".to_owned(),
        ));
    };
    let text = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(&format!("/{key}"), "expected text".to_owned())),
    };
    let (client, session) = (text("client_id")?, text("session_id")?);
    let (flow, config) = (text("flow_name")?, text("config_name")?);
    let paused = match body.get("paused_seconds") {
        None | Some(Value::Null) => 0,
        Some(value) => value
            .as_i64()
            .filter(|seconds| (0..=1 << 40).contains(seconds))
            .ok_or_else(|| wrong("/paused_seconds", "expected seconds, 0 or more".to_owned()))?,
    };
    let notes = match body.get("operator_notes") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(notes)) => notes.clone(),
        Some(_) => return Err(wrong("/operator_notes", "expected an object of slots".to_owned())),
    };
    let view = live.view(config.or_else(|| given["config"].as_str()).unwrap_or(crate::load::DEFAULT));
    let version = given.get("version").and_then(Value::as_str).unwrap_or("1.0").to_owned();
    let read = snapshot::restore(given, &view.engine.catalog);
    let (mut state, warnings) = match read {
        Ok(read) => read,
        Err(error) => {
            return Ok(
                json!({"valid": false, "errors": [error.to_string()], "warnings": [], "version": version}),
            );
        }
    };
    let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let mut errors = Vec::new();
    if let (Some(asked), Some(known)) = (client, state.client_id.as_deref())
        && asked.trim() != known.trim()
    {
        // Nothing of a foreign talk is shown.
        let message = "client_mismatch: the snapshot belongs to another client";
        return Ok(json!({"valid": false, "errors": [message], "warnings": [], "version": version}));
    }
    if let Some(client) = client {
        state.client_id = Some(client.to_owned());
    }
    if let Some(session) = session.filter(|_| state.conversation_id.is_empty()) {
        session.clone_into(&mut state.conversation_id);
    }
    if let Some(flow) = flow.filter(|flow| *flow != state.flow) {
        match switch_flow(&mut state, flow, &view.engine.catalog) {
            Some(from) => warnings.push(format!("flow_switched: from `{from}` to `{flow}`")),
            None => errors.push(format!("there is no flow `{flow}`")),
        }
    }
    for (slot, value) in notes {
        if let Err(reason) = note(&mut state, &slot, &value, view) {
            errors.push(reason);
        }
    }
    let clock = &mut state.counters.guard;
    clock.active_seconds = (clock.active_seconds - paused).max(0);
    let flow = view.engine.catalog.flow(&state.flow);
    let phase = flow.and_then(|flow| flow.state(flow.id(&state.state)?).shown_phase());
    let scoring = &view.engine.options.dialogue.lead_scoring;
    let valid = errors.is_empty();
    let public: Map<String, Value> = state
        .slots
        .iter()
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut answer = json!({
        "valid": valid, "errors": errors, "warnings": warnings, "version": state.version,
        "migrated_from": (version != state.version).then_some(version),
        "state": state.state, "spin_phase": phase,
        "lead_score": scoring.enabled.then(|| score::shown(state.lead.score)),
        "lead_temperature": scoring.enabled.then(|| score::temperature(state.lead.score, scoring)),
        "turn_count": state.counters.turn, "is_final": state.counters.finished, "collected_data": public,
    });
    if valid {
        answer["snapshot"] = snapshot::save(&state);
    }
    Ok(answer)
}

/// The talk goes on in another flow: shared states keep, a phase becomes the flow's own of the same name. The
/// flow it came from; `None` if there is no such flow.
pub fn switch_flow(state: &mut DialogueState, to: &str, catalog: &Catalog) -> Option<String> {
    let target = catalog.flow(to)?;
    let phase = catalog.flow(&state.flow).and_then(|flow| flow.state(flow.id(&state.state)?).phase.clone());
    let next = target.counterpart(&state.state, phase.as_deref());
    if target.state(next).name != state.state {
        state.state.clone_from(&target.state(next).name);
        state.counters.turns_in_state = 0;
        state.asked = None;
    }
    state.counters.return_state = state.counters.return_state.take().filter(|name| target.id(name).is_some());
    Some(std::mem::replace(&mut state.flow, to.to_owned()))
}

/// An operator's fact about the client, in a slot there is.
fn note(state: &mut DialogueState, slot: &str, value: &Value, view: &View) -> Result<(), String> {
    let known = view.engine.nlu.slots().names();
    if slot.starts_with('_') || !known.contains(slot) {
        let near = salesbot_yaml::nearest(slot, known.iter().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("operator_notes: there is no slot `{slot}`{hint}"));
    }
    let scalar = value.is_string() || value.is_number() || value.is_boolean();
    let contact =
        slot == "contact_info" && serde_json::from_value::<salesbot_dialogue::Contact>(value.clone()).is_ok();
    if !(scalar && slot != "contact_info" || contact) {
        let wanted = if slot == "contact_info" {
            "{phone, email, name, valid}"
        } else {
            "text, a number or true/false"
        };
        return Err(format!("operator_notes: `{slot}` expects {wanted}"));
    }
    state.fill(slot, value);
    Ok(())
}
