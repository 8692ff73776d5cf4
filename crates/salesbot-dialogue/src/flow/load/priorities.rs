//! Priorities: profiles of `_base/priorities.yaml` and a flow's own list.

use super::*;

impl Loader<'_> {
    pub(super) fn read_profiles(
        &self,
        base: &[(&SourceFile, Node)],
        slots: &BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> BTreeMap<String, Vec<RankRule>> {
        let mut profiles = BTreeMap::new();
        for (file, root) in base {
            let Some(list) = root.get("priorities") else { continue };
            for (key, node) in entries(list, file, diagnostics) {
                let rules = self.read_priorities(node, &profiles, slots, file, diagnostics);
                profiles.insert(key.text().unwrap_or_default().to_owned(), rules);
            }
        }
        profiles
    }

    pub(super) fn read_priorities(
        &self,
        node: &Node,
        profiles: &BTreeMap<String, Vec<RankRule>>,
        slots: &BTreeSet<String>,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Vec<RankRule> {
        if let Some(list) = node.list() {
            return list.iter().filter_map(|row| self.rank_rule(row, slots, file, diagnostics)).collect();
        }
        if let Some(name) = node.text() {
            return self.profile(name, node, profiles, file, diagnostics);
        }
        let Some(parent) = node.get("extends") else {
            diagnostics.error(
                file,
                node.place,
                "E17",
                "priorities need a list, a profile name, or `extends`",
            );
            return Vec::new();
        };
        let mut rules = self.profile(parent.text().unwrap_or_default(), parent, profiles, file, diagnostics);
        for row in node.get("overrides").map(items).unwrap_or_default() {
            let name = row.get("name").and_then(Node::text).unwrap_or_default();
            let rank = row.get("rank").and_then(Node::text).and_then(|text| text.parse().ok());
            match (rules.iter_mut().find(|rule| rule.name == name), rank) {
                (Some(rule), Some(rank)) => rule.rank = rank,
                _ => {
                    diagnostics.error(
                        file,
                        row.place,
                        "E18",
                        "an override is `{name: <known row>, rank: <number>}`",
                    );
                }
            }
        }
        rules
    }

    fn profile(
        &self,
        name: &str,
        node: &Node,
        profiles: &BTreeMap<String, Vec<RankRule>>,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Vec<RankRule> {
        profiles.get(name).cloned().unwrap_or_else(|| {
            diagnostics
                .error(file, node.place, "E03", format!("unknown priorities profile `{name}`"))
                .suggest(name, profiles.keys().map(String::as_str));
            Vec::new()
        })
    }

    fn rank_rule(
        &self,
        row: &Node,
        slots: &BTreeSet<String>,
        file: &SourceFile,
        diagnostics: &mut Diagnostics,
    ) -> Option<RankRule> {
        let mut fields = Fields::of(row, file, diagnostics)?;
        let name: String = fields.required("name")?;
        let rank = fields.required("rank")?;
        let kind = fields.node("kind");
        let from = fields.node("from");
        let intents = fields.node("intents");
        let group = fields.node("group");
        let question = fields.or("question", false);
        let progress = fields.or("progress", false);
        let action = fields.optional("action");
        let when = fields.node("when");
        let flag: Option<String> = fields.optional("flag");
        fields.finish();
        let kind =
            one_of(kind, &[("action", Kind::Action), ("transition", Kind::Transition)], file, diagnostics);
        let origins = [
            ("state_rule", Origin::StateRule),
            ("intent_transition", Origin::IntentTransition),
            ("data_complete", Origin::DataComplete),
            ("any", Origin::Any),
        ];
        let from = one_of(from, &origins, file, diagnostics);
        let mut members = intents.map(|node| self.intent_list(node, file, diagnostics));
        if let Some(node) = group {
            let name = node.text().unwrap_or_default();
            match self.groups.get(name) {
                Some(group) => members.get_or_insert_default().extend(group),
                None => {
                    diagnostics.error(file, node.place, "E08", format!("unknown group `{name}`"));
                }
            }
        }
        if let Some(flag) = &flag
            && !(self.known.flag)(flag)
        {
            diagnostics.error(file, row.place, "E08", format!("unknown flag `{flag}`"));
        }
        let when = when.and_then(|node| condition::read(node, &self.scope(slots), file, diagnostics));
        Some(RankRule { name, rank, kind, from, intents: members, question, progress, action, when, flag })
    }
}
