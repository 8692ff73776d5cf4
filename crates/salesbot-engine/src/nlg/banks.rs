//! The phrase banks of `content/replies/`: what each action says, loaded and checked once. How a single
//! flow says it differently stands in [`flow`].

pub mod flow;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use salesbot_dialogue::policy::objection::FAMILIES;
use salesbot_dialogue::{Catalog, Choice, IntentCatalog, Tone};
use salesbot_yaml::{Diagnostics, Fields, Node, Place, SourceFile, entries, items, parse};

use super::grammar::holes;
use flow::FlowBank;
use read::{message_map, phrase_map, phrases, read_message, read_question, read_recipe};

/// Files of `content/replies/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySources {
    pub actions: SourceFile,
    pub acks: SourceFile,
    pub questions: SourceFile,
    pub messages: SourceFile,
    pub objections: SourceFile,
    pub menus: SourceFile,
    pub ctas: SourceFile,
    /// `flows/<name>/replies.yaml`, for flows that have one.
    pub flows: Vec<SourceFile>,
}

/// One wording. `tone` limits it to that mood; `asks` says that it ends in a question of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phrase {
    pub text: String,
    pub tone: Option<Tone>,
    pub informal: bool,
    pub asks: Option<String>,
    /// Used only when its numbers are at least so large: "при 1 точке" says nothing.
    pub at_least: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QuestionBank {
    pub state: Option<String>,
    pub slot: Option<String>,
    pub kind: String,
    pub texts: Vec<Phrase>,
}

/// What an action says of its own; a text that ends in a question may ask for a slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageBank {
    pub slot: Option<String>,
    pub texts: Vec<Phrase>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectionBank {
    /// Finds the one fact that stands between agreement and question.
    pub query: Option<String>,
    /// The topic that is meant, where the knowledge has it.
    pub topic: Option<String>,
    pub agree: Vec<Phrase>,
    pub ask: Vec<Phrase>,
    pub second: Vec<Phrase>,
    pub last: Vec<Phrase>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MenuBank {
    pub lead: Vec<Phrase>,
    pub options: Vec<Choice>,
    pub footer: Vec<Phrase>,
}

/// Calls to action for one place: a state, a stage (`mid`, `late`, `close`) or `soft`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CtaBank {
    pub at: String,
    pub kind: String,
    pub texts: Vec<Phrase>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ctas {
    pub texts: Vec<CtaBank>,
    /// Words by which a reply backs off, or names the next step itself: nothing is put after them.
    pub backs_off: Vec<String>,
    pub says_it: Vec<String>,
    /// Words of an offer to look at the program.
    pub shows_it: Vec<String>,
}

/// Where the facts of a reply come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerPart {
    #[default]
    None,
    Asked,
    AskedIfSure,
    Pain,
    Objection,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessagePart {
    #[default]
    None,
    Own,
    WhenNothingLearned,
    Handover,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuestionPart {
    #[default]
    None,
    State,
    Pressure,
    Contact,
}

/// The parts of an action's reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipe {
    pub family: String,
    pub ack: Option<String>,
    /// The action's own text stands before the facts.
    pub lead: bool,
    pub answer: AnswerPart,
    pub message: MessagePart,
    pub question: QuestionPart,
    pub menu: bool,
    pub repeat: bool,
    pub summary: bool,
    /// Bank of the message, the action's own name unless it is an alias.
    pub bank: String,
}

#[derive(Clone, Debug, Default)]
pub struct Banks {
    recipes: BTreeMap<String, Recipe>,
    pub acks: BTreeMap<String, Vec<Phrase>>,
    pub questions: Vec<QuestionBank>,
    /// Asks for a number after a message that says what will happen.
    pub short_contact: Vec<Phrase>,
    pub messages: BTreeMap<String, MessageBank>,
    pub objections: BTreeMap<String, ObjectionBank>,
    /// Words of agreement for single intents, by intent.
    pub special: BTreeMap<String, Vec<Phrase>>,
    pub menus: BTreeMap<String, MenuBank>,
    /// "Was it this or that you meant?"
    pub clarify_two: Vec<Phrase>,
    pub ctas: Ctas,
    /// Wordings of single flows, by the flow's name.
    pub flows: BTreeMap<String, FlowBank>,
}

/// Kinds of calls to action.
pub const KINDS: [&str; 4] = ["demo", "contact", "trial", "info"];

/// Any state may be the target of a bridge; one recipe serves them all.
const BRIDGE: &str = "transition_to";

impl Banks {
    /// Errors: E02 unknown key, E18 wrong value, E40 a needed bank is missing or empty, E41 unknown placeholder.
    pub fn load(
        sources: &ReplySources,
        slots: &BTreeSet<String>,
        intents: &IntentCatalog,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut banks = Self::default();
        banks.read_actions(&sources.actions, diagnostics);
        banks.acks = phrase_map(&sources.acks, "acks", diagnostics);
        banks.messages = message_map(&sources.messages, slots, diagnostics);
        banks.read_questions(&sources.questions, slots, diagnostics);
        banks.read_objections(&sources.objections, diagnostics);
        banks.read_menus(&sources.menus, intents, diagnostics);
        banks.read_ctas(&sources.ctas, diagnostics);
        for file in &sources.flows {
            if let Some((name, bank)) = FlowBank::read(file, slots, diagnostics) {
                banks.flows.insert(name, bank);
            }
        }
        banks.check(sources, slots, diagnostics);
        banks
    }

    /// The recipe of an action; `transition_to_<state>` falls back to the general bridge.
    pub fn recipe(&self, action: &str) -> Option<&Recipe> {
        self.recipes
            .get(action)
            .or_else(|| action.starts_with(BRIDGE).then(|| self.recipes.get(BRIDGE)).flatten())
    }

    pub fn actions(&self) -> impl Iterator<Item = (&str, &Recipe)> {
        self.recipes.iter().map(|(name, recipe)| (name.as_str(), recipe))
    }

    /// An action's own texts with the bank's name: those of the flow before the general ones.
    pub fn message(&self, flow: &str, action: &str) -> Option<(String, &MessageBank)> {
        let bank = self.recipe(action).map_or(action, |recipe| recipe.bank.as_str());
        let of_flow = self.flows.get(flow).map(|flow| &flow.messages);
        for name in [action, bank] {
            if let Some(found) = of_flow.and_then(|own| own.get(name)) {
                return Some((format!("{flow}.{name}"), found));
            }
        }
        let name = [action, bank]
            .into_iter()
            .find(|name| self.messages.contains_key(*name))
            .or_else(|| action.starts_with(BRIDGE).then_some(BRIDGE))?;
        self.messages.get(name).map(|found| (name.to_owned(), found))
    }

    /// The question of a slot in a state: the flow's own, then the state's, then the slot's general one.
    pub fn question(&self, flow: &str, state: &str, slot: &str) -> Option<&QuestionBank> {
        let of_slot = |bank: &&QuestionBank| bank.slot.as_deref() == Some(slot);
        let own = self.flows.get(flow).and_then(|flow| flow.states.get(state));
        own.and_then(|own| own.questions.iter().find(of_slot))
            .or_else(|| self.questions.iter().find(|b| of_slot(b) && b.state.as_deref() == Some(state)))
            .or_else(|| self.questions.iter().find(|bank| of_slot(bank) && bank.state.is_none()))
    }

    /// The question of a state that asks for no slot.
    pub fn open_question(&self, flow: &str, state: &str) -> Option<&QuestionBank> {
        let own = self.flows.get(flow).and_then(|flow| flow.states.get(state));
        own.and_then(|own| own.questions.iter().find(|bank| bank.slot.is_none())).or_else(|| {
            self.questions.iter().find(|bank| bank.slot.is_none() && bank.state.as_deref() == Some(state))
        })
    }

    /// Files of single flows name only what exists. Errors: E06 unknown state, E09 unknown action.
    pub fn check_flows(&self, sources: &[SourceFile], catalog: &Catalog, diagnostics: &mut Diagnostics) {
        for file in sources {
            let name = flow::name_of(file);
            let (Some(bank), Some(flow)) = (self.flows.get(name), catalog.flow(name)) else { continue };
            for (state, own) in &bank.states {
                if flow.id(state).is_none() {
                    diagnostics
                        .error(file, own.place, "E06", format!("unknown state `{state}`"))
                        .label(format!("flow `{name}` has no such state"))
                        .suggest(state, flow.states().map(|(_, state)| state.name.as_str()));
                }
            }
            for (action, place) in &bank.places {
                if self.recipe(action).is_none() {
                    diagnostics
                        .error(file, *place, "E09", format!("action `{action}` has no reply recipe"))
                        .suggest(action, self.recipes.keys().map(String::as_str));
                }
            }
        }
    }

    fn read_actions(&mut self, file: &SourceFile, diagnostics: &mut Diagnostics) {
        let Some(root) = parse(file, diagnostics) else { return };
        let Some(families) = root.get("families") else {
            diagnostics.error(file, root.place, "E17", "key `families` is missing");
            return;
        };
        for (key, node) in entries(families, file, diagnostics) {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let recipe = fields.node("recipe");
            let actions = fields.node("actions");
            fields.finish();
            let family = key.text().unwrap_or_default();
            let default = recipe.map(|node| read_recipe(node, family, file, diagnostics)).unwrap_or_default();
            for (action, node) in actions.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
                let name = action.text().unwrap_or_default();
                let mut own = default.clone();
                name.clone_into(&mut own.bank);
                if !node.is_null()
                    && let Some(mut fields) = Fields::of(node, file, diagnostics)
                {
                    let recipe = fields.node("recipe");
                    let alias: Option<String> = fields.optional("as");
                    fields.finish();
                    if let Some(node) = recipe {
                        own = read_recipe(node, family, file, diagnostics);
                    }
                    own.bank = alias.unwrap_or_else(|| name.to_owned());
                }
                family.clone_into(&mut own.family);
                if self.recipes.insert(name.to_owned(), own).is_some() {
                    diagnostics.error(
                        file,
                        action.place,
                        "E30",
                        format!("action `{name}` is declared twice"),
                    );
                }
            }
        }
    }

    fn read_questions(&mut self, file: &SourceFile, slots: &BTreeSet<String>, diagnostics: &mut Diagnostics) {
        let Some(root) = parse(file, diagnostics) else { return };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return };
        let (questions, short) = (fields.node("questions"), fields.node("short_contact"));
        fields.finish();
        self.short_contact = phrases(short, file, diagnostics);
        for node in questions.map(items).unwrap_or_default() {
            self.questions.extend(read_question(node, slots, file, diagnostics));
        }
    }

    fn read_objections(&mut self, file: &SourceFile, diagnostics: &mut Diagnostics) {
        let Some(root) = parse(file, diagnostics) else { return };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return };
        let list = fields.node("objections");
        let special = fields.node("special");
        fields.finish();
        for (key, node) in list.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let (query, topic) = (fields.optional("query"), fields.optional("topic"));
            let parts =
                [fields.node("agree"), fields.node("ask"), fields.node("second"), fields.node("final")];
            fields.finish();
            let [agree, ask, second, last] = parts.map(|node| phrases(node, file, diagnostics));
            self.objections.insert(
                key.text().unwrap_or_default().to_owned(),
                ObjectionBank { query, topic, agree, ask, second, last },
            );
        }
        for (key, node) in special.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            self.special
                .insert(key.text().unwrap_or_default().to_owned(), phrases(Some(node), file, diagnostics));
        }
    }

    fn read_menus(&mut self, file: &SourceFile, intents: &IntentCatalog, diagnostics: &mut Diagnostics) {
        let Some(root) = parse(file, diagnostics) else { return };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return };
        let (menus, two) = (fields.node("menus"), fields.node("clarify_two"));
        fields.finish();
        self.clarify_two = phrases(two, file, diagnostics);
        for (key, node) in menus.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let (lead, footer, options) =
                (fields.node("lead"), fields.node("footer"), fields.node("options"));
            fields.finish();
            let mut choices = Vec::new();
            for option in options.map(items).unwrap_or_default() {
                let label = option.get("label").and_then(Node::text).unwrap_or_default().to_owned();
                let intent = option.get("intent").and_then(Node::text).unwrap_or_default().to_owned();
                if intents.id(&intent).is_none() {
                    diagnostics
                        .error(file, option.place, "E08", format!("unknown intent `{intent}`"))
                        .suggest(&intent, intents.names());
                }
                choices.push(Choice { label, intent: Some(intent), value: None });
            }
            let menu = MenuBank {
                lead: phrases(lead, file, diagnostics),
                options: choices,
                footer: phrases(footer, file, diagnostics),
            };
            self.menus.insert(key.text().unwrap_or_default().to_owned(), menu);
        }
    }

    fn read_ctas(&mut self, file: &SourceFile, diagnostics: &mut Diagnostics) {
        let Some(root) = parse(file, diagnostics) else { return };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return };
        let list = fields.node("ctas");
        self.ctas.backs_off = fields.optional("backs_off").unwrap_or_default();
        self.ctas.shows_it = fields.optional("shows_it").unwrap_or_default();
        self.ctas.says_it = fields.optional("says_it").unwrap_or_default();
        fields.finish();
        for node in list.map(items).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let at = fields.required("at").unwrap_or_default();
            let kind: String = fields.required("kind").unwrap_or_default();
            let texts = fields.node("texts");
            fields.finish();
            if !KINDS.contains(&kind.as_str()) {
                diagnostics
                    .error(file, node.place, "E18", format!("unknown kind of call to action `{kind}`"))
                    .suggest(&kind, KINDS);
            }
            self.ctas.texts.push(CtaBank { at, kind, texts: phrases(texts, file, diagnostics) });
        }
    }

    /// Every bank a recipe can reach exists, and every placeholder is one the writer fills.
    fn check(&self, sources: &ReplySources, slots: &BTreeSet<String>, diagnostics: &mut Diagnostics) {
        let whole = salesbot_yaml::Place::default();
        for (action, recipe) in &self.recipes {
            let own = [action, &recipe.bank].into_iter().any(|name| self.messages.contains_key(name));
            let needs = recipe.message == MessagePart::Own && !own && !action.starts_with(BRIDGE);
            let of_flow = self.flows.values().any(|flow| flow.messages.contains_key(action));
            // Families whose question alone makes a reply.
            let asks = ["ask", "repair", "greet", "acknowledge", "guard"].contains(&recipe.family.as_str());
            if needs && !of_flow && !asks {
                diagnostics.error(
                    &sources.messages,
                    whole,
                    "E40",
                    format!("action `{action}` has no texts under `messages`"),
                );
            }
            if let Some(ack) = recipe.ack.as_ref().filter(|ack| !self.acks.contains_key(*ack)) {
                diagnostics.error(
                    &sources.acks,
                    whole,
                    "E40",
                    format!("action `{action}` opens with `{ack}`, which has no texts"),
                );
            }
        }
        let needed = [
            "greeting",
            "apology",
            "empathy",
            "confirm_phone",
            "confirm_email",
            "no_answer",
            "no_answer_contact",
            "unknown_name",
            "unknown_name_contact",
            "said_all",
            "said_all_contact",
            "unclear",
            "kazakh",
            "thanks",
        ];
        for name in needed.into_iter().filter(|name| self.acks.get(*name).is_none_or(Vec::is_empty)) {
            diagnostics.error(&sources.acks, whole, "E40", format!("bank `{name}` is missing or empty"));
        }
        for family in FAMILIES {
            if self
                .objections
                .get(family.name)
                .is_none_or(|bank| bank.agree.is_empty() || bank.ask.is_empty())
            {
                diagnostics.error(
                    &sources.objections,
                    whole,
                    "E40",
                    format!("objection `{}` needs `agree` and `ask`", family.name),
                );
            }
        }
        for name in ["default", "clarify"].into_iter().filter(|name| !self.menus.contains_key(*name)) {
            diagnostics.error(&sources.menus, whole, "E40", format!("menu `{name}` is missing"));
        }
        if self.clarify_two.is_empty() {
            diagnostics.error(&sources.menus, whole, "E40", "`clarify_two` is missing");
        }
        let known = |hole: &str| {
            ["name", "phone", "email", "tool_in", "company", "other_name"].contains(&hole)
                || slots.contains(hole)
        };
        let all = self
            .acks
            .values()
            .flatten()
            .chain(self.messages.values().flat_map(|bank| &bank.texts))
            .chain(self.questions.iter().flat_map(|bank| &bank.texts))
            .chain(self.flows.values().flat_map(FlowBank::phrases));
        for phrase in all {
            for hole in holes(&phrase.text).filter(|hole| !known(hole)) {
                diagnostics.error(
                    &sources.messages,
                    whole,
                    "E41",
                    format!("unknown placeholder `{{{hole}}}` in `{}`", phrase.text),
                );
            }
        }
    }
}
