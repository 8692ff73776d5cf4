//! The tree of one YAML document, built from the events of `saphyr-parser`.
//!
//! Scalars keep their source text: whether `910` is a number or a keyword is for the reader of the field to
//! say. Cost: 3 MB of Cyrillic in about 0.1 s (docs/performance.md).

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::{Diagnostics, SourceFile};

/// Where a value stands: line and column from 1, width in characters. Line 0 is the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `plain` scalars (no quotes, no block) may be read as numbers, booleans or null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In file order; a repeated key is reported as E16 and the last one wins.
    Map(Vec<(Node, Node)>),
}

/// Aliases may repeat a subtree; past so many nodes, or one a byte of the file, it is refused instead of eating
/// the memory.
const MAX_NODES: usize = 2_000_000;
/// Deeper nesting than any content file needs; keeps the recursion of readers bounded.
const MAX_DEPTH: usize = 64;

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// An absent value: `~`, `null`, or nothing after the colon.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    pub fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&[(Self, Self)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of `key` in a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map()?.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// What the value is, in words for a message.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|(k, v)| k.size() + v.size()).sum(),
        }
    }
}

enum Open {
    List(Vec<Node>),
    Map(Vec<(Node, Node)>, Option<Node>),
}

/// Reads one document. `None` after a syntax error (E01), or for an empty file (no error: zero content).
pub fn parse(file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let mut builder = Builder { most_nodes: MAX_NODES.max(text.len()), ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span, file, diagnostics),
            Err(error) => {
                let mark = error.marker();
                let place = Place { line: mark.line(), column: mark.col() + 1, width: 1 };
                Err((place, error.info().to_owned()))
            }
        };
        if let Err((place, reason)) = step {
            diagnostics.error(file, place, "E01", format!("cannot read this as YAML: {reason}"));
            return None;
        }
    }
    builder.root
}

#[derive(Default)]
struct Builder {
    stack: Vec<(Open, Place, usize)>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    most_nodes: usize,
    documents: usize,
}

type Step = Result<(), (Place, String)>;

impl Builder {
    fn take(
        &mut self,
        event: Event<'_>,
        span: Span,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Step {
        let place = place_of(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((place, "a second document begins here; one per file".to_owned()));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let width = if style == ScalarStyle::Literal || style == ScalarStyle::Folded {
                    1
                } else {
                    place.width
                };
                let node = Node {
                    place: Place { width, ..place },
                    value: Value::Scalar { text: text.into_owned(), plain },
                };
                self.close(node, anchor, file, diagnostics)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += node.size();
                    self.close(node, 0, file, diagnostics)
                }
                None => Err((place, "this alias has no anchor".to_owned())),
            },
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), place, anchor),
            Event::MappingStart(anchor, _) => self.open(Open::Map(Vec::new(), None), place, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((open, place, anchor)) = self.stack.pop() else { return Ok(()) };
                let value = match open {
                    Open::List(items) => Value::List(items),
                    Open::Map(entries, _) => Value::Map(entries),
                };
                self.close(Node { place, value }, anchor, file, diagnostics)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, place: Place, anchor: usize) -> Step {
        if self.stack.len() >= MAX_DEPTH {
            return Err((place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push((open, Place { width: 1, ..place }, anchor));
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize, file: &SourceFile, diagnostics: &mut Diagnostics) -> Step {
        self.nodes += 1;
        if self.nodes > self.most_nodes {
            return Err((node.place, format!("more than {} values in one file", self.most_nodes)));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((Open::Map(entries, key), ..)) => match key.take() {
                None => *key = Some(node),
                Some(key) => insert(entries, key, node, file, diagnostics),
            },
        }
        Ok(())
    }
}

fn insert(
    entries: &mut Vec<(Node, Node)>,
    key: Node,
    value: Node,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) {
    if let Some(text) = key.text()
        && let Some(earlier) = entries.iter_mut().find(|(k, _)| k.text() == Some(text))
    {
        diagnostics
            .error(file, key.place, "E16", format!("key `{text}` stands twice in one mapping"))
            .label(format!("first on line {}", earlier.0.place.line));
        *earlier = (key, value);
        return;
    }
    entries.push((key, value));
}

fn place_of(span: Span) -> Place {
    let width = if span.start.line() == span.end.line() { span.len() } else { 1 };
    Place { line: span.start.line(), column: span.start.col() + 1, width: width.max(1) }
}
