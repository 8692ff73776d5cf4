//! From content and settings to a running engine; the same for every command.

use std::path::Path;

use anyhow::{Context, Result};
use salesbot_engine::Engine;
use salesbot_yaml::Diagnostics;

use crate::api::{Door, Trace};
use crate::content::{self, Content};
use crate::flags::Flags;
use crate::settings::Settings;

/// Content that cannot be used; the diagnostics are for the person who edits it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub Diagnostics);

/// A loaded service: settings, engine, and what was worth a warning.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub engine: Engine,
    pub settings: Settings,
    pub warnings: Diagnostics,
}

/// Reads settings and content and loads the engine.
///
/// # Errors
/// [`Invalid`] with every diagnostic, or a folder that cannot be read.
pub fn load(overlay: Option<&Path>) -> Result<Loaded> {
    let mut content = Content::open(overlay)?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let settings = Settings::resolve(&content.file("settings.yaml"), &environment).map_err(Invalid)?;
    if let Some(folder) = settings.knowledge_path() {
        content.replace_knowledge(&folder).context("`knowledge.path`")?;
    }
    let (engine, warnings) = engine(&content, &settings)?;
    if engine.catalog.flow(settings.text("flow.active")).is_none() {
        anyhow::bail!("`flow.active` names `{}`, which is no flow here", settings.text("flow.active"));
    }
    Ok(Loaded { engine, settings, warnings })
}

/// Loads the engine; a classifier trained for changed content is kept for the next start.
///
/// # Errors
/// [`Invalid`] with every diagnostic.
pub fn engine(content: &Content, settings: &Settings) -> Result<(Engine, Diagnostics), Invalid> {
    let cache = content::cached_model_path();
    let cached = cache.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let models = [content::shipped_model(), cached.as_slice()];
    let (engine, warnings) =
        Engine::load(&content.sources(), settings.engine_options(), &models, &Flags::names())
            .map_err(Invalid)?;
    if engine.nlu.retrained
        && let Some(path) = cache
    {
        tracing::info!(path = %path.display(), "the intent examples changed: a new classifier was trained");
        let bytes = engine.nlu.classifier().model().to_bytes();
        // Without a cache the next start trains again, which costs seconds and nothing else.
        if path.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
            && let Err(error) = std::fs::write(&path, bytes)
        {
            tracing::warn!(path = %path.display(), %error, "cannot keep the classifier");
        }
    }
    Ok((engine, warnings))
}

pub fn door(settings: &Settings) -> Door {
    Door {
        max_message_chars: settings.usize("limits.max_message_chars"),
        max_snapshot_bytes: settings.usize("limits.max_snapshot_bytes"),
        active_flow: settings.text("flow.active").to_owned(),
        model: settings.text("llm.model").to_owned(),
        trace: Trace::from_name(settings.text("trace.default")).unwrap_or(Trace::Full),
    }
}
