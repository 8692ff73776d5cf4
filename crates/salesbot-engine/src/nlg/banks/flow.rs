//! How one flow speaks: `flows/<name>/replies.yaml`. Texts here go before the general ones; what a flow
//! does not word itself comes from `content/replies/`.

use super::*;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowBank {
    pub states: BTreeMap<String, StateBank>,
    pub messages: BTreeMap<String, MessageBank>,
    /// Where each action of `messages` stands, for diagnostics.
    pub places: BTreeMap<String, Place>,
}

/// The words of one state of the flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateBank {
    /// Said once, before the state's first question, to a client who asked nothing.
    pub opening: Vec<Phrase>,
    /// Words to look up in the knowledge; one fact follows the opening. `pain`: one that fits the trouble.
    pub facts: Option<String>,
    pub questions: Vec<QuestionBank>,
    pub place: Place,
}

/// The flow a file belongs to: the name of its folder.
pub fn name_of(file: &SourceFile) -> &str {
    file.name.rsplit('/').nth(1).unwrap_or_default()
}

impl FlowBank {
    pub(super) fn read(
        file: &SourceFile,
        slots: &BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(String, Self)> {
        let root = parse(file, diagnostics)?;
        let mut fields = Fields::of(&root, file, diagnostics)?;
        let (states, messages) = (fields.node("states"), fields.node("messages"));
        fields.finish();
        let mut bank = Self::default();
        for (key, node) in states.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let Some(mut fields) = Fields::of(node, file, diagnostics) else { continue };
            let opening = fields.node("opening");
            let facts = fields.optional("facts");
            let questions = fields.node("questions");
            fields.finish();
            let own = StateBank {
                opening: phrases(opening, file, diagnostics),
                facts,
                questions: questions
                    .map(items)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|node| read_question(node, slots, file, diagnostics))
                    .collect(),
                place: key.place,
            };
            bank.states.insert(key.text().unwrap_or_default().to_owned(), own);
        }
        for (key, node) in messages.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let action = key.text().unwrap_or_default().to_owned();
            bank.places.insert(action.clone(), key.place);
            bank.messages.insert(action, read_message(node, slots, file, diagnostics));
        }
        Some((name_of(file).to_owned(), bank))
    }

    pub(super) fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        let states = self.states.values().flat_map(|state| {
            state.opening.iter().chain(state.questions.iter().flat_map(|question| &question.texts))
        });
        states.chain(self.messages.values().flat_map(|bank| &bank.texts))
    }
}
