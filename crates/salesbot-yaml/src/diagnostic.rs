//! What is wrong in a file, said to the person who must mend it: place, reason, way out.

use std::fmt;

use serde::Serialize;

use crate::{Place, SourceFile};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    /// Worth knowing; never counts, not even under `--strict`.
    Note,
}

/// One finding. `line` and `column` count from 1, in characters; `line` 0 means the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: &'static str,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip)]
    source_line: String,
    #[serde(skip)]
    width: usize,
}

impl Diagnostic {
    /// Words under the caret.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" when a known name is near enough to `found`.
    pub fn suggest<'n>(&mut self, found: &str, known: impl IntoIterator<Item = &'n str>) -> &mut Self {
        if let Some(name) = nearest(found, known) {
            self.hint = Some(format!("did you mean `{name}`?"));
        }
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        writeln!(out, "{severity}[{}]: {}", self.code, self.message)?;
        if self.line == 0 {
            write!(out, "  --> {}", self.file)?;
        } else {
            let gutter = self.line.to_string().len();
            writeln!(out, "{:gutter$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
            writeln!(out, "{:gutter$} |", "")?;
            writeln!(out, "{} | {}", self.line, self.source_line)?;
            let blank: String = self
                .source_line
                .chars()
                .take(self.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(out, "{:gutter$} | {blank}{}", "", "^".repeat(self.width.max(1)))?;
            if !self.label.is_empty() {
                write!(out, " {}", self.label)?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(out, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// All findings of one load, in the order of files and lines once [`Diagnostics::sort`]ed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn error(
        &mut self,
        file: &SourceFile,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Error, file, place, code, message.into())
    }

    pub fn warning(
        &mut self,
        file: &SourceFile,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Warning, file, place, code, message.into())
    }

    pub fn note(
        &mut self,
        file: &SourceFile,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Note, file, place, code, message.into())
    }

    fn push(
        &mut self,
        severity: Severity,
        file: &SourceFile,
        place: Place,
        code: &'static str,
        message: String,
    ) -> &mut Diagnostic {
        let source_line = match place.line {
            0 => String::new(),
            line => file.text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned(),
        };
        // A caret never runs past its line: a multi-line value is marked on its first line only.
        let room = source_line.chars().count().saturating_sub(place.column.saturating_sub(1));
        self.list.push(Diagnostic {
            severity,
            code,
            file: file.name.clone(),
            line: place.line,
            column: place.column.max(1),
            message,
            label: String::new(),
            hint: None,
            source_line,
            width: place.width.min(room),
        });
        self.list.last_mut().expect("just pushed")
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|found| found.severity == Severity::Error)
    }

    pub fn first_message(&self) -> Option<&str> {
        self.list.first().map(|found| found.message.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|found| found.severity == severity).count()
    }

    /// Shows files under other names.
    pub fn rename(&mut self, name: impl Fn(&str) -> Option<String>) {
        for found in &mut self.list {
            if let Some(other) = name(&found.file) {
                found.file = other;
            }
        }
    }

    /// Drops findings of other files.
    pub fn keep_files(&mut self, wanted: impl Fn(&str) -> bool) {
        self.list.retain(|found| wanted(&found.file));
    }

    /// Errors and warnings alone.
    pub fn without_notes(&self) -> Self {
        let list = self.list.iter().filter(|found| found.severity != Severity::Note).cloned();
        Self { list: list.collect() }
    }

    pub fn has_code(&self, code: &str) -> bool {
        self.list.iter().any(|found| found.code == code)
    }

    /// Takes out warnings and notes with these codes; errors stay.
    /// Gives findings of one code another code and severity.
    pub fn recode(&mut self, from: &str, to: &'static str, severity: Severity) {
        for finding in self.list.iter_mut().filter(|finding| finding.code == from) {
            (finding.code, finding.severity) = (to, severity);
        }
    }

    pub fn drop_codes(&mut self, codes: &[String]) {
        let dropped = |code: &str| codes.iter().any(|known| known == code);
        self.list.retain(|found| found.severity == Severity::Error || !dropped(found.code));
    }

    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// By file and place; a finding made twice is kept once.
    pub fn sort(&mut self) {
        let key = |found: &Diagnostic| {
            (found.file.clone(), found.line, found.column, found.code, found.message.clone())
        };
        self.list.sort_by_key(key);
        self.list.dedup();
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, found) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(out, "\n")?;
            }
            write!(out, "{found}")?;
        }
        Ok(())
    }
}

/// The known name closest to `found`, if it is close: at most a third of its letters differ.
pub fn nearest<'n>(found: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (found.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(found, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}
