//! Content that changes while the service runs: a hang-up signal or a saved file loads everything anew. Good
//! content is swapped in whole; bad content changes nothing and is reported in full.

use std::path::{Path, PathBuf};
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
    let watcher = service.configurations.overlay().and_then(|folder| watch(folder, changed));
    let service = Arc::clone(service);
    tokio::spawn(async move {
        // Dropped with the task: a watcher lives as long as it is listened to.
        let _watcher = watcher;
        while let Some(why) = changes.recv().await {
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv().is_ok() {}
            let service = Arc::clone(&service);
            tokio::task::spawn_blocking(move || reload(&service, why)).await.ok();
        }
    });
}

fn watch(folder: &Path, changed: mpsc::Sender<&'static str>) -> Option<notify::RecommendedWatcher> {
    let yaml = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with('.') && (name.ends_with(".yaml") || !name.contains('.'))
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
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => {
            tracing::info!(folder = %folder.display(), "watching the content");
            Some(watcher)
        }
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot watch the content; send SIGHUP after an edit");
            None
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
