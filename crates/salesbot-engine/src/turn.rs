//! One turn end to end, and everything it needs loaded: the five calls of the house.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use salesbot_dialogue::flow::{FlowSources, Known};
use salesbot_dialogue::{
    Catalog, Decision, DialogueState, IntentCatalog, Options, Turn, Understanding, commit, decide,
};
use salesbot_knowledge::concepts::Concepts;
use salesbot_knowledge::retriever::Language;
use salesbot_knowledge::{Knowledge, KnowledgeSources, Retriever};
use salesbot_yaml::{Diagnostics, SourceFile, entries, parse};

use crate::nlg::banks::{Banks, ReplySources};
use crate::nlg::facts::Categories;
use crate::nlg::{Reply, Writer, WriterOptions};
use crate::nlu::{Nlu, NluOptions, NluSources, Stored};

/// All content as text; the binary alone reads files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub intents: Vec<SourceFile>,
    pub nlu: NluSources,
    pub categories: SourceFile,
    pub flows: FlowSources,
    pub knowledge: KnowledgeSources,
    pub replies: ReplySources,
}

/// Choices of the deployment that content does not make.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub dialogue: Options,
    pub nlu: NluOptions,
    /// Flows that a model may lead are run.
    pub autonomous: bool,
    pub strict_counts: bool,
    pub writer: WriterOptions,
}

/// The loaded bot: read-only, shared by all turns. A clone shares everything but the options.
#[derive(Clone, Debug)]
pub struct Engine {
    pub catalog: Arc<Catalog>,
    pub nlu: Arc<Nlu>,
    pub retriever: Arc<Retriever>,
    pub writer: Arc<Writer>,
    pub options: EngineOptions,
}

/// What one turn made.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub understanding: Understanding,
    pub decision: Decision,
    pub reply: Reply,
    pub state: DialogueState,
}

impl Engine {
    /// Loads everything; all problems of all files together are in the diagnostics. `models` are classifier
    /// files to try before training; `flags` the names flows may mention. What an engine loaded from like
    /// sources has (`beside`) is shared with it: the classifier and the knowledge are most of the memory.
    ///
    /// # Errors
    /// The diagnostics, if any of them is an error.
    pub fn load(
        sources: &Sources,
        options: EngineOptions,
        models: &mut Stored<'_>,
        flags: &BTreeSet<String>,
        beside: Option<(&Sources, &Self)>,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let same = |part: &dyn Fn(&Sources) -> bool| {
            beside.filter(|(other, _)| part(other)).map(|(_, engine)| engine)
        };
        let intents = IntentCatalog::load(&sources.intents, &mut diagnostics);
        let categories = Categories::load(&sources.categories, &intents, &mut diagnostics);
        let read_alike = same(&|other| {
            (&other.intents, &other.nlu, &other.knowledge, &other.categories)
                == (&sources.intents, &sources.nlu, &sources.knowledge, &sources.categories)
        });
        let concepts = Arc::new(Concepts::load(&sources.nlu.concepts, &mut diagnostics));
        let language = Language { concepts: Arc::clone(&concepts), ..categories.language.clone() };
        let mut later = Diagnostics::default();
        // The knowledge and all the rest need each other only when both are there.
        let (read, nlu, banks, tool_in, catalog) = std::thread::scope(|scope| {
            let reading = match read_alike {
                Some(engine) => Err(engine),
                None => Ok(scope.spawn(|| {
                    let mut found = Diagnostics::default();
                    let knowledge = Knowledge::load(&sources.knowledge, options.strict_counts, &mut found);
                    (Retriever::new(knowledge, language), found)
                })),
            };
            let nlu = match read_alike {
                Some(engine) => Arc::clone(&engine.nlu),
                None => Arc::new(Nlu::load(&sources.nlu, &intents, concepts, models, &mut diagnostics)),
            };
            let mut slots = nlu.slots().names();
            slots.insert("lead_temperature".to_owned());
            let banks = Banks::load(&sources.replies, &slots, &intents, &mut later);
            let tool_in = read_tools(&sources.replies.acks, &mut later);
            let actions: Vec<String> = banks.actions().map(|(name, _)| name.to_owned()).collect();
            let known = Known {
                slots: &slots,
                actions: &actions,
                action: &|name| banks.recipe(name).is_some(),
                flag: &|name| flags.contains(name),
                asks: &|name| banks.recipe(name).is_some_and(|recipe| recipe.family == "ask"),
                asked: &|flow, state, slot| banks.question(flow, state, slot).is_some(),
                autonomous: options.autonomous,
            };
            let catalog = Catalog::load(&sources.flows, intents, &known, &mut later);
            banks.check_flows(&sources.replies.flows, &catalog, &mut later);
            let read = reading.map(|reading| reading.join().expect("loading reports, it does not panic"));
            (read, nlu, banks, tool_in, catalog)
        });
        let (nlu, retriever) = match read {
            Ok((mut retriever, found)) => {
                diagnostics.extend(found);
                let mut nlu = Arc::unwrap_or_clone(nlu);
                retriever.learn(nlu.lexicon().words());
                nlu.learn(retriever.knowledge.vocabulary());
                (Arc::new(nlu), Arc::new(retriever))
            }
            Err(engine) => (nlu, Arc::clone(&engine.retriever)),
        };
        if !diagnostics.has_code("E01") && !diagnostics.has_code("KB002") {
            // Every name of an unreadable file would be unknown everywhere else: that comes first.
            diagnostics.extend(later);
        }
        diagnostics.sort();
        if diagnostics.has_errors() {
            return Err(diagnostics.without_notes());
        }
        let writer = Arc::new(Writer { banks, categories, tool_in });
        Ok((Self { catalog: Arc::new(catalog), nlu, retriever, writer, options }, diagnostics))
    }

    /// The same bot with other options; loads nothing.
    pub fn with(&self, options: EngineOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// One client message. The state must belong to a flow of this catalog; an unknown one means the first.
    pub fn turn(&self, state: &DialogueState, message: &str, now: i64) -> Outcome {
        let flow = self
            .catalog
            .flow(&state.flow)
            .or_else(|| self.catalog.flows().next())
            .expect("a loaded catalog has a flow");
        let turn = Turn { message, state, flow, now };
        let understanding = self.nlu.understand(&turn, &self.catalog.intents, self.options.nlu);
        self.answer(&turn, understanding)
    }

    /// The turn from a given understanding on: decide, retrieve and respond, commit.
    pub fn answer(&self, turn: &Turn<'_>, understanding: Understanding) -> Outcome {
        let decision = decide(turn, &understanding, &self.catalog, &self.options.dialogue);
        let reply = self.writer.respond(
            turn,
            &understanding,
            &decision,
            &self.catalog,
            &self.retriever,
            &self.options.writer,
        );
        let state =
            commit(turn, &understanding, &decision, &reply.memory, &self.catalog, &self.options.dialogue);
        Outcome { understanding, decision, reply, state }
    }
}

fn read_tools(file: &SourceFile, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    let Some(root) = parse(file, diagnostics) else { return BTreeMap::new() };
    let map = root.get("tool_in").map(|node| entries(node, file, diagnostics)).unwrap_or_default();
    map.into_iter()
        .filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned())))
        .collect()
}
