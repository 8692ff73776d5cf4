//! Findings as SARIF 2.1.0, the format code review tools read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use salesbot_yaml::{Diagnostics, Severity};

pub(super) fn sarif(found: &Diagnostics) -> Value {
    let codes: BTreeSet<&str> = found.iter().map(|finding| finding.code).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({"id": code})).collect();
    let results: Vec<Value> = found
        .iter()
        .map(|finding| {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let mut place = json!({"artifactLocation": {"uri": finding.file}});
            if finding.line > 0 {
                place["region"] = json!({"startLine": finding.line, "startColumn": finding.column});
            }
            json!({
                "ruleId": finding.code, "level": level, "message": {"text": format!("{}{hint}", finding.message)},
                "locations": [{"physicalLocation": place}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "salesbot", "version": env!("CARGO_PKG_VERSION"), "rules": rules}}, "results": results}],
    })
}
