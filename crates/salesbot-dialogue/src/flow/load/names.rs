//! Names in rows: states, actions, and the `$` keys that stand for them.

use super::*;

/// Resolves `$next`, `$prev`, `$entry_state`, `$price_default`, `$unclear_default` and plain names.
#[derive(Clone, Copy)]
pub(super) struct Names<'n, 'a> {
    pub(super) by_name: &'n BTreeMap<String, StateId>,
    pub(super) flow: &'n str,
    pub(super) entry: Option<&'n str>,
    pub(super) raw: Option<&'n Raw<'a>>,
}

impl Names<'_, '_> {
    fn expand<'s>(&'s self, text: &'s str) -> &'s str {
        let key = |key: &str| self.raw.and_then(|raw| raw.keys.get(key)).and_then(|node| node.text());
        match text {
            "$entry_state" => self.entry.unwrap_or(text),
            "$next" => key("next").unwrap_or(text),
            "$prev" => key("prev").unwrap_or(text),
            "$price_default" => key("price_default").unwrap_or(text),
            "$unclear_default" => key("unclear_default").unwrap_or(text),
            _ => text,
        }
    }

    pub(super) fn state(
        &self,
        node: &Node,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Option<StateId> {
        let text = node.text().unwrap_or_default();
        // An entry state that does not exist is the fault of the flow's own line, said once and there.
        if text == "$entry_state" && self.entry.is_some_and(|entry| !self.by_name.contains_key(entry)) {
            return None;
        }
        // `$next` that leads nowhere is the fault of the state's own `next`, said once and there.
        let key = text
            .strip_prefix('$')
            .and_then(|key| self.raw.and_then(|raw| raw.keys.get(key).map(|node| (raw.file, node))));
        match key {
            Some((own, node)) if !node.text().unwrap_or_default().starts_with('$') => {
                self.by_text(node.text().unwrap_or_default(), node.place, own.unwrap_or(file), diagnostics)
            }
            _ => self.by_text(text, node.place, file, diagnostics),
        }
    }

    pub(super) fn by_text(
        &self,
        text: &str,
        place: Place,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Option<StateId> {
        let mut name = self.expand(text);
        name = self.expand(name);
        if name.starts_with('$') {
            self.no_value(text, place, file, diagnostics);
            return None;
        }
        let found = self.by_name.get(name).copied();
        if found.is_none() {
            diagnostics
                .error(file, place, "E06", format!("unknown state `{name}`"))
                .label(format!("flow `{}` has no such state", self.flow))
                .suggest(name, self.by_name.keys().map(String::as_str));
        }
        found
    }

    /// A `$key` the state does not have: the fault is the state's, wherever the row that needs it stands.
    fn no_value(&self, text: &str, place: Place, file: &SourceFile, diagnostics: &mut Diagnostics) {
        let key = text.trim_start_matches('$');
        let (own_file, own_place) = match self.raw.and_then(|raw| Some((raw.file?, raw.place))) {
            Some(own) => own,
            None => (file, place),
        };
        let message = format!("this state needs a key `{key}`: a row it takes over says `{text}`");
        diagnostics.error(own_file, own_place, "E05", message);
    }

    pub(super) fn action(
        &self,
        node: &Node,
        file: &SourceFile,
        loader: &Loader<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<String> {
        let text = node.text().unwrap_or_default();
        let name = self.expand(text);
        if name.starts_with('$') {
            self.no_value(text, node.place, file, diagnostics);
            return None;
        }
        if !(loader.known.action)(name) {
            diagnostics
                .error(file, node.place, "E09", format!("action `{name}` has no reply recipe"))
                .hint("declare it in replies/actions.yaml")
                .suggest(name, loader.known.actions.iter().map(String::as_str));
            return None;
        }
        Some(name.to_owned())
    }
}

pub(super) fn read_chain<T>(
    node: &Node,
    key: &str,
    scope: &Scope<'_>,
    file: &SourceFile,
    diagnostics: &mut Diagnostics,
    value: &mut dyn FnMut(&Node, &mut Diagnostics) -> Option<T>,
) -> Chain<T> {
    let mut chain = Chain { cases: Vec::new(), default: None, at: RowPlace::default(), replaces: Vec::new() };
    for item in items(node) {
        if chain.default.is_some() {
            diagnostics.error(
                file,
                item.place,
                "E17",
                "this entry stands after the default and can never be reached",
            );
        } else if let (Some(when), Some(then)) = (item.get("when"), item.get(key)) {
            let condition = condition::read(when, scope, file, diagnostics);
            let target = value(then, diagnostics);
            if let (Some(condition), Some(target)) = (condition, target) {
                chain.cases.push((condition, target));
            }
        } else {
            chain.default = value(item, diagnostics);
        }
    }
    chain
}
