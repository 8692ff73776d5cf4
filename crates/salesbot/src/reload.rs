//! Content that changes while the service runs: a hang-up signal or a saved file loads everything anew. Good
//! content is swapped in whole; bad content changes nothing and is reported in full.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use salesbot_yaml::Severity;
use tokio::sync::mpsc;

use crate::http::Service;
use crate::load::Invalid;

/// Editors write a file in several steps: what comes within this time is one change.
const SETTLE: Duration = Duration::from_millis(400);

/// Watches the content folder and the hang-up signal for as long as the service lives.
pub fn keep_fresh(service: &Arc<Service>) {
    let (changed, mut changes) = mpsc::channel::<&'static str>(8);
    #[cfg(unix)]
    {
        let changed = changed.clone();
        tokio::spawn(async move {
            let hangup = tokio::signal::unix::SignalKind::hangup();
            let Ok(mut hangup) = tokio::signal::unix::signal(hangup) else { return };
            while hangup.recv().await.is_some() {
                changed.send("signal").await.ok();
            }
        });
    }
    let mut watch = Watch::new(changed);
    watch.add(service);
    let service = Arc::clone(service);
    tokio::spawn(async move {
        // Moved in here: a watcher lives as long as it is listened to.
        while let Some(why) = changes.recv().await {
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv().is_ok() {}
            let loading = Arc::clone(&service);
            tokio::task::spawn_blocking(move || reload(&loading, why)).await.ok();
            watch.add(&service);
        }
    });
}

/// Folders whose files are waited for.
struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    fn new(changed: mpsc::Sender<&'static str>) -> Self {
        let yaml = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = name.ends_with(".yaml") || name.ends_with(".yml");
            !name.starts_with('.') && (text || !name.contains('.'))
        };
        let told = move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && !event.kind.is_access()
                && event.paths.iter().any(yaml)
            {
                // A full queue holds a change already: this one goes with it.
                changed.try_send("file").ok();
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "cannot watch any folder; send SIGHUP after an edit"))
            .ok();
        Self { watcher, folders: BTreeSet::new() }
    }

    /// Watches the content folder and the knowledge folders of all configurations, new ones too.
    fn add(&mut self, service: &Service) {
        let Some(watcher) = &mut self.watcher else { return };
        let live = service.configurations.live();
        let knowledge = live.views().filter_map(|view| view.settings.knowledge_path());
        for folder in service.configurations.overlay().cloned().into_iter().chain(knowledge) {
            if self.folders.contains(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::Recursive) {
                Ok(()) => tracing::info!(folder = %folder.display(), "watching the content"),
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot watch the content; send SIGHUP after an edit");
                }
            }
            self.folders.insert(folder);
        }
    }
}

/// Loads the content anew and swaps it in, or says why not.
pub fn reload(service: &Service, why: &str) -> bool {
    match service.configurations.reload() {
        Ok(loaded) => {
            let warnings = loaded.warnings.count(Severity::Warning);
            tracing::info!(why, warnings, flows = loaded.engine.catalog.names().count(), "content reloaded");
            if warnings > 0 {
                tracing::warn!("{}", loaded.warnings.without_notes());
            }
            true
        }
        Err(error) => {
            match error.downcast_ref::<Invalid>() {
                Some(Invalid(found)) => {
                    let errors = found.count(Severity::Error);
                    tracing::error!(
                        why,
                        errors,
                        "the changed content cannot be used; the old one goes on:\n{found}"
                    );
                }
                None => {
                    tracing::error!(why, "the changed content cannot be used; the old one goes on: {error:#}")
                }
            }
            false
        }
    }
}
