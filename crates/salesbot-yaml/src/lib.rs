//! YAML with places: every value of a loaded file knows its line and column, and every complaint about it
//! names them.
//!
//! A loader reads a [`SourceFile`] into a tree of [`Node`]s with [`parse`], takes the fields it knows through
//! [`Fields`], and writes what is wrong into [`Diagnostics`]: all errors of a load come together, not one by
//! one. Deliberately absent: serde (it stops at the first error) and file access (the binary alone reads
//! files, so that a test can write its YAML inline).

use std::borrow::Cow;

mod diagnostic;
mod fields;
mod node;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, nearest};
pub use fields::{Fields, FromNode, entries, items, strings};
pub use node::{Node, Place, Value, parse};

/// One YAML file as text. `name` is what diagnostics show, a path relative to the content folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub name: String,
    /// Embedded files are not copied.
    pub text: Cow<'static, str>,
}

impl SourceFile {
    pub fn new(name: impl Into<String>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}
