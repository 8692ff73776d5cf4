//! States as written, before inheritance: keys and rows with their places.

use super::*;

/// A state as written, before inheritance; each row remembers its place.
#[derive(Clone, Default)]
pub(super) struct Raw<'a> {
    pub(super) file: Option<&'a SourceFile>,
    pub(super) place: Place,
    pub(super) extends: Option<&'a Node>,
    pub(super) mixins: Vec<&'a Node>,
    pub(super) is_abstract: bool,
    pub(super) keys: BTreeMap<&'static str, &'a Node>,
    pub(super) rules: Rows<'a>,
    pub(super) transitions: Rows<'a>,
}

pub(super) type Rows<'a> = BTreeMap<RowKey, Row<'a>>;

/// What fires a row: an intent, or one of the two things that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKey {
    Intent(IntentId),
    DataComplete,
    Any,
}

/// One row for one intent. Without a value it removes what is inherited.
#[derive(Clone)]
pub(super) struct Row<'a> {
    pub(super) value: Option<&'a Node>,
    pub(super) file: &'a SourceFile,
    pub(super) place: Place,
    /// Rows this one replaces, nearest first.
    pub(super) replaces: Vec<(&'a SourceFile, Place)>,
}

/// The rows of `own` go over those of `into`.
pub(super) fn lay_over<'a>(into: &mut Rows<'a>, own: &Rows<'a>) {
    for (key, row) in own {
        let mut row = row.clone();
        if let Some(below) = into.get(key) {
            row.replaces.push((below.file, below.place));
            row.replaces.extend(below.replaces.iter().copied());
        }
        into.insert(*key, row);
    }
}

const KEYS: [&str; 20] = [
    "kind",
    "goal",
    "phase",
    "state",
    "kb_categories",
    "terminal_requirements",
    "required",
    "optional",
    "on_enter_flags",
    "on_enter",
    "next",
    "prev",
    "max_turns",
    "options_from_turn",
    "stall_exit",
    "final",
    "price_default",
    "unclear_default",
    "phase_label",
    "note",
];

impl<'a> Loader<'a> {
    pub(super) fn read_states<'n>(
        &self,
        base: &'n [(&'n SourceFile, Node)],
        key: &str,
        diagnostics: &mut Diagnostics,
    ) -> BTreeMap<String, Raw<'n>> {
        let mut found = BTreeMap::new();
        for (file, root) in base {
            let Some(states) = root.get(key) else { continue };
            for (name, node) in entries(states, file, diagnostics) {
                let raw = self.read_state(node, name.place, file, diagnostics);
                found.insert(name.text().unwrap_or_default().to_owned(), raw);
            }
        }
        found
    }

    pub(super) fn read_state<'n>(
        &self,
        node: &'n Node,
        place: Place,
        file: &'n SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Raw<'n> {
        let mut raw = Raw { file: Some(file), place, ..Raw::default() };
        let Some(mut fields) = Fields::of(node, file, diagnostics) else { return raw };
        for key in KEYS {
            if let Some(value) = fields.node(key) {
                raw.keys.insert(key, value);
            }
        }
        raw.extends = fields.node("extends");
        raw.mixins = fields.node("mixins").map(items).unwrap_or_default().iter().collect();
        raw.is_abstract = fields.or("abstract", false);
        let rules = fields.node("rules");
        let own_rules = fields.node("own_rules");
        let transitions = fields.node("transitions");
        let own_transitions = fields.node("own_transitions");
        fields.finish();
        for rows in [rules, own_rules].into_iter().flatten() {
            self.read_rows(rows, "do", file, &mut raw.rules, diagnostics);
        }
        for rows in [transitions, own_transitions].into_iter().flatten() {
            self.read_rows(rows, "to", file, &mut raw.transitions, diagnostics);
        }
        raw
    }

    /// Rows `{intents | group, do | to}` become one entry per intent; pseudo-intents keep their name.
    fn read_rows<'n>(
        &self,
        rows: &'n Node,
        key: &'static str,
        file: &'n SourceFile,
        into: &mut Rows<'n>,
        diagnostics: &mut Diagnostics,
    ) {
        for row in items(rows) {
            let Some(mut fields) = Fields::of(row, file, diagnostics) else { continue };
            let intents = fields.node("intents");
            let groups = fields.node("group");
            let value = fields.node(key);
            fields.node("note");
            fields.finish();
            let mut names: Vec<(String, Place)> = Vec::new();
            for item in intents.map(items).unwrap_or_default() {
                names.push((item.text().unwrap_or_default().to_owned(), item.place));
            }
            for item in groups.map(items).unwrap_or_default() {
                let group = item.text().unwrap_or_default();
                match self.groups.get(group) {
                    Some(members) => {
                        names
                            .extend(members.iter().map(|id| (self.intents.name(*id).to_owned(), item.place)));
                    }
                    None => {
                        diagnostics
                            .error(file, item.place, "E08", format!("unknown group `{group}`"))
                            .suggest(group, self.groups.keys().map(String::as_str));
                    }
                }
            }
            if intents.is_none() && groups.is_none() {
                diagnostics.error(file, row.place, "E17", "a row needs `intents` or `group`");
            }
            for (name, place) in names {
                let key = match (name.as_str(), self.intents.id(&name)) {
                    ("data_complete", _) if key == "to" => RowKey::DataComplete,
                    ("any", _) if key == "to" => RowKey::Any,
                    (_, Some(id)) => RowKey::Intent(id),
                    (_, None) => {
                        diagnostics
                            .error(file, place, "E08", format!("unknown intent `{name}`"))
                            .suggest(&name, self.intents.names());
                        continue;
                    }
                };
                let row = Row { value, file, place, replaces: Vec::new() };
                if let Some(earlier) = into.insert(key, row)
                    && earlier.file.name == file.name
                {
                    diagnostics
                        .warning(
                            file,
                            place,
                            "W14",
                            format!("`{name}` has two rows in this state; the later one counts"),
                        )
                        .label(format!("the row of line {} is never used", earlier.place.line));
                }
            }
        }
    }
}
