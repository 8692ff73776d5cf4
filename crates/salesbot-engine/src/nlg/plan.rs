//! The reply plan: what the reply says and what it asks, before any wording is joined.

use salesbot_dialogue::Choice;

use super::facts::Answer;

/// One chosen text with the id under which it counts as said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub id: String,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyPlan {
    /// At most one sentence: greeting, confirmation, apology, empathy, what was just learned.
    pub ack: Option<Line>,
    /// A lead-in to the answers, where the recipe has one.
    pub lead: Option<Line>,
    /// Agreement before the fact that answers an objection.
    pub agree: Option<Line>,
    pub answers: Vec<Answer>,
    pub message: Option<Line>,
    pub question: Option<PlannedQuestion>,
    pub menu: Option<Menu>,
    pub limits: Limits,
    pub greets: bool,
    pub apologises: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedQuestion {
    pub slot: Option<String>,
    pub kind: String,
    /// `None` when the question is the end of another line of the plan.
    pub line: Option<Line>,
    pub text_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    pub lead: Line,
    pub options: Vec<Choice>,
    /// Absent where the lead names the options itself.
    pub footer: Option<Line>,
    pub inline: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub words: usize,
    pub tone: String,
    /// Slots that are known: never asked for.
    pub do_not_ask: Vec<String>,
}

/// A call to action: what the client could do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallToAction {
    pub line: Line,
    /// `demo`, `contact`, `trial` or `info`.
    pub kind: String,
}
