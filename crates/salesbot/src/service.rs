//! What serves: the loaded content as one view per configuration, the overrides made while running, and the
//! swap to new content. A turn takes its view once; a reload or an override never reaches a turn under way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use salesbot_engine::Engine;
use serde_json::{Map, Value, json};

use crate::api::Door;
use crate::content::Content;
use crate::load::{self, DEFAULT, Loaded};
use crate::settings::Settings;

/// One configuration as turns see it.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub description: String,
    pub engine: Engine,
    pub settings: Settings,
    pub door: Door,
    /// Settings as loaded, without overrides.
    base: Settings,
    pub overrides: Map<String, Value>,
    /// Grows with every change of the overrides.
    pub revision: u64,
}

/// All configurations at one moment.
#[derive(Clone, Debug)]
pub struct Live {
    views: BTreeMap<String, Arc<View>>,
}

/// What a change of overrides came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overridden {
    pub applied: Vec<String>,
    pub rejected: BTreeMap<String, String>,
    pub revision: u64,
    pub persisted: bool,
}

#[derive(Debug)]
pub struct Configurations {
    live: RwLock<Arc<Live>>,
    overlay: Option<PathBuf>,
    environment: Vec<(String, String)>,
    /// Where overrides outlive a restart; `None`: nowhere.
    store: Option<PathBuf>,
}

impl View {
    fn new(name: &str, description: &str, engine: &Engine, settings: &Settings) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            engine: engine.clone(),
            settings: settings.clone(),
            door: Door { config: name.to_owned(), ..load::door(settings) },
            base: settings.clone(),
            overrides: Map::new(),
            revision: 0,
        }
    }

    /// The same view with these overrides in place of its own.
    fn overridden(
        &self,
        overrides: Map<String, Value>,
        revision: u64,
    ) -> Result<Self, BTreeMap<String, String>> {
        let settings = self.base.with_overrides(&overrides)?;
        let engine = self.engine.with(settings.engine_options());
        Ok(Self { engine, settings, overrides, revision, ..self.clone() })
    }
}

impl Live {
    pub fn new(loaded: &Loaded) -> Self {
        let own =
            View::new(DEFAULT, "the service's own content and settings", &loaded.engine, &loaded.settings);
        let mut views = BTreeMap::from([(DEFAULT.to_owned(), Arc::new(own))]);
        for (name, config) in &loaded.configs {
            let view = View::new(name, &config.description, &config.engine, &config.settings);
            views.insert(name.clone(), Arc::new(view));
        }
        Self { views }
    }

    /// The view of a configuration; an unknown name gets the default one.
    pub fn view(&self, name: &str) -> &Arc<View> {
        self.views.get(name).unwrap_or_else(|| &self.views[DEFAULT])
    }

    pub fn get(&self, name: &str) -> Option<&Arc<View>> {
        self.views.get(name)
    }

    /// The default one first, then by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        let others = self.views.iter().filter(|(name, _)| *name != DEFAULT).map(|(_, view)| view);
        self.views.get(DEFAULT).into_iter().chain(others)
    }
}

impl Configurations {
    /// Takes over what was loaded, and the overrides kept in `store`; those that do not fit any more are left
    /// out with a warning in the log.
    pub fn new(loaded: &Loaded, environment: Vec<(String, String)>, store: Option<PathBuf>) -> Self {
        let mut live = Live::new(loaded);
        for (name, (overrides, revision)) in store.as_ref().map(stored).unwrap_or_default() {
            apply(&mut live, &name, overrides, revision);
        }
        Self { live: RwLock::new(Arc::new(live)), overlay: loaded.overlay.clone(), environment, store }
    }

    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn overlay(&self) -> Option<&PathBuf> {
        self.overlay.as_ref()
    }

    /// Loads everything anew and swaps it in. Overrides stay, where they still fit.
    ///
    /// # Errors
    /// Content that cannot be used, with every finding; the old one goes on serving.
    pub fn reload(&self) -> Result<Loaded> {
        let loaded = load::build(Content::open(self.overlay.as_deref())?, &self.environment)?;
        let mut next = Live::new(&loaded);
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        for view in live.views().filter(|view| view.revision > 0) {
            apply(&mut next, &view.name, view.overrides.clone(), view.revision);
        }
        *live = Arc::new(next);
        Ok(loaded)
    }

    /// Lays overrides over a configuration, deeply, or in place of all earlier ones. `None`: no such
    /// configuration. A block that is wrong is rejected whole, the others apply.
    pub fn set(
        &self,
        name: &str,
        given: &Map<String, Value>,
        replace: bool,
        persist: bool,
    ) -> Option<Overridden> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let view = live.get(name)?;
        let earlier = if replace { Map::new() } else { view.overrides.clone() };
        let mut rejected = BTreeMap::new();
        let mut blocks = given.clone();
        let next = loop {
            let mut merged = earlier.clone();
            for (key, value) in &blocks {
                merge(merged.entry(key.clone()).or_insert(Value::Null), value);
            }
            match view.overridden(merged, view.revision + 1) {
                Ok(next) => break next,
                Err(wrong) => {
                    let before = blocks.len();
                    blocks.retain(|key, _| !wrong.contains_key(key));
                    rejected.extend(wrong);
                    if blocks.len() == before {
                        // What was there already does not go with it: nothing changes.
                        break View::clone(view);
                    }
                }
            }
        };
        let changed = !blocks.is_empty() || replace;
        let mut result = Overridden {
            applied: blocks.keys().cloned().collect(),
            rejected,
            revision: if changed { next.revision } else { view.revision },
            persisted: false,
        };
        if changed {
            tracing::info!(config = name, from = view.revision, to = next.revision, "overrides changed");
            let mut swapped = Live::clone(&live);
            swapped.views.insert(name.to_owned(), Arc::new(next));
            *live = Arc::new(swapped);
            result.persisted = persist && self.keep(&live);
        }
        Some(result)
    }

    /// Takes all overrides of a configuration back; false if there were none. `None`: no such configuration.
    pub fn clear(&self, name: &str) -> Option<bool> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let view = live.get(name)?;
        if view.overrides.is_empty() {
            return Some(false);
        }
        let plain = view.overridden(Map::new(), view.revision + 1).ok()?;
        tracing::info!(config = name, from = view.revision, to = plain.revision, "overrides cleared");
        let mut swapped = Live::clone(&live);
        swapped.views.insert(name.to_owned(), Arc::new(plain));
        *live = Arc::new(swapped);
        self.keep(&live);
        Some(true)
    }

    /// Writes all overrides to the store, whole or not at all.
    fn keep(&self, live: &Live) -> bool {
        let Some(path) = &self.store else { return false };
        let kept: Map<String, Value> = live
            .views()
            .filter(|view| !view.overrides.is_empty())
            .map(|view| (view.name.clone(), json!({"overrides": view.overrides, "revision": view.revision})))
            .collect();
        let beside = path.with_extension("new");
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&beside, Value::Object(kept).to_string()))
            .and_then(|()| std::fs::rename(&beside, path));
        if let Err(error) = &written {
            tracing::warn!(path = %path.display(), %error, "cannot keep the overrides");
        }
        written.is_ok()
    }
}

fn apply(live: &mut Live, name: &str, overrides: Map<String, Value>, revision: u64) {
    let Some(view) = live.get(name) else {
        tracing::warn!(
            config = name,
            "overrides of a configuration that does not exist any more are left out"
        );
        return;
    };
    match view.overridden(overrides, revision) {
        Ok(next) => {
            live.views.insert(name.to_owned(), Arc::new(next));
        }
        Err(rejected) => {
            for (block, reason) in rejected {
                tracing::warn!(
                    config = name,
                    block,
                    reason,
                    "an override does not fit any more and is left out"
                );
            }
        }
    }
}

fn stored(path: &PathBuf) -> BTreeMap<String, (Map<String, Value>, u64)> {
    let Ok(text) = std::fs::read_to_string(path) else { return BTreeMap::new() };
    let Ok(Value::Object(all)) = serde_json::from_str(&text) else {
        tracing::warn!(path = %path.display(), "the kept overrides cannot be read and are left out");
        return BTreeMap::new();
    };
    all.into_iter()
        .filter_map(|(name, kept)| {
            let overrides = kept["overrides"].as_object()?.clone();
            Some((name, (overrides, kept["revision"].as_u64().unwrap_or(1))))
        })
        .collect()
}

/// Objects merge key by key, anything else replaces.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Where overrides are kept: the unit's state directory, else the user's.
pub fn store() -> Option<PathBuf> {
    let by_unit = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    let by_user = || std::env::var_os("XDG_STATE_HOME").map(|path| PathBuf::from(path).join("salesbot"));
    let by_home = || std::env::var_os("HOME").map(|path| PathBuf::from(path).join(".local/state/salesbot"));
    by_unit.or_else(by_user).or_else(by_home).map(|folder| folder.join("overrides.json"))
}
