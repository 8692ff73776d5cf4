//! The intents a client message can have: taxonomy, groups, display labels, example utterances.
//!
//! One file per group of intents in `content/nlu/intents/`; names resolve to [`IntentId`] at load.

use std::collections::BTreeMap;

use salesbot_yaml::{Diagnostics, Fields, Node, Place, SourceFile, entries, parse, strings};

/// Index into the catalog; ids follow the alphabet of the names, so they are stable for one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub u16);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntentSpec {
    pub name: String,
    /// What a menu calls it, in Russian.
    pub label: String,
    pub gloss: String,
    pub category: String,
    pub super_category: String,
    pub domain: String,
    pub priority: String,
    /// What the bot does when no rule of the state or the flow knows the intent.
    pub fallback_action: Option<String>,
    pub fallback_state: Option<String>,
    pub bypass_disambiguation: bool,
    pub groups: Vec<String>,
    pub examples: Vec<String>,
    /// Never trained on; measured by the tests.
    pub held_out: Vec<String>,
}

/// All intents. Two of them the engine itself needs by name: `unclear` and `contact_provided`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntentCatalog {
    specs: Vec<IntentSpec>,
    by_name: BTreeMap<String, IntentId>,
}

impl IntentCatalog {
    /// Reads `nlu/intents/*.yaml`. Errors: E02 unknown key, E17 missing key, E30 an intent declared twice,
    /// E31 a label, gloss or examples missing, E32 `unclear` or `contact_provided` missing.
    pub fn load(files: &[SourceFile], diagnostics: &mut Diagnostics) -> Self {
        let mut specs: BTreeMap<String, IntentSpec> = BTreeMap::new();
        for file in files {
            let Some(root) = parse(file, diagnostics) else { continue };
            let Some(mut fields) = Fields::of(&root, file, diagnostics) else { continue };
            let list = fields.node("intents");
            fields.finish();
            let Some(list) = list else { continue };
            for (key, node) in entries(list, file, diagnostics) {
                let name = key.text().unwrap_or_default().to_owned();
                let Some(spec) = read(&name, node, file, diagnostics) else { continue };
                if specs.insert(name.clone(), spec).is_some() {
                    diagnostics.error(file, key.place, "E30", format!("intent `{name}` is declared twice"));
                }
            }
        }
        if let Some(file) = files.first() {
            for needed in ["unclear", "contact_provided"] {
                if !specs.contains_key(needed) {
                    diagnostics.error(file, Place::default(), "E32", format!("intent `{needed}` is missing"));
                }
            }
        }
        Self::from_specs(specs.into_values().collect())
    }

    /// Builds a catalog of ready specs; they are put in the order of their names.
    pub fn from_specs(mut specs: Vec<IntentSpec>) -> Self {
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let by_name = specs
            .iter()
            .enumerate()
            .map(|(i, spec)| (spec.name.clone(), IntentId(u16::try_from(i).unwrap_or(u16::MAX))))
            .collect();
        Self { specs, by_name }
    }

    pub fn id(&self, name: &str) -> Option<IntentId> {
        self.by_name.get(name).copied()
    }

    pub fn get(&self, id: IntentId) -> &IntentSpec {
        &self.specs[usize::from(id.0)]
    }

    pub fn name(&self, id: IntentId) -> &str {
        &self.get(id).name
    }

    pub fn iter(&self) -> impl Iterator<Item = (IntentId, &IntentSpec)> {
        self.by_name.values().map(|id| (*id, self.get(*id)))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().map(|spec| spec.name.as_str())
    }

    pub fn len(&self) -> usize {
        self.specs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// The intent of a message nobody understood. Present after a load without errors.
    pub fn unclear(&self) -> IntentId {
        self.id("unclear").unwrap_or(IntentId(0))
    }

    pub fn is(&self, id: IntentId, name: &str) -> bool {
        self.name(id) == name
    }

    pub fn in_category(&self, id: IntentId, category: &str) -> bool {
        self.get(id).category == category
    }

    /// Base group (`price_related`, `equipment_questions`, …) membership.
    pub fn in_group(&self, id: IntentId, group: &str) -> bool {
        self.get(id).groups.iter().any(|own| own == group)
    }

    pub fn is_objection(&self, id: IntentId) -> bool {
        self.in_category(id, "objection")
    }

    pub fn is_price(&self, id: IntentId) -> bool {
        self.in_group(id, "price_related")
    }

    /// *Question* of the engine's rules: everything of the taxonomy category, price questions included.
    pub fn is_question(&self, id: IntentId) -> bool {
        self.in_category(id, "question")
    }

    /// A question about a fact that the knowledge base answers, price questions excluded.
    pub fn is_fact_question(&self, id: IntentId) -> bool {
        self.is_question(id) && !self.is_price(id)
    }

    pub fn is_positive(&self, id: IntentId) -> bool {
        self.in_category(id, "positive")
    }
}

fn read(name: &str, node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<IntentSpec> {
    let place = node.place;
    let mut fields = Fields::of(node, file, diagnostics)?;
    let spec = IntentSpec {
        name: name.to_owned(),
        label: fields.required("label").unwrap_or_default(),
        gloss: fields.required("gloss").unwrap_or_default(),
        category: fields.required("category").unwrap_or_default(),
        super_category: fields.required("super_category").unwrap_or_default(),
        domain: fields.required("domain").unwrap_or_default(),
        priority: fields.required("priority").unwrap_or_default(),
        fallback_action: fields.optional("fallback_action"),
        fallback_state: fields.optional("fallback_state"),
        bypass_disambiguation: fields.or("bypass_disambiguation", false),
        groups: fields.optional("groups").unwrap_or_default(),
        examples: Vec::new(),
        held_out: Vec::new(),
    };
    let examples = fields.node("examples");
    let held_out = fields.node("held_out");
    fields.finish();
    let texts = |node: Option<&Node>, diagnostics: &mut Diagnostics| {
        node.map(|node| strings(node, file, diagnostics)).unwrap_or_default()
    };
    let spec =
        IntentSpec { examples: texts(examples, diagnostics), held_out: texts(held_out, diagnostics), ..spec };
    if spec.examples.is_empty() {
        diagnostics.error(file, place, "E31", format!("intent `{name}` has no examples"));
    }
    Some(spec)
}
