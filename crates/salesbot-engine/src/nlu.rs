//! Understanding: from the text of a message to [`Understanding`]. Rules and a linear model; no network.
//!
//! normalise → slots → classify (whole message and clauses) → context → tone. Words and patterns live in
//! `content/nlu/`.

pub mod classify;
pub mod contact;
pub mod context;
pub mod pattern;
pub mod slots;
pub mod text;
pub mod tone;

use salesbot_dialogue::understanding::{Candidate, Language, Method, Question};
use salesbot_dialogue::{DialogueState, Flow, IntentCatalog, IntentId, Turn, Understanding};
use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, entries, parse, strings};

use classify::{Classifier, UNCLEAR_BELOW};
use context::{Context, Polarity, picked};
use pattern::Patterns;
use slots::Slots;
use text::{Clause, Lexicon, Text};
use tone::ToneReader;

/// Said in answer to a free question, only so sure a reading is something else than the answer.
const SURE_ASIDE: f32 = 0.9;
/// A linear reading of a mood below this is none.
const SURE_MOOD: f32 = 0.8;
/// A linear reading of an objection or a refusal below this is none.
const SURE_WEIGHTY: f32 = 0.35;
/// … and still shows in the tone from here.
const FELT_MOOD: f32 = 0.4;
/// Words of a yes with a few more: "да пусть посчитает".
const YES_WORDS: usize = 6;
/// Words of a short answer to an open question.
const SHORT_ANSWER: usize = 4;
/// An objection or a farewell so sure is no answer to an open question.
const SURE_OBJECTION: f32 = 0.8;
/// A refusal so sure outweighs the reading of its words as a short answer.
const SURE_REFUSAL: f32 = 0.75;

/// Files of `content/nlu/`, the intents excepted (the dialogue crate reads them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NluSources {
    pub lexicon: SourceFile,
    pub slots: SourceFile,
    pub rules: SourceFile,
    pub tone: SourceFile,
    pub context: SourceFile,
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
        }
    }
}

impl Nlu {
    /// `vocabulary`: texts whose words are known words (knowledge base). `models`: classifier files to try.
    pub fn load<'t>(
        sources: &NluSources,
        catalog: &IntentCatalog,
        vocabulary: impl IntoIterator<Item = &'t str>,
        models: &[&[u8]],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut context = Context::load(&sources.context, catalog, diagnostics);
        let (mut lexicon, greetings) = load_lexicon(&sources.lexicon, &mut context, diagnostics);
        for (_, spec) in catalog.iter() {
            lexicon.learn(spec.examples.iter().map(String::as_str));
        }
        lexicon.finish();
        let slots = Slots::load(&sources.slots, diagnostics);
        let tone = ToneReader::load(&sources.tone, diagnostics);
        let (classifier, retrained) =
            Classifier::load(&sources.rules, &sources.lexicon, catalog, &lexicon, models, diagnostics);
        // Only now: an edited knowledge base must not mean another classifier.
        lexicon.learn(vocabulary);
        lexicon.finish();
        Self { lexicon, slots, classifier, context, tone, greetings, retrained }
    }

    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Reads one message. Total: every message gets an understanding.
    pub fn understand(&self, turn: &Turn<'_>, catalog: &IntentCatalog, options: NluOptions) -> Understanding {
        let text = Text::read(turn.message, &self.lexicon);
        let state = turn.state;
        let has_contact = !self.slots.contacts().phones(&text.raw).is_empty()
            || !self.slots.contacts().emails(&text.raw).is_empty();
        let candidates = self.classifier.candidates(&text.flat, &text.plain, text.asks, has_contact);
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
            ]
            .contains(&category)
                || [
                    "contact_provided",
                    "callback_request",
                    "demo_request",
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
        let elsewhere = (aside(top.0) || denies(top.0)) && top.1 >= SURE_ASIDE;
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
        let plain_answer = !text.asks && polarity.is_none() && !other && !text.flat.is_empty();
        // After the number a single word is the name that goes with it.
        let naming =
            state.state == "success" && !state.has("client_name") && text.word_count() == 1 && !text.asks;
        let name = salesbot_dialogue::Asked {
            slot: Some("client_name".to_owned()),
            kind: "open".to_owned(),
            ..salesbot_dialogue::Asked::default()
        };
        let asked = if naming { Some(&name) } else { state.asked.as_ref() };
        let mut slots = self.slots.read(&text, asked, polarity == Some(Polarity::Yes), plain_answer);
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
                && (grave(other.intent) && other.score < 0.55
                    || mood(other.intent) && other.score < SURE_MOOD
                    || weighty(other.intent) && other.score < SURE_WEIGHTY)
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
        };
        let noise = text.language == Language::Russian
            && reading.method == Method::Linear
            && text.word_count() <= 2
            && !self.lexicon.knows_any(&text.flat);
        if top.1 < UNCLEAR_BELOW || text.flat.is_empty() || noise {
            reading = Reading {
                intent: catalog.unclear(),
                confidence: top.1,
                method: Method::Fallback,
                because: Vec::new(),
            };
        }
        if !text.asks
            && catalog.is_question(reading.intent)
            && reading.method == Method::Linear
            && reading.confidence < 0.35
        {
            reading = Reading { intent: catalog.unclear(), method: Method::Fallback, ..reading };
        }
        if text.asks
            && !catalog.is_question(reading.intent)
            && reading.confidence < 0.5
            && reading.method != Method::Rule
        {
            // It asks something: the best question stands for it, if there is one worth the name.
            let question =
                candidates.iter().find(|other| catalog.is_question(other.intent) && other.score >= 0.06);
            if let Some(best) = question
                .filter(|best| best.score * 2.5 >= reading.confidence || reading.intent == catalog.unclear())
            {
                reading.because.push(format!(
                    "{} → {}: it asks",
                    catalog.name(reading.intent),
                    catalog.name(best.intent)
                ));
                reading = Reading {
                    intent: best.intent,
                    confidence: best.score.max(0.3),
                    method: Method::Context,
                    ..reading
                };
            }
        }
        if options.context {
            self.apply_context(&mut reading, &text, polarity, turn, catalog, options, &mut slots);
        }
        if text.language == Language::Kazakh && reading.confidence < 0.45 && reading.method != Method::Context
        {
            reading.set(catalog, "language_kazakh", 0.8, "written in Kazakh");
        }
        let secondary = if options.secondary {
            self.secondary(&text, &reading, &candidates, catalog)
        } else {
            Vec::new()
        };
        let (secondary, questions) = self.questions(&text, &reading, secondary, catalog);
        let repeated = catalog.is_question(reading.intent)
            && state.turns.iter().rev().take(4).any(|past| past.intent == catalog.name(reading.intent));
        let tone = if options.tone {
            // A mood too weak to be the intent still colours the tone.
            let felt = candidates.first().filter(|best| mood(best.intent) && best.score >= FELT_MOOD);
            let shown = felt.map_or(reading.intent, |best| best.intent);
            self.tone.read(&text, catalog.name(shown), state, repeated, options.structural)
        } else {
            Default::default()
        };
        let greets = self.greetings.find(&text.flat, &text.plain).is_some_and(|(_, start)| start <= 2);
        Understanding {
            original_intent: (top.0 != reading.intent).then_some(top.0),
            intent: reading.intent,
            confidence: reading.confidence.min(1.0),
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
            because: reading.because,
        }
    }

    fn apply_context(
        &self,
        reading: &mut Reading,
        text: &Text,
        polarity: Option<Polarity>,
        turn: &Turn<'_>,
        catalog: &IntentCatalog,
        options: NluOptions,
        slots: &mut Vec<salesbot_dialogue::SlotFill>,
    ) {
        let state = turn.state;
        if options.picks
            && let Some(asked) = &state.asked
            && let Some(at) = picked(text, asked, &self.lexicon.ordinals)
        {
            let choice = &asked.options[at];
            if let Some(intent) = &choice.intent {
                reading.set(catalog, intent, 0.9, "picked from the offered choices");
            } else if let (Some(slot), Some(value)) = (&asked.slot, &choice.value) {
                slots.push(salesbot_dialogue::SlotFill {
                    slot: slot.clone(),
                    value: value.clone().into(),
                    source: text.raw.clone(),
                });
                reading.set(catalog, "info_provided", 0.8, "picked from the offered choices");
            }
            return;
        }
        let fact = |fill: &&salesbot_dialogue::SlotFill| {
            salesbot_dialogue::policy::MEANINGFUL.contains(&fill.slot.as_str())
        };
        let filled: Vec<&str> = slots.iter().filter(fact).map(|fill| fill.slot.as_str()).collect();
        // "нет, не надо" to an open question is no answer to it but a refusal.
        let refuses = catalog.is(reading.intent, "rejection")
            && reading.confidence >= SURE_REFUSAL
            && text.word_count() > 1
            && state.asked.as_ref().is_some_and(|asked| asked.kind == "open");
        if options.short_answers
            && let Some(polarity) = polarity
            && filled.is_empty()
            && !state.turns.is_empty()
            && !refuses
            && let Some((intent, why)) = self.context.short_answer(polarity, state, turn.flow)
        {
            reading.set(catalog, intent, 0.85, &why);
            return;
        }
        // In an objection the phase is the one the talk returns to.
        let name = state.counters.return_state.as_ref().unwrap_or(&state.state);
        let at = turn.flow.id(name).map(|id| turn.flow.state(id));
        let mut phases: Vec<&str> =
            at.iter().flat_map(|at| at.phase_label.iter().chain(&at.phase)).map(String::as_str).collect();
        if state.state == "greeting" {
            phases.push("situation");
        }
        let name = catalog.name(reading.intent);
        if filled.contains(&"contact_info") && self.context.yields_to_data(name) {
            reading.set(catalog, "contact_provided", 0.95, "a contact is in the message");
            return;
        }
        let unclear = reading.intent == catalog.unclear();
        if !(if unclear { options.told } else { options.mixed }) {
            return;
        }
        let asked_for = state.asked.as_ref().and_then(|asked| asked.slot.as_deref());
        let answers = asked_for.is_some_and(|slot| filled.contains(&slot)) && !text.asks;
        let freely = answers
            && reading.method == Method::Linear
            && asked_for.is_some_and(|slot| self.context.free_slots.iter().any(|free| free == slot));
        let told = !text.asks
            && catalog.is_question(reading.intent)
            && reading.method == Method::Linear
            && !filled.is_empty();
        // "одежду турецкую продаю" speaks of a trade and asks nothing.
        let describes = !text.asks
            && catalog.in_group(reading.intent, "business_scenarios")
            && filled.contains(&"business_type");
        // Nothing was said before that these facts could correct: "у меня 5 магазинов" tells it first.
        let first_told = catalog.is(reading.intent, "correct_info")
            && reading.method == Method::Linear
            && slots.iter().filter(fact).all(|fill| !state.has(&fill.slot));
        let yields = (self.context.yields_to_data(name) && !text.asks)
            || first_told
            || describes
            || told
            || freely
            || answers && (catalog.is_question(reading.intent) || reading.confidence < 0.6);
        if yields && let Some(intent) = self.context.progress(&phases, &filled) {
            reading.set(catalog, intent, 0.9, "facts the phase is about");
        } else if !filled.is_empty()
            && yields
            && (answers || !(catalog.is_objection(reading.intent) || catalog.is(reading.intent, "rejection")))
        {
            reading.set(catalog, "info_provided", 0.75, "facts about the client");
        } else if filled.is_empty() && self.answers_openly(reading, text, turn, catalog) {
            reading.set(catalog, "info_provided", 0.7, "a short answer to what was asked");
        }
    }

    /// "да пусть посчитает" after an offer begins with the yes that counts.
    fn agrees_first(&self, text: &Text, state: &DialogueState) -> Option<Polarity> {
        let offered = state.asked.as_ref().is_some_and(|asked| asked.kind == "yes_no");
        let known = |words: &[String], word: &str| words.iter().any(|known| known == word);
        // "хотя ладно, пусть посчитает": a turn before the yes takes nothing back.
        let mut words = text
            .flat
            .split(' ')
            .skip_while(|word| known(&self.context.fillers, word) || known(&self.context.but, word));
        let yes = words.next().is_some_and(|word| known(&self.context.yes, word));
        let but = words.any(|word| known(&self.context.but, word));
        let short = text.word_count() <= YES_WORDS && !text.asks;
        (offered && yes && !but && short).then_some(Polarity::Yes)
    }

    /// A few words after an open question of a phase are its answer, however they read alone: "показ" is no
    /// farewell, "позже" after "когда" no objection. What a rule is sure of, and any request, stays.
    fn answers_openly(
        &self,
        reading: &Reading,
        text: &Text,
        turn: &Turn<'_>,
        catalog: &IntentCatalog,
    ) -> bool {
        let state = turn.state;
        let Some(asked) =
            state.asked.as_ref().filter(|asked| ["open", "choice"].contains(&asked.kind.as_str()))
        else {
            return false;
        };
        let in_phase = turn.flow.id(&state.state).is_some_and(|id| turn.flow.state(id).phase.is_some());
        let guessed = matches!(reading.method, Method::Linear | Method::Fallback);
        if !in_phase || !guessed || text.asks || text.word_count() > SHORT_ANSWER || text.flat.is_empty() {
            return false;
        }
        let category = catalog.get(reading.intent).category.as_str();
        let requests =
            ["callback_request", "demo_request", "contact_provided", "request_brevity", "language_kazakh"];
        if requests.contains(&catalog.name(reading.intent)) || category == "technical_problem" {
            return false;
        }
        // Words of the bot's own question come back as the choice among them.
        let bot = state.turns.last().map(|last| last.bot.as_str()).unwrap_or_default();
        let question = bot.rsplit(['.', '!', '\n']).find(|part| part.contains('?')).unwrap_or_default();
        let offered: Vec<String> = text::words(&text::plain(question)).map(text::stem).collect();
        let own = text::words(&text.flat).filter(|word| word.chars().count() > 3).map(text::stem);
        if own.into_iter().any(|stem| offered.contains(&stem)) {
            return true;
        }
        let about_time = asked.slot.as_deref() == Some("decision_timeline");
        match category {
            "objection" => about_time || reading.confidence < SURE_OBJECTION,
            "exit" => {
                about_time && !catalog.is(reading.intent, "rejection") || reading.confidence < SURE_OBJECTION
            }
            "dialogue_repair" => {
                reading.intent == catalog.unclear()
                    && asked.slot.is_none()
                    && self.lexicon.reads_as_words(&text.flat)
            }
            "purchase_stage" => true,
            _ => false,
        }
    }

    /// Other intents of the message, by clause; what the client asks or wants is never dropped.
    fn secondary(
        &self,
        text: &Text,
        reading: &Reading,
        candidates: &[Candidate],
        catalog: &IntentCatalog,
    ) -> Vec<(IntentId, Option<usize>)> {
        let mut found: Vec<(IntentId, Option<usize>)> = Vec::new();
        let wanted = |id: IntentId| {
            catalog.is_question(id)
                || catalog.is_objection(id)
                || [
                    "demo_request",
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
                    found.push((best.intent, Some(at)));
                }
            }
        } else {
            // One clause: only what a rule is sure of.
            let sure = candidates
                .iter()
                .filter(|other| other.method == Method::Rule && wanted(other.intent) && other.score >= 0.15);
            found.extend(sure.map(|other| (other.intent, None)));
        }
        let mut seen = vec![reading.intent];
        found.retain(|(intent, clause)| {
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
        found: Vec<(IntentId, Option<usize>)>,
        catalog: &IntentCatalog,
    ) -> (Vec<IntentId>, Vec<Question>) {
        let mut questions: Vec<Question> = Vec::new();
        for (intent, at) in &found {
            let clause: Option<&Clause> = at.and_then(|at| text.clauses.get(at));
            if catalog.is_question(*intent) && !questions.iter().any(|known| known.intent == *intent) {
                // "Есть такое?" speaks of the clause before it.
                let short = clause.is_some_and(|clause| clause.flat.split(' ').count() <= 3);
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
            .map(|(intent, _)| intent)
            .filter(|intent| *intent != reading.intent)
            .take(3)
            .collect();
        (secondary, questions)
    }
}

/// The intent as read so far.
struct Reading {
    intent: IntentId,
    confidence: f32,
    method: Method,
    because: Vec<String>,
}

impl Reading {
    fn set(&mut self, catalog: &IntentCatalog, intent: &str, confidence: f32, why: &str) {
        let Some(id) = catalog.id(intent) else { return };
        self.because.push(format!("{} → {intent}: {why}", catalog.name(self.intent)));
        self.intent = id;
        self.confidence = confidence;
        self.method = Method::Context;
    }
}

fn load_lexicon(
    file: &SourceFile,
    context: &mut Context,
    diagnostics: &mut Diagnostics,
) -> (Lexicon, Patterns) {
    let mut lexicon = Lexicon::default();
    let Some(root) = parse(file, diagnostics) else { return (lexicon, Patterns::default()) };
    let Some(mut fields) = Fields::of(&root, file, diagnostics) else {
        return (lexicon, Patterns::default());
    };
    let slang = fields.node("slang");
    let numbers = fields.node("numbers");
    let scales = fields.node("scales");
    let question_words = fields.node("question_words");
    let weak = fields.node("weak_question_words");
    let greetings = fields.node("greetings");
    let (yes, no, unsure) = (fields.node("yes"), fields.node("no"), fields.node("unsure"));
    let fillers = fields.node("fillers");
    let lists = ["openers", "joining_words", "question_verbs", "joined_questions", "knowing_verbs"]
        .map(|key| fields.node(key));
    let ordinals = fields.node("ordinals");
    let kazakh = fields.node("kazakh_words");
    let latin = fields.node("latin");
    fields.finish();
    let list = |node: Option<&Node>, diagnostics: &mut Diagnostics| -> Vec<String> {
        node.map(|node| strings(node, file, diagnostics))
            .unwrap_or_default()
            .iter()
            .map(|text| text::plain(text))
            .collect()
    };
    let pairs = |node: Option<&Node>, diagnostics: &mut Diagnostics| -> Vec<(String, String)> {
        let found = node.map(|node| entries(node, file, diagnostics)).unwrap_or_default();
        found.iter().filter_map(|(k, v)| Some((text::plain(k.text()?), text::plain(v.text()?)))).collect()
    };
    lexicon.slang = pairs(slang, diagnostics).into_iter().collect();
    let [openers, joining, verbs, joined, knowing] = lists.map(|node| list(node, diagnostics));
    lexicon.knowing_verbs = knowing;
    (lexicon.openers, lexicon.joining_words, lexicon.question_verbs, lexicon.joined_questions) =
        (openers, joining, verbs, joined);
    for (table, into) in
        [(numbers, &mut lexicon.numbers), (scales, &mut lexicon.scales), (ordinals, &mut lexicon.ordinals)]
    {
        into.extend(
            pairs(table, diagnostics)
                .into_iter()
                .filter_map(|(word, value)| Some((word, value.parse().ok()?))),
        );
    }
    lexicon.question_words = list(question_words, diagnostics);
    lexicon.weak_question_words = list(weak, diagnostics).into_iter().collect();
    lexicon.kazakh = list(kazakh, diagnostics).into_iter().collect();
    lexicon.latin = list(latin, diagnostics).into_iter().collect();
    context.yes = list(yes, diagnostics);
    context.no = list(no, diagnostics);
    context.fillers = list(fillers, diagnostics);
    context.unsure = slots::joined(unsure, file, diagnostics);
    let greetings = slots::joined(greetings, file, diagnostics);
    (lexicon, greetings)
}

/// Where a conversation stands when only a message is given; for `nlu parse`.
pub fn standing(flow: &Flow) -> DialogueState {
    DialogueState { flow: flow.name.clone(), ..DialogueState::default() }
}
