//! From content and settings to a running engine; the same for every command.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use salesbot_engine::{Engine, Sources};
use salesbot_yaml::{Diagnostics, Fields, parse};

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
    /// Named configurations, the default one left out.
    pub configs: BTreeMap<String, Config>,
    pub warnings: Diagnostics,
    /// The folder of content laid over the embedded one.
    pub overlay: Option<PathBuf>,
}

/// A named configuration: its own content over the service's, its own settings.
#[derive(Clone, Debug)]
pub struct Config {
    pub description: String,
    pub engine: Engine,
    pub settings: Settings,
}

/// The name of the service's own content and settings.
pub const DEFAULT: &str = "default";

/// Reads settings and content and loads the engine.
///
/// # Errors
/// [`Invalid`] with every diagnostic, or a folder that cannot be read.
pub fn load(overlay: Option<&Path>) -> Result<Loaded> {
    let content = Content::open(overlay)?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    build(content, &environment)
}

/// The same from content that is read already. All findings of all configurations come together.
///
/// # Errors
/// [`Invalid`] with every diagnostic, or a knowledge folder that cannot be read.
pub fn build(content: Content, environment: &[(String, String)]) -> Result<Loaded> {
    build_beside(content, environment, None)
}

/// The same, sharing what is alike with an engine loaded before.
///
/// # Errors
/// As [`build`].
pub fn build_beside(
    mut content: Content,
    environment: &[(String, String)],
    beside: Option<(&Sources, &Engine)>,
) -> Result<Loaded> {
    let names = content.configs();
    let file = content.file("settings.yaml");
    let settings = Settings::resolve(&file, environment).map_err(Invalid)?;
    if let Some(folder) = settings.knowledge_path() {
        content.replace_knowledge(&folder).context("`knowledge.path`")?;
    }
    let sources = content.sources();
    let (engine, mut warnings) = engine_beside(&sources, &settings, beside)?;
    active_flow(&settings, &engine)?;
    let mut configs = BTreeMap::new();
    let mut errors = Diagnostics::default();
    for name in names {
        match config(&name, &content, &settings, environment, (&sources, &engine)) {
            Ok((config, found)) => {
                warnings.extend(found);
                configs.insert(name, config);
            }
            Err(error) => match error.downcast::<Invalid>() {
                Ok(Invalid(found)) => errors.extend(found),
                Err(other) => return Err(other.context(format!("configuration `{name}`"))),
            },
        }
    }
    if errors.has_errors() {
        return Err(Invalid(errors).into());
    }
    warnings.sort();
    Ok(Loaded { engine, settings, configs, warnings, overlay: content.overlay })
}

fn active_flow(settings: &Settings, engine: &Engine) -> Result<()> {
    let active = settings.text("flow.active");
    if engine.catalog.flow(active).is_some() {
        return Ok(());
    }
    if engine.catalog.switched_off.iter().any(|name| name == active) {
        anyhow::bail!(
            "`flow.active` names `{active}`, which is switched off; turn on the flag `autonomous_flow`"
        );
    }
    anyhow::bail!("`flow.active` names `{active}`, which is no flow here")
}

fn config(
    name: &str,
    content: &Content,
    base: &Settings,
    environment: &[(String, String)],
    beside: (&Sources, &Engine),
) -> Result<(Config, Diagnostics)> {
    let folder = format!("configs/{name}/");
    let rename = |file: &str| content.has(&format!("{folder}{file}")).then(|| format!("{folder}{file}"));
    let renamed = |mut found: Diagnostics| {
        found.rename(rename);
        found
    };
    let about = content.file(&format!("{folder}config.yaml"));
    let own = content.file(&format!("{folder}settings.yaml"));
    let mut found = Diagnostics::default();
    let mut description = String::new();
    if let Some(root) = parse(&about, &mut found).filter(|_| !about.text.is_empty())
        && let Some(mut fields) = Fields::of(&root, &about, &mut found)
    {
        description = fields.or("description", String::new());
        fields.finish();
    }
    let settings = Settings::layered(&content.file("settings.yaml"), Some(&own), environment)
        .map_err(|found| Invalid(renamed(found)))?;
    let mut merged = content.config(name);
    if let Some(folder) =
        settings.knowledge_path().filter(|path| base.knowledge_path().as_ref() != Some(path))
    {
        merged.replace_knowledge(&folder).context("`knowledge.path`")?;
    }
    let (engine, warnings) = match engine_beside(&merged.sources(), &settings, Some(beside)) {
        Ok(loaded) => loaded,
        Err(Invalid(found)) => return Err(Invalid(renamed(found)).into()),
    };
    active_flow(&settings, &engine)?;
    // What the shared files give rise to was said once already.
    let mut warnings = renamed(warnings);
    warnings.keep_files(|file| file.starts_with(&folder));
    found.extend(warnings);
    if found.has_errors() {
        return Err(Invalid(found).into());
    }
    Ok((Config { description, engine, settings }, found))
}

/// Loads the engine alone.
///
/// # Errors
/// [`Invalid`] with every diagnostic.
pub fn engine(content: &Content, settings: &Settings) -> Result<(Engine, Diagnostics), Invalid> {
    engine_beside(&content.sources(), settings, None)
}

/// Loads an engine; a classifier trained for changed content is kept for the next start.
fn engine_beside(
    sources: &Sources,
    settings: &Settings,
    beside: Option<(&Sources, &Engine)>,
) -> Result<(Engine, Diagnostics), Invalid> {
    let cache = content::cached_model_path();
    let cached = || cache.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let mut models = std::iter::once(Cow::Borrowed(content::shipped_model()))
        .chain(std::iter::once_with(|| Cow::Owned(cached())));
    let (engine, warnings) =
        Engine::load(sources, settings.engine_options(), &mut models, &Flags::names(), beside)
            .map_err(Invalid)?;
    let shared = beside.is_some_and(|(_, other)| std::sync::Arc::ptr_eq(&other.nlu, &engine.nlu));
    if engine.nlu.retrained
        && !shared
        && let Some(path) = cache
    {
        tracing::info!(path = %path.display(), "the intent examples changed: a new classifier was trained");
        let bytes = engine.nlu.models().to_bytes();
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
        config: DEFAULT.to_owned(),
        trace: Trace::from_name(settings.text("trace.default")).unwrap_or(Trace::Full),
        log_unsure: settings.flags.on("confidence_router_logging"),
    }
}
