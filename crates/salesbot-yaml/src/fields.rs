//! Reading a map field by field, with every mistake noted and none fatal.

use crate::{Diagnostics, Node, Place, SourceFile};

/// A value that a field can hold. `None` means "wrong, and already reported".
pub trait FromNode: Sized {
    fn from_node(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Self>;
}

/// The fields of one map. Unknown keys are reported (E02) by [`Fields::finish`] with the nearest known name.
pub struct Fields<'n, 'd> {
    file: &'d SourceFile,
    place: Place,
    entries: &'n [(Node, Node)],
    known: Vec<&'static str>,
    pub diagnostics: &'d mut Diagnostics,
}

impl<'n, 'd> Fields<'n, 'd> {
    /// `None` (and E18) if `node` is not a map.
    pub fn of(node: &'n Node, file: &'d SourceFile, diagnostics: &'d mut Diagnostics) -> Option<Self> {
        let Some(entries) = node.map() else {
            wrong(node, "a mapping", file, diagnostics);
            return None;
        };
        Some(Self { file, place: node.place, entries, known: Vec::new(), diagnostics })
    }

    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let entries = self.entries;
        entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v).filter(|v| !v.is_null())
    }

    pub fn optional<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let node = self.node(key)?;
        T::from_node(node, self.file, self.diagnostics)
    }

    pub fn or<T: FromNode>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// E17 if the key is missing.
    pub fn required<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        match self.node(key) {
            Some(node) => T::from_node(node, self.file, self.diagnostics),
            None => {
                let place = self.place;
                self.diagnostics.error(self.file, place, "E17", format!("key `{key}` is missing"));
                None
            }
        }
    }

    pub fn finish(self) {
        for (key, _) in self.entries {
            let Some(name) = key.text() else {
                self.diagnostics.error(self.file, key.place, "E02", "a key must be a single word");
                continue;
            };
            if !self.known.contains(&name) {
                self.diagnostics
                    .error(self.file, key.place, "E02", format!("unknown key `{name}`"))
                    .label(format!("known here: {}", self.known.join(", ")))
                    .suggest(name, self.known.iter().copied());
            }
        }
    }
}

fn wrong(node: &Node, wanted: &str, file: &SourceFile, diagnostics: &mut Diagnostics) {
    diagnostics.error(file, node.place, "E18", format!("expected {wanted}, found {}", node.kind()));
}

/// The entries of a map with text keys, in file order; reports what is not one.
pub fn entries<'a>(
    node: &'a Node,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
) -> Vec<(&'a Node, &'a Node)> {
    match node.map() {
        Some(entries) => entries.iter().filter(|(k, _)| k.text().is_some()).map(|(k, v)| (k, v)).collect(),
        None if node.is_null() => Vec::new(),
        None => {
            wrong(node, "a mapping", file, diagnostics);
            Vec::new()
        }
    }
}

/// The items of a list; a single value counts as a list of one.
pub fn items(node: &Node) -> &[Node] {
    node.list().unwrap_or(if node.is_null() { &[] } else { std::slice::from_ref(node) })
}

/// The texts of a list (or of a single value); reports items that are not text.
pub fn strings(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<String> {
    items(node).iter().filter_map(|item| String::from_node(item, file, diagnostics)).collect()
}

impl FromNode for String {
    fn from_node(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Self> {
        if node.text().is_none() {
            wrong(node, "text", file, diagnostics);
        }
        node.text().map(str::to_owned)
    }
}

impl FromNode for Vec<String> {
    fn from_node(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Self> {
        Some(strings(node, file, diagnostics))
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Self> {
        match node.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                wrong(node, "`true` or `false`", file, diagnostics);
                None
            }
        }
    }
}

macro_rules! number {
    ($($type:ty => $words:literal),*) => {$(
        impl FromNode for $type {
            fn from_node(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Self> {
                let number = node.text().and_then(|text| text.parse().ok());
                if number.is_none() {
                    wrong(node, $words, file, diagnostics);
                }
                number
            }
        }
    )*};
}
number!(u8 => "a number from 0 to 255", u16 => "a whole number from 0 to 65535", u32 => "a whole number, 0 or more",
    usize => "a whole number, 0 or more", i32 => "a whole number", i64 => "a whole number", u64 => "a whole number, 0 or more",
    f32 => "a number", f64 => "a number");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn check(text: &str) -> String {
        let file = SourceFile::new("flows/shop.yaml", text.to_owned());
        let mut diagnostics = Diagnostics::default();
        if let Some(node) = parse(&file, &mut diagnostics)
            && let Some(mut fields) = Fields::of(&node, &file, &mut diagnostics)
        {
            fields.required::<String>("name");
            fields.optional::<u8>("turns");
            fields.optional::<Vec<String>>("goals");
            fields.finish();
        }
        diagnostics.sort();
        diagnostics.to_string()
    }

    #[test]
    fn a_good_file_has_no_findings() {
        assert_eq!(check("name: касса\nturns: 5\ngoals: [учёт, чеки]\n"), "");
    }

    #[test]
    fn every_mistake_of_a_file_is_reported_at_its_place_with_a_hint() {
        let found = check("trns: 5\nturns: много\n");
        assert_eq!(
            found,
            "error[E02]: unknown key `trns`
 --> flows/shop.yaml:1:1
  |
1 | trns: 5
  | ^^^^ known here: name, turns, goals
hint: did you mean `turns`?

error[E17]: key `name` is missing
 --> flows/shop.yaml:1:1
  |
1 | trns: 5
  | ^

error[E18]: expected a number from 0 to 255, found a single value
 --> flows/shop.yaml:2:8
  |
2 | turns: много
  |        ^^^^^"
        );
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let found = check("name: [учёт\nturns: 5");
        assert!(found.starts_with("error[E01]: cannot read this as YAML"), "{found}");
        assert!(found.contains("flows/shop.yaml:"), "{found}");
    }

    #[test]
    fn a_repeated_key_names_the_first_one() {
        let found = check("name: а\nname: б\n");
        assert!(found.contains("error[E16]: key `name` stands twice"), "{found}");
        assert!(found.contains("first on line 1"), "{found}");
    }

    #[test]
    fn aliases_cannot_blow_up_a_file() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..9 {
            text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
        }
        assert!(check(&text).contains("E01"));
    }
}
