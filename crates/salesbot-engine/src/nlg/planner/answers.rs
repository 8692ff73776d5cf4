//! The facts of a reply: what was asked, what fits a trouble, a price or an objection.

use super::follow::UNSURE;
use super::questions::contact_question;
use super::*;

/// Share of the words a fact must hold, for a known trouble and for the client's own words.
const TROUBLE_COVERAGE: f32 = 0.3;
const OWN_WORDS_COVERAGE: f32 = 0.6;
/// So much less may be known of a question that is drowned in other words.
const DROWNED: f32 = 0.1;
/// Where the best section was told already, the next is worth telling from this share of its score.
const NEARLY: f32 = 0.85;

/// Turns that tell of which business the talk is.
const REMEMBERED: usize = 12;
/// Share of the reading from which a question is taken as the topic of a message that asks nothing.
const TOPIC_SCORE: f32 = 0.05;

impl Planner<'_> {
    pub(super) fn answers(&self, recipe: &Recipe, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let before = plan.answers.len();
        let mut stranger = None;
        match recipe.answer {
            AnswerPart::None => {}
            AnswerPart::Asked | AnswerPart::AskedIfSure => {
                stranger = self.asked(recipe.answer == AnswerPart::AskedIfSure, plan, looked_up);
                // "сканер почем" wants no advice on tariffs.
                let of_the_programme =
                    plan.answers.iter().any(|answer| self.writer.categories.leads_to(&answer.section));
                if recipe.family == "price" && of_the_programme && self.room.lists {
                    self.fit(plan, looked_up);
                }
            }
            AnswerPart::Pain => self.pain(2, plan, looked_up),
            AnswerPart::Objection => self.objection(plan, looked_up),
        }
        let unanswered =
            plan.answers.len() == before && recipe.answer == AnswerPart::Asked && self.understanding.asks;
        if unanswered {
            let contact_known =
                self.memory.contact().valid || self.memory.said.contact_refused || self.next.is_final;
            let bank = match (&stranger, self.presses()) {
                (Some(_), _) => "unknown_name",
                (None, true) => "said_all",
                (None, false) => "no_answer",
            };
            let bank = if contact_known { bank.to_owned() } else { format!("{bank}_contact") };
            plan.message = self.pick_about(&bank, stranger.as_deref());
            if !contact_known && let Some(line) = &plan.message {
                plan.question = Some(contact_question(&line.id));
            }
        }
        if plan.message.is_none() && stranger.is_some() {
            plan.message = self.pick_about("unknown_name", stranger.as_deref());
        }
        let complains = self.catalog.intents.in_category(self.understanding.intent, "frustration");
        let left = !self.understanding.questions.is_empty() && plan.answers.len() == before;
        if complains && left && recipe.answer == AnswerPart::AskedIfSure {
            // Asked in anger, and not known: said so, instead of promises.
            plan.message = self.pick_ack("no_answer");
        }
        if self.understanding.asks
            && recipe.answer == AnswerPart::None
            && self.catalog.intents.is(self.understanding.intent, "unclear")
            && self.retriever.names_something(self.turn.message)
        {
            // Not understood, but it asks: an honest word beats a question of ours.
            stranger = self.asked(false, plan, looked_up);
            if plan.answers.is_empty() && !recipe.menu {
                let bank = if stranger.is_some() { "unknown_name" } else { "no_answer" };
                plan.message = self.pick_about(bank, stranger.as_deref());
            }
        }
        // Questions in passing are answered whatever the action says.
        if recipe.answer == AnswerPart::None
            && !self.understanding.questions.is_empty()
            && !recipe.menu
            && recipe.family != "handover"
        {
            stranger = self.asked(false, plan, looked_up);
            if plan.message.is_none() && stranger.is_some() {
                plan.message = self.pick_about("unknown_name", stranger.as_deref());
            }
        }
        let from_phase = self
            .turn
            .flow
            .id(&self.turn.state.state)
            .is_some_and(|id| self.turn.flow.state(id).phase.is_some());
        let wishes =
            ["pain_point", "desired_outcome"].iter().any(|slot| self.understanding.slot(slot).is_some());
        let presents = self.next.name == "presentation"
            && (self.turn.state.state != "presentation" && from_phase || wishes);
        if presents && plan.answers.is_empty() && recipe.answer == AnswerPart::None {
            self.pain(1, plan, looked_up);
            let fits = !plan.answers.is_empty();
            if !fits && from_phase {
                // Nothing is known of the trouble: the trade, or the programme as a whole.
                let trade = self.memory.text("business_type").unwrap_or_default();
                let overview = &self.writer.categories.overview;
                let ask = overview.get("ask").map_or("", String::as_str);
                let topic = overview.get("topic");
                // A trade has a section of its own; without one the programme as a whole is meant.
                if !trade.is_empty() {
                    self.fact(&format!("{ask} {trade}"), None, trade, plan, looked_up);
                }
                if plan.answers.is_empty() {
                    self.fact(ask, topic, "", plan, looked_up);
                }
            }
            if !plan.answers.is_empty() {
                let lead = if fits { "presentation_lead" } else { "presentation_lead_open" };
                plan.lead = self.pick_message(lead).map(|picked| picked.line);
            }
        }
    }

    /// "ну и?": the client presses for the answer to an earlier question.
    fn presses(&self) -> bool {
        self.understanding.repeated && self.understanding.picked.is_some()
    }

    /// One answer per question, in the client's order. Returns the name of a thing that was asked about and that no
    /// section knows.
    fn asked(&self, if_sure: bool, plan: &mut ReplyPlan, looked_up: &mut LookedUp) -> Option<String> {
        let mut stranger = None;
        let intents = &self.catalog.intents;
        let mut asked: Vec<(String, Option<salesbot_dialogue::IntentId>)> = self
            .understanding
            .questions
            .iter()
            .map(|question| (question.text.clone(), Some(question.intent)))
            .collect();
        let unasked = asked.is_empty() && !self.understanding.asks;
        // A mood is no topic: "достали звонками" wants no fact about calls.
        let mood = ["frustration", "conversational"]
            .contains(&intents.get(self.understanding.intent).category.as_str());
        let topic = if_sure && self.understanding.slots.is_empty() && !mood;
        let presses = self.understanding.picked.is_some();
        if asked.is_empty() && (self.understanding.asks && (!mood || presses) || topic) {
            // The topic of a message that asks nothing: the best question it could be.
            let topic = self
                .understanding
                .candidates
                .iter()
                .find(|other| unasked && intents.is_question(other.intent) && other.score >= TOPIC_SCORE);
            // "вернёмся к цифрам" names a place of the talk, not a topic.
            let words = self.understanding.picked.as_deref().unwrap_or(self.turn.message);
            let goes_back = self.catalog.in_group(self.understanding.intent, "go_back");
            if topic.is_some() || !goes_back && self.retriever.names_something(words) {
                asked.push((words.to_owned(), topic.map(|other| other.intent)));
            }
        }
        for (clause, intent) in asked {
            let by_name =
                intent.is_some_and(|id| self.writer.categories.named_things.contains(intents.name(id)));
            if by_name && let Some(name) = self.retriever.unknown_names(&clause).into_iter().next() {
                stranger.get_or_insert(name);
                continue;
            }
            // The same words again want the same answer, "вы не ответили" wants another one.
            let same = self.understanding.repeated && !self.presses();
            let cited: &[String] = if same { &[] } else { &self.memory.said.sections };
            let before = self.follows(&clause, intent);
            // A guess at what a few words ask is worth less than the thing they are about.
            let intent = intent.filter(|_| before.is_none() || self.understanding.confidence >= UNSURE);
            let categories = intent.map(|id| self.writer.categories.of(id, intents)).unwrap_or_default();
            let label = intent.map(|id| intents.get(id).label.as_str());
            let sure = self.understanding.confidence >= SURE;
            let worded = self.writer.categories.reword(&match label {
                // "ну что там у вас": all that is known of it is what it was read as.
                Some(label) if before.is_none() && !self.retriever.names_something(&clause) => {
                    label.to_owned()
                }
                Some(label) if clause.split_whitespace().count() < 4 => format!("{clause} {label}"),
                _ => clause,
            });
            // What answers the intent in general does not answer it for one thing.
            let lead = intent.and_then(|id| self.writer.categories.lead(id, intents)).map(str::to_owned);
            let in_general = before.as_ref().is_none_or(|before| before.must.is_empty());
            // "1с стоит, чем вы лучше": what stands there has no price.
            let compares = intent.is_some_and(|id| intents.is(id, "comparison"));
            let wants_price = !compares && self.writer.categories.wants_price(&worded)
                || before.is_none() && intent.is_some_and(|id| intents.is_price(id));
            let lists = self.room.lists && plan.answers.is_empty();
            let room = Room {
                lists,
                prefers_lists: intent.is_some_and(|id| intents.is_price(id)),
                wants_price,
                ..self.room
            };
            let query = Query {
                categories,
                cited: cited.to_vec(),
                lead: lead.clone().filter(|_| in_general),
                wants_price,
                subject: label.unwrap_or_default().to_owned(),
                before,
                ..self.query(worded.clone())
            };
            let mut query = query;
            let mut passages = look_up(self.retriever, &query);
            let priced = |passages: &[Passage<'_>]| {
                passages.first().is_some_and(|best| best.section.facts.contains('₸'))
            };
            if query.wants_price && query.before.is_some() && !priced(&passages) {
                // What was asked about before has no price: the programme's is meant.
                query.before = None;
                query.lead = lead;
                passages = look_up(self.retriever, &query);
            }
            let mut found = answer(self.retriever, &query, &passages, room, sure);
            let half_known =
                passages.first().is_some_and(|best| best.known() >= query.options.min_coverage - DROWNED);
            let answers_in_general = intent
                .is_some_and(|id| intents.is_price(id) || self.writer.categories.lead(id, intents).is_some());
            if let (None, Some(label)) = (&found, label)
                && sure
                && (half_known || answers_in_general)
            {
                // The words around the question drowned it: its subject alone is looked up.
                let query = Query { text: label.to_owned(), ..query };
                passages = look_up(self.retriever, &query);
                found = answer(self.retriever, &query, &passages, room, sure);
            }
            note(&passages, looked_up);
            let enough = !unasked || passages.first().is_some_and(|best| best.coverage >= TOPIC_COVERAGE);
            let stale = |found: &Answer| self.presses() && self.memory.said.sections.contains(&found.section);
            if let Some(found) = found.filter(|found| enough && !stale(found))
                && !plan.answers.iter().any(|known| known.section == found.section)
            {
                plan.answers.push(found);
            }
        }
        stranger
    }

    /// These words, looked up as of today.
    fn query(&self, text: String) -> Query {
        let today = salesbot_knowledge::day(self.turn.now);
        let said = self.turn.state.turns.iter().rev().take(REMEMBERED).map(|turn| turn.user.as_str());
        let trade = self.memory.text("business_type").unwrap_or_default();
        let about: Vec<&str> = said.chain([self.turn.message, trade]).collect();
        Query {
            about: about.join("\n"),
            text,
            today: Some(today),
            options: self.options.retriever,
            ..Query::default()
        }
    }

    /// The first plain sentence of a topic that was not told yet.
    pub(super) fn told(&self, topic: &str, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let sections = &self.retriever.knowledge.sections;
        let Some(section) = sections.iter().find(|section| section.topic == topic && !section.sensitive)
        else {
            return;
        };
        looked_up.push((section.id.clone(), 1.0, 1.0));
        if !self.memory.said.sections.contains(&section.id)
            && let Some(sentence) = section.sentences.iter().find(|sentence| sentence.items.is_empty())
        {
            plan.answers.push(Answer {
                asked: topic.to_owned(),
                section: section.id.clone(),
                sentences: vec![sentence.clone()],
            });
        }
    }

    /// One sentence about what these words name, of a section that holds one of those it `needs`.
    pub(super) fn fact(
        &self,
        words: &str,
        topic: Option<&String>,
        needs: &str,
        plan: &mut ReplyPlan,
        looked_up: &mut LookedUp,
    ) {
        let query = Query {
            cited: self.memory.said.sections.clone(),
            lead: topic.cloned(),
            ..self.query(words.to_owned())
        };
        let passages = look_up(self.retriever, &query);
        note(&passages, looked_up);
        let only = topic.filter(|topic| self.retriever.knowledge.has_topic(topic));
        let needed = salesbot_knowledge::words::words(needs);
        let plain = |passage: &&Passage<'_>| {
            (needed.is_empty() || needed.iter().any(|word| passage.matched.contains(word)))
                && only.is_none_or(|topic| *topic == passage.section.topic)
                && !self.memory.said.sections.contains(&passage.section.id)
                && passage.section.sentences.iter().any(|sentence| sentence.items.is_empty())
        };
        if let Some(best) = passages.iter().find(plain)
            && let Some(sentence) = best.section.sentences.iter().find(|sentence| sentence.items.is_empty())
        {
            plan.answers.push(Answer {
                asked: words.to_owned(),
                section: best.section.id.clone(),
                sentences: vec![sentence.clone()],
            });
        }
    }

    /// Facts that fit the trouble the client named, and the wish; at most `most`.
    pub(super) fn pain(&self, most: usize, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let memory = self.memory;
        let pain = memory.text("pain_category").unwrap_or_default();
        let trouble = self.writer.categories.pains.get(pain).cloned();
        let topic = trouble.as_ref().and_then(|_| self.writer.categories.pain_topics.get(pain)).cloned();
        let wish = memory.text("desired_outcome").or(memory.text("pain_point")).map(str::to_owned);
        let categories = ["features", "inventory", "analytics", "employees"].map(str::to_owned).to_vec();
        // The client's own words find by chance more easily than a known trouble: more of them must fit.
        let told = memory.text("pain_point").map(|text| (text.to_owned(), OWN_WORDS_COVERAGE, None));
        let known = trouble.map(|text| (text, TROUBLE_COVERAGE, topic));
        let wish = wish.map(|text| (text, OWN_WORDS_COVERAGE, None));
        for (text, least, lead) in [known.or(told), wish].into_iter().flatten() {
            let query = Query {
                categories: categories.clone(),
                cited: memory.said.sections.clone(),
                lead: lead.clone(),
                ..self.query(text.clone())
            };
            let passages = look_up(self.retriever, &query);
            note(&passages, looked_up);
            // Where the section on a trouble has been told, the next best is about something else.
            let has_lead = passages.iter().any(|passage| lead.as_ref() == Some(&passage.section.topic));
            let top = passages.first().map_or(0.0, |best| best.score);
            let fresh = |passage: &&Passage<'_>| {
                passage.coverage >= least
                    && passage.known() >= query.options.min_coverage
                    && passage.score >= NEARLY * top
                    && (!has_lead || lead.as_ref() == Some(&passage.section.topic))
                    && !memory.said.sections.contains(&passage.section.id)
                    && !plan.answers.iter().any(|known| known.section == passage.section.id)
            };
            let Some(best) = passages.iter().find(fresh) else { continue };
            if plan.answers.len() >= most {
                break;
            }
            if let Some(sentence) = best.section.sentences.iter().find(|sentence| sentence.items.is_empty()) {
                plan.answers.push(Answer {
                    asked: text,
                    section: best.section.id.clone(),
                    sentences: vec![sentence.clone()],
                });
            }
        }
    }

    /// Beside a first price: the tariff that fits what is known of the client.
    fn fit(&self, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let categories = &self.writer.categories;
        for (slot, template) in &categories.fits {
            // One shop needs no advice on how many shops a tariff holds.
            if self.memory.number(slot).is_none_or(|number| number < 2) {
                continue;
            }
            let Some(text) = fill(template, &|hole| self.value(hole)) else { continue };
            let passages = look_up(
                self.retriever,
                &Query { categories: vec!["pricing".to_owned()], ..self.query(text) },
            );
            note(&passages, looked_up);
            let said = |id: &String| {
                self.memory.said.sections.contains(id)
                    || plan.answers.iter().any(|known| known.section == *id)
            };
            if let Some(best) = passages.iter().find(|best| best.coverage >= 0.9 && !said(&best.section.id))
                && let Some(sentence) = best.section.sentences.first()
            {
                plan.answers.push(Answer {
                    asked: template.clone(),
                    section: best.section.id.clone(),
                    sentences: vec![sentence.clone()],
                });
            }
        }
    }

    /// Agreement, one fact, one light question; the second attempt comes from another side.
    fn objection(&self, plan: &mut ReplyPlan, looked_up: &mut LookedUp) {
        let Some((family, attempt)) = self.decision.objection else { return };
        let Some(bank) = self.writer.banks.objections.get(family) else { return };
        let intent = self.catalog.intents.name(self.understanding.intent);
        let special = self.writer.banks.special.get(intent);
        let (id, agree) = match special {
            Some(texts) => (format!("objection.{intent}"), texts),
            None => (format!("objection.{family}.agree"), &bank.agree),
        };
        plan.agree = self.pick(&id, agree).map(|picked| picked.line);
        if attempt <= 1 {
            if let Some(query) = &bank.query {
                let query = Query {
                    cited: self.memory.said.sections.clone(),
                    lead: bank.topic.clone(),
                    ..self.query(query.clone())
                };
                let passages = look_up(self.retriever, &query);
                note(&passages, looked_up);
                if let Some(passage) = passages.first()
                    && let Some(sentence) =
                        passage.section.sentences.iter().find(|sentence| sentence.items.is_empty())
                {
                    plan.answers.push(Answer {
                        asked: query.text,
                        section: passage.section.id.clone(),
                        sentences: vec![sentence.clone()],
                    });
                }
            }
            // A question of the client's is answered instead of asked back.
            if !self.understanding.questions.is_empty() {
                self.asked(false, plan, looked_up);
                return;
            }
        }
        let (id, texts) = if attempt <= 1 { ("ask", &bank.ask) } else { ("second", &bank.second) };
        if let Some(picked) = self.pick(&format!("objection.{family}.{id}"), texts) {
            if let Some(kind) = &picked.asks {
                plan.question = Some(PlannedQuestion {
                    slot: None,
                    kind: kind.clone(),
                    line: Some(picked.line.clone()),
                    text_id: picked.line.id,
                });
            } else {
                plan.message = Some(picked.line);
            }
        }
    }
}

fn note(passages: &[Passage<'_>], looked_up: &mut LookedUp) {
    looked_up
        .extend(passages.iter().map(|passage| (passage.section.id.clone(), passage.score, passage.coverage)));
}
