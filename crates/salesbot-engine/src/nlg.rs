//! The reply: plan, words, check. Today's writer is the embedded one: phrase banks and sentences of the
//! knowledge base, no network, the same text for the same input. A model writer will word the same
//! [`plan::ReplyPlan`] and pass the same [`verify`].

pub mod banks;
pub mod facts;
pub mod grammar;
pub mod plan;
mod planner;
pub mod verify;

use std::collections::BTreeMap;

use salesbot_dialogue::policy::commit;
use salesbot_dialogue::{Asked, Catalog, Decision, Turn, Understanding};
use salesbot_knowledge::Retriever;
use salesbot_knowledge::amounts::amounts;
use salesbot_knowledge::retriever::RetrieverOptions;

use banks::Banks;
use facts::Categories;
use plan::ReplyPlan;
use verify::ReplySentence;

pub use commit::ReplyMemory;

/// Everything a reply is made of; loaded once.
#[derive(Clone, Debug)]
pub struct Writer {
    pub banks: Banks,
    pub categories: Categories,
    pub tool_in: BTreeMap<String, String>,
}

/// Choices of the deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct WriterOptions {
    pub company: String,
    /// Wordings vary within a talk; off: always the first that fits.
    pub vary: bool,
    pub apologise: bool,
    /// Known facts are never asked for.
    pub deduplicate_questions: bool,
    pub retriever: RetrieverOptions,
    /// Kinds of calls to action the company has.
    pub cta: CtaOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtaOptions {
    pub offered_kinds: Vec<String>,
    /// Kinds that were turned down are not offered again.
    pub memory: bool,
}

/// A finished reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub text: String,
    pub plan: ReplyPlan,
    /// Sentences in order; lines of a list count as sentences.
    pub sentences: Vec<ReplySentence>,
    /// Sections looked at, best first: (id, score, coverage).
    pub looked_up: Vec<(String, f32, f32)>,
    pub events: Vec<String>,
    /// The call to action at the end, or why there is none.
    pub cta: Result<plan::CallToAction, &'static str>,
    pub memory: ReplyMemory,
}

/// Said when every part of a plan fell away; an empty reply is never sent.
const LAST_RESORT: &str = "clarify_one_question";

impl Writer {
    /// Plans, words and checks the reply to one turn.
    pub fn respond(
        &self,
        turn: &Turn<'_>,
        understanding: &Understanding,
        decision: &Decision,
        catalog: &Catalog,
        retriever: &Retriever,
        options: &WriterOptions,
    ) -> Reply {
        let planner = planner::Planner::new(self, options, turn, understanding, decision, catalog, retriever);
        let (plan, looked_up) = planner.plan();
        let mut client: std::collections::BTreeSet<String> = amounts(turn.message);
        client.extend(decision.memory.turns.iter().flat_map(|past| amounts(&past.user)));
        client.extend(
            decision.memory.slots.values().filter_map(serde_json::Value::as_i64).map(|n| n.to_string()),
        );
        let (mut sentences, events) = verify::verify(sentences(&plan), &retriever.knowledge, &client);
        if sentences.is_empty() {
            let line = planner.message(LAST_RESORT);
            sentences.extend(line.map(|line| ReplySentence {
                text: line.text,
                section: None,
                free: true,
                line: false,
            }));
        }
        let cta = planner.cta(&plan, &sentences);
        if let Ok(cta) = &cta {
            let after_list = sentences.last().is_some_and(|last| last.text.starts_with('•'));
            sentences.push(ReplySentence {
                text: cta.line.text.clone(),
                section: None,
                free: true,
                line: after_list,
            });
        }
        let text = join(&sentences);
        let mut sections: Vec<String> =
            sentences.iter().filter_map(|sentence| sentence.section.clone()).collect();
        sections.dedup();
        let memory = ReplyMemory {
            text: text.clone(),
            asked: asked(&plan),
            greeted: plan.greets || !decision.memory.said.greeted,
            apologised: plan.apologises,
            text_ids: text_ids(&plan).into_iter().chain(cta.iter().map(|cta| cta.line.id.clone())).collect(),
            sections,
            cta: cta.as_ref().ok().map(|cta| cta.kind.clone()),
        };
        Reply { text, plan, sentences, looked_up, events, cta, memory }
    }
}

fn asked(plan: &ReplyPlan) -> Option<Asked> {
    if let Some(menu) = &plan.menu {
        return Some(Asked {
            slot: None,
            kind: "choice".to_owned(),
            options: menu.options.clone(),
            text_id: menu.lead.id.clone(),
        });
    }
    let question = plan.question.as_ref()?;
    Some(Asked {
        slot: question.slot.clone(),
        kind: question.kind.clone(),
        options: Vec::new(),
        text_id: question.text_id.clone(),
    })
}

fn text_ids(plan: &ReplyPlan) -> Vec<String> {
    let lines =
        [&plan.ack, &plan.lead, &plan.agree, &plan.message].into_iter().flatten().map(|line| line.id.clone());
    let menu = plan.menu.iter().flat_map(|menu| {
        std::iter::once(menu.lead.id.clone()).chain(menu.footer.iter().map(|line| line.id.clone()))
    });
    let question = plan.question.iter().map(|question| question.text_id.clone());
    let mut ids: Vec<String> = lines.chain(menu).chain(question).collect();
    ids.dedup();
    ids
}

/// Parts in their order: ack, agreement, lead, answers, message, menu, question.
fn sentences(plan: &ReplyPlan) -> Vec<ReplySentence> {
    let mut out = Vec::new();
    let mut say = |text: &str, free: bool| {
        out.push(ReplySentence { text: text.to_owned(), section: None, free, line: false });
    };
    for line in [&plan.ack, &plan.agree, &plan.lead].into_iter().flatten() {
        say(&line.text, true);
    }
    for answer in &plan.answers {
        for sentence in &answer.sentences {
            let listed = !sentence.items.is_empty();
            let part = |text: String, line: bool| ReplySentence {
                text,
                section: Some(answer.section.clone()),
                free: false,
                line,
            };
            let after_list = out.last().is_some_and(|last| last.text.starts_with('•'));
            out.push(part(sentence.text.clone(), listed && !out.is_empty() || after_list));
            out.extend(sentence.items.iter().map(|item| part(format!("• {item}"), true)));
        }
    }
    let after_list = out.last().is_some_and(|last| last.text.starts_with('•'));
    if let Some(line) = &plan.message {
        out.push(ReplySentence { text: line.text.clone(), section: None, free: true, line: after_list });
    }
    if let Some(menu) = &plan.menu {
        out.push(ReplySentence { text: menu.lead.text.clone(), section: None, free: true, line: false });
        let listed = if menu.inline { &[][..] } else { &menu.options[..] };
        for (at, option) in listed.iter().enumerate() {
            out.push(ReplySentence {
                text: format!("{}. {}", at + 1, option.label),
                section: None,
                free: true,
                line: true,
            });
        }
        if let Some(footer) = &menu.footer {
            out.push(ReplySentence { text: footer.text.clone(), section: None, free: true, line: true });
        }
    }
    if let Some(line) = plan.question.as_ref().and_then(|question| question.line.as_ref()) {
        let line_break = after_list && plan.message.is_none();
        out.push(ReplySentence { text: line.text.clone(), section: None, free: true, line: line_break });
    }
    // Two banks may hold one sentence: it is said once.
    let mut said = std::collections::BTreeSet::new();
    out.retain(|sentence| said.insert(sentence.text.clone()));
    out
}

fn join(sentences: &[ReplySentence]) -> String {
    let mut out = String::new();
    for sentence in sentences {
        if !out.is_empty() {
            out.push(if sentence.line { '\n' } else { ' ' });
        }
        out.push_str(&sentence.text);
    }
    out
}
