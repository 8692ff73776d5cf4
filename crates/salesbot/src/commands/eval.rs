//! Labelled files, a JSON object a line.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

pub(super) fn lines(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}: not JSON", file.display(), at + 1))
        })
        .collect()
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

pub(super) fn percentile(sorted: &[u128], share: usize) -> u128 {
    if sorted.is_empty() { 0 } else { sorted[(sorted.len() - 1) * share / 100] }
}
