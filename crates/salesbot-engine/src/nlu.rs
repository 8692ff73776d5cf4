//! Understanding: from the text of a message to [`Understanding`]. Rules and a linear model; no network.
//!
//! normalise → slots → classify (whole message and clauses) → context → tone. Words and patterns live in
//! `content/nlu/`.

mod answer;
pub mod classify;
pub mod contact;
pub mod context;
mod history;
mod lexicon;
pub mod pattern;
pub mod question;
mod refine;
pub mod slots;
pub mod text;
pub mod tone;
pub mod training;

use std::sync::Arc;

use salesbot_dialogue::understanding::{Candidate, Language, Method, Question};
use salesbot_dialogue::{DialogueState, Flow, IntentCatalog, IntentId, Turn, Understanding};
use salesbot_knowledge::concepts::Concepts;
use salesbot_yaml::{Diagnostics, SourceFile};

use answer::{Reading, SURE_UNCLEAR, Said};
use classify::{Classifier, UNCLEAR_BELOW};
use context::{Context, Polarity};
use lexicon::load_lexicon;
use pattern::Patterns;
use slots::{Meant, Slots};
use text::{Clause, Lexicon, Text};
use tone::ToneReader;
use training::Models;
pub use training::Stored;

/// A message that asks and fits nothing else is the likeliest question from here on.
const SOME_QUESTION: f32 = 0.04;
/// The best question of a message that surely asks is the right one about as often.
const GUESSED_QUESTION: f32 = 0.5;
/// What the head of a message alone may say before it comes to the matter.
const POLITE: [&str; 6] =
    ["agreement", "gratitude", "greeting", "compliment", "positive_feedback", "joke_response"];
/// Said in answer to a free question, only so sure a reading is something else than the answer.
const SURE_ASIDE: f32 = 0.9;
/// "ок, снт на алкоголь обязательна": so sure a question is no agreement for its first word.
const SURE_QUESTION_AFTER_YES: f32 = 0.6;
/// An intent that tells there is no trouble leaves the slots of trouble empty from here.
const SURE_UNTOLD: f32 = 0.4;
/// A linear reading of a call for a person, of anger or of a legal matter below this is none.
const SURE_GRAVE: f32 = 0.4;
/// … of a mood below this.
const SURE_MOOD: f32 = 0.35;
/// … of an objection or a refusal below this.
const SURE_WEIGHTY: f32 = 0.2;
/// … of a question in a message that does not ask, below this.
const SURE_QUESTION: f32 = 0.2;
/// One or two words nobody knows are noise unless read as surely as this.
const SURE_WORD: f32 = 0.8;
/// … and still shows in the tone from here.
const FELT_MOOD: f32 = 0.4;
/// A clause of a few words read this surely needs no words of the clause before it.
const NAMES_ITS_THING: f32 = 0.7;

/// Files of `content/nlu/`, the intents excepted (the dialogue crate reads them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NluSources {
    pub lexicon: SourceFile,
    pub slots: SourceFile,
    pub rules: SourceFile,
    pub tone: SourceFile,
    pub context: SourceFile,
    pub concepts: SourceFile,
}

/// Everything that reads messages; loaded once, then read-only.
#[derive(Clone, Debug)]
pub struct Nlu {
    lexicon: Lexicon,
    slots: Slots,
    classifier: Classifier,
    context: Context,
    tone: ToneReader,
    greetings: Patterns,
    /// The model was trained at this start because the content had changed.
    pub retrained: bool,
}

/// Which parts of the reading take place; set at start-up by flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NluOptions {
    pub tone: bool,
    pub secondary: bool,
    pub context: bool,
    /// Frustration also rises from the course of the talk.
    pub structural: bool,
    /// With `context`: a plain yes or no is read by what was asked.
    pub short_answers: bool,
    /// With `context`: "2" picks from what was offered.
    pub picks: bool,
    /// With `context`: facts outweigh what stands beside them.
    pub mixed: bool,
    /// With `context`: an unclear message with facts has told something.
    pub told: bool,
    /// With `context`: an objection is weighed against what was asked.
    pub objections: bool,
    /// With `context`: a doubt in the first message is no objection yet.
    pub first_contact: bool,
    /// With `context`: trouble told in the greeting is what the client comes with.
    pub greeting: bool,
    /// With `context`: a comparison that takes sides is an objection.
    pub comparison: bool,
}

impl Default for NluOptions {
    fn default() -> Self {
        Self {
            tone: true,
            secondary: true,
            context: true,
            structural: true,
            short_answers: true,
            picks: true,
            mixed: true,
            told: true,
            objections: true,
            first_contact: true,
            greeting: true,
            comparison: false,
        }
    }
}

impl Nlu {
    /// `models`: classifier files to try.
    pub fn load(
        sources: &NluSources,
        catalog: &IntentCatalog,
        concepts: Arc<Concepts>,
        models: &mut Stored<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut context = Context::load(&sources.context, catalog, diagnostics);
        let (mut lexicon, greetings) = load_lexicon(&sources.lexicon, &mut context, diagnostics);
        // The words of 20,000 examples take as long as all the patterns: both at once.
        let (slots, tone, found) = std::thread::scope(|scope| {
            let patterns = scope.spawn(|| {
                let mut found = Diagnostics::default();
                let slots = Slots::load(&sources.slots, &mut found);
                let tone = ToneReader::load(&sources.tone, &mut found);
                (slots, tone, found)
            });
            for (_, spec) in catalog.iter() {
                lexicon.learn(spec.examples.iter().map(String::as_str));
            }
            lexicon.learn(classify::rule_examples(&sources.rules).iter().map(String::as_str));
            lexicon.finish();
            patterns.join().expect("loading reports, it does not panic")
        });
        diagnostics.extend(found);
        // A broken load is not worth seconds of training; the rules are checked all the same.
        let (models, retrained) = if diagnostics.has_errors() {
            (Models::empty(catalog), false)
        } else {
            Models::load(sources, catalog, &lexicon, &concepts, &tone, models)
        };
        let tone = tone.with_model(models.tones);
        let rules = &sources.rules;
        let classifier = Classifier::new(models.intents, concepts, rules, catalog, &lexicon, diagnostics);
        Self { lexicon, slots, classifier, context, tone, greetings, retrained }
    }

    /// The words of these texts are known words too. Not part of loading: an edited knowledge base must not
    /// mean another classifier.
    pub fn learn<'t>(&mut self, vocabulary: impl IntoIterator<Item = &'t str>) {
        self.lexicon.learn(vocabulary);
        self.lexicon.finish();
    }

    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// The trained models as a file, for the next start with the same content.
    pub fn models(&self) -> Models {
        Models { intents: self.classifier.model().clone(), tones: self.tone.model().clone() }
    }

    /// Reads one message. Total: every message gets an understanding.
    pub fn understand(&self, turn: &Turn<'_>, catalog: &IntentCatalog, options: NluOptions) -> Understanding {
        let mut text = Text::read(turn.message, &self.lexicon);
        let state = turn.state;
        let has_contact = !self.slots.contacts().phones(text.with_contacts()).is_empty()
            || !self.slots.contacts().emails(&text.raw).is_empty();
        let features = self.classifier.features(&text.flat, text.asks);
        let mut candidates =
            self.classifier.candidates_by(&features, &text.flat, &text.plain, text.asks, has_contact);
        // "спасибо, весы где поверить" thanks in passing.
        let polite = |best: &&Candidate| POLITE.contains(&catalog.name(best.intent));
        if candidates.first().filter(polite).is_some()
            && let Some(matter) = text.after_lead(&self.lexicon)
        {
            candidates = self.classifier.candidates(&matter, &text.plain, text.asks, has_contact);
        }
        if let Some(best) = candidates.first().filter(|best| best.method == Method::Rule)
            && catalog.in_category(best.intent, "frustration")
            && self.classifier.takes_all(best.intent, &text.flat, &self.context.fillers)
        {
            // "вы издеваетесь, сколько можно" asks nothing but to stop.
            text.asks = false;
            text.clauses.clear();
            candidates.retain(|other| !catalog.is_question(other.intent));
        }
        let top = candidates.first().map_or((catalog.unclear(), 0.0), |best| (best.intent, best.score));
        // An answer may be taken whole when it neither asks nor refuses nor speaks of something else.
        let aside = |id: IntentId| {
            let category = catalog.get(id).category.as_str();
            [
                "question",
                "exit",
                "escalation",
                "sensitive",
                "frustration",
                "dialogue_repair",
                "technical_problem",
                "purchase_stage",
            ]
            .contains(&category)
                || [
                    "contact_provided",
                    "callback_request",
                    "demo_request",
                    "ready_to_buy",
                    "greeting",
                    "request_brevity",
                    "language_kazakh",
                ]
                .contains(&catalog.name(id))
        };
        let denies = |id: IntentId| {
            catalog.is_objection(id)
                || ["no_problem", "no_need", "gratitude", "small_talk"].contains(&catalog.name(id))
        };
        // "давайте вернемся назад" agrees to nothing.
        let asks = catalog.is_question(top.0) && top.1 >= SURE_QUESTION_AFTER_YES && text.word_count() > 3;
        let elsewhere = (aside(top.0) || denies(top.0)) && top.1 >= SURE_ASIDE || asks;
        let agrees = || if elsewhere { None } else { self.agrees_first(&text, state) };
        let polarity = self.context.polarity(&text).or_else(agrees);
        let top_rule = candidates.first().is_some_and(|best| best.method == Method::Rule);
        // A long statement is told, not asked, whatever product it names.
        let told = !text.asks && text.word_count() >= 7 && catalog.is_question(top.0) && !top_rule;
        // Who decides, by what, when: any short word answers such a question, whatever it sounds like alone.
        let asked_freely = state
            .asked
            .as_ref()
            .and_then(|asked| asked.slot.as_deref())
            .is_some_and(|slot| self.context.free_slots.iter().any(|free| free == slot));
        let other = if asked_freely {
            (aside(top.0) || denies(top.0)) && (top_rule || top.1 >= SURE_ASIDE) && !told
        } else {
            aside(top.0) && top.1 >= 0.4 && !told || denies(top.0) && top.1 >= 0.25
        };
        let hums =
            top.0 == catalog.unclear() && (top.1 >= SURE_UNCLEAR || !self.lexicon.knows_any(&text.flat));
        let plain_answer = !text.asks && polarity.is_none() && !other && !hums && !text.flat.is_empty();
        // After the number a single word is the name that goes with it.
        let naming =
            state.state == "success" && !state.has("client_name") && text.word_count() == 1 && !text.asks;
        let name = salesbot_dialogue::Asked {
            slot: Some("client_name".to_owned()),
            kind: "open".to_owned(),
            ..salesbot_dialogue::Asked::default()
        };
        let asked = if naming { Some(&name) } else { state.asked.as_ref() };
        let yes = polarity == Some(Polarity::Yes);
        let mut slots = {
            let wonders = |part: &str| self.lexicon.wonders(part) || self.context.speaks_to_us(part);
            self.slots.read(&text, Meant { asked, yes, plain_answer, wonders: &wonders })
        };
        if top.1 >= SURE_UNTOLD && !self.context.lacks_sign(catalog.name(top.0), &text) {
            slots.retain(|fill| !self.context.leaves_untold(catalog.name(top.0), &fill.slot));
        }
        // Handing over or ending a talk needs a sure sign; a guess takes the next best reading.
        let grave = |id: IntentId| {
            ["escalation", "sensitive", "frustration"].contains(&catalog.get(id).category.as_str())
        };
        // So does a mood: a plain word about the shop is no doubt and no surprise.
        let mood = |id: IntentId| catalog.in_category(id, "conversational") && !catalog.is(id, "small_talk");
        // Objections and refusals turn the talk: not on a bare suspicion.
        let weighty = |id: IntentId| catalog.is_objection(id) || catalog.in_category(id, "exit");
        let guess = |other: &&Candidate| {
            other.method == Method::Linear
                && (grave(other.intent) && other.score < SURE_GRAVE
                    || mood(other.intent) && other.score < SURE_MOOD
                    || weighty(other.intent) && other.score < SURE_WEIGHTY
                    || self.context.lacks_sign(catalog.name(other.intent), &text))
        };
        let top = match candidates.iter().find(|other| !guess(other)) {
            Some(best) => (best.intent, best.score),
            None => (catalog.unclear(), 0.0),
        };
        let mut reading = Reading {
            intent: top.0,
            confidence: top.1,
            method: candidates.first().map_or(Method::Fallback, |best| best.method),
            because: Vec::new(),
            picked: None,
        };
        let noise = text.language == Language::Russian
            && reading.method == Method::Linear
            && text.word_count() <= 2
            && (reading.confidence < SURE_WORD && !self.lexicon.knows_any(&text.flat)
                || reading.confidence < SURE_GRAVE
                    && text.repairs.iter().any(|(.., why)| *why == "spelling"));
        if top.1 < UNCLEAR_BELOW || text.flat.is_empty() || noise {
            reading =
                Reading { intent: catalog.unclear(), confidence: top.1, method: Method::Fallback, ..reading };
        }
        if !text.asks
            && catalog.is_question(reading.intent)
            && reading.method == Method::Linear
            && reading.confidence < SURE_QUESTION
        {
            reading = Reading { intent: catalog.unclear(), method: Method::Fallback, ..reading };
        }
        if text.asks
            && !catalog.is_question(reading.intent)
            && reading.confidence < 0.5
            && reading.method != Method::Rule
        {
            // It asks something: the best question stands for it, if there is one worth the name.
            let question = candidates
                .iter()
                .find(|other| catalog.is_question(other.intent) && other.score >= SOME_QUESTION);
            if let Some(best) = question.filter(|best| {
                let vague = ["unclear", "info_provided"].contains(&catalog.name(reading.intent));
                best.score * 2.5 >= reading.confidence || vague
            }) {
                reading.because.push(format!(
                    "{} → {}: it asks",
                    catalog.name(reading.intent),
                    catalog.name(best.intent)
                ));
                reading = Reading {
                    intent: best.intent,
                    confidence: best.score.max(GUESSED_QUESTION),
                    method: Method::Context,
                    ..reading
                };
            }
        }
        if options.context {
            let said = Said { text: &text, turn, catalog, polarity, candidates: &candidates };
            self.by_what_was_asked(&said, options, &mut reading, &mut slots);
            self.context.refinements.apply(&text, state, &slots, options, &mut reading, catalog);
        }
        let repeated = options.context && self.by_history(&text, state, catalog, &mut reading);
        if text.language == Language::Kazakh && reading.intent == catalog.unclear() {
            reading.set(catalog, "language_kazakh", 0.8, "written in Kazakh");
        }
        let secondary = if options.secondary {
            self.secondary(&text, &reading, &candidates, catalog)
        } else {
            Vec::new()
        };
        if let Some(words) = &reading.picked {
            text.asks = Text::read(words, &self.lexicon).asks;
        }
        let (secondary, questions) = match &reading.picked {
            // A pick names one thing, and nothing beside it.
            Some(words) if catalog.is_question(reading.intent) => {
                (Vec::new(), vec![Question { intent: reading.intent, text: words.clone() }])
            }
            Some(_) => Default::default(),
            None => self.questions(&text, &reading, secondary, catalog),
        };
        let tone = if options.tone {
            // A mood too weak to be the intent still colours the tone.
            let felt = candidates.first().filter(|best| mood(best.intent) && best.score >= FELT_MOOD);
            let shown = felt.map_or(reading.intent, |best| best.intent);
            self.tone.read(&text, &features, catalog.name(shown), state, repeated, options.structural)
        } else {
            Default::default()
        };
        let greets = self.greetings.find(&text.flat, &text.plain).is_some_and(|(_, start)| start <= 2);
        Understanding {
            original_intent: (top.0 != reading.intent).then_some(top.0),
            intent: reading.intent,
            confidence: match reading.method {
                Method::Rule | Method::Linear => classify::likelihood(reading.confidence),
                _ => reading.confidence.min(1.0),
            },
            method: reading.method,
            candidates,
            secondary,
            questions,
            slots,
            tone,
            language: text.language,
            asks: text.asks,
            greets,
            repeated,
            suggestion: None,
            repairs: text.repairs,
            picked: reading.picked,
            because: reading.because,
        }
    }

    /// Other intents of the message, by clause; what the client asks or wants is never dropped.
    fn secondary(
        &self,
        text: &Text,
        reading: &Reading,
        candidates: &[Candidate],
        catalog: &IntentCatalog,
    ) -> Vec<Beside> {
        let mut found: Vec<Beside> = Vec::new();
        let wanted = |id: IntentId| {
            catalog.is_question(id)
                || catalog.is_objection(id)
                || [
                    "demo_request",
                    "ready_to_buy",
                    "callback_request",
                    "consultation_request",
                    "request_human",
                    "contact_provided",
                    "request_discount",
                    "request_invoice",
                    "request_contract",
                    "request_proposal",
                    "rejection",
                    "farewell",
                ]
                .contains(&catalog.name(id))
        };
        // "Смена не закрывается. Что делать?" asks about the trouble, not about features.
        let in_trouble = catalog.in_category(reading.intent, "technical_problem");
        if text.clauses.len() > 1 {
            for (at, clause) in text.clauses.iter().enumerate() {
                let best =
                    self.classifier.candidates(&clause.flat, &clause.raw.to_lowercase(), clause.asks, false);
                // A product word in a statement of some length is told, not asked.
                let told = |best: &Candidate| {
                    !clause.asks
                        && catalog.is_question(best.intent)
                        && best.method != Method::Rule
                        && clause.flat.split(' ').count() > 4
                };
                let sure = best.first().filter(|best| {
                    best.score >= self.context.secondary_above && wanted(best.intent) && !told(best)
                });
                // A clause that asks is looked up even when its intent is a guess: nothing asked is dropped.
                // … unless the clause is surely something else: a report of trouble is no question about updates.
                let other = best.first().is_some_and(|best| {
                    best.score >= self.context.secondary_above && !catalog.is_question(best.intent)
                });
                let asks = |best: &&Candidate| {
                    clause.asks && !other && catalog.is_question(best.intent) && best.score >= 0.1
                };
                let guess = || best.iter().find(asks).filter(|_| !in_trouble);
                if let Some(best) = sure.or_else(guess) {
                    found.push(Beside { intent: best.intent, clause: Some(at), score: best.score });
                }
            }
        } else {
            // One clause: only what a rule is sure of.
            let sure = candidates
                .iter()
                .filter(|other| other.method == Method::Rule && wanted(other.intent) && other.score >= 0.15);
            found.extend(sure.map(|other| Beside { intent: other.intent, clause: None, score: other.score }));
        }
        let mut seen = vec![reading.intent];
        found.retain(|Beside { intent, clause, .. }| {
            // The clause the main intent stands in stays in the list: its text is what gets looked up.
            let main = *intent == reading.intent && clause.is_some();
            let fresh = main || !seen.contains(intent);
            seen.push(*intent);
            fresh
        });
        found
    }

    /// Secondary intents, at most three, and the questions in the client's order.
    fn questions(
        &self,
        text: &Text,
        reading: &Reading,
        found: Vec<Beside>,
        catalog: &IntentCatalog,
    ) -> (Vec<IntentId>, Vec<Question>) {
        let mut questions: Vec<Question> = Vec::new();
        for Beside { intent, clause: at, score } in &found {
            let clause: Option<&Clause> = at.and_then(|at| text.clauses.get(at));
            if catalog.is_question(*intent) && !questions.iter().any(|known| known.intent == *intent) {
                // "Есть такое?" speaks of the clause before it.
                let short = clause.is_some_and(|clause| clause.flat.split(' ').count() <= 3)
                    && *score < NAMES_ITS_THING;
                let before = at.filter(|at| *at > 0 && short).and_then(|at| text.clauses.get(at - 1));
                let own = clause.map_or(text.raw.clone(), |clause| clause.raw.clone());
                let worded = before.map_or(own.clone(), |before| format!("{} {own}", before.raw));
                questions.push(Question { intent: *intent, text: worded });
            }
        }
        if catalog.is_question(reading.intent)
            && !questions.iter().any(|known| known.intent == reading.intent)
        {
            // With questions by clause the main one is the whole; alone it stands first.
            let asking: Vec<&Clause> = text.clauses.iter().filter(|clause| clause.asks).collect();
            let own = if let [only] = asking[..] { only.raw.clone() } else { text.raw.clone() };
            if questions.is_empty() || reading.method == Method::Context {
                questions.insert(0, Question { intent: reading.intent, text: own });
            }
        }
        questions.truncate(3);
        let secondary = found
            .into_iter()
            .map(|beside| beside.intent)
            .filter(|intent| *intent != reading.intent)
            .take(3)
            .collect();
        (secondary, questions)
    }
}

/// Another intent of a message and the clause it stands in.
struct Beside {
    intent: IntentId,
    clause: Option<usize>,
    score: f32,
}

/// Where a conversation stands when only a message is given; for `nlu parse`.
pub fn standing(flow: &Flow) -> DialogueState {
    DialogueState { flow: flow.name.clone(), ..DialogueState::default() }
}
