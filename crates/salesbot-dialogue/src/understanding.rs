//! What NLU found in one message. Made by `salesbot-engine::nlu`, read by everyone after it.

use serde::Serialize;
use serde_json::Value;

use crate::IntentId;

#[derive(Clone, Debug, PartialEq)]
pub struct Understanding {
    pub intent: IntentId,
    /// 0 to 1, calibrated: of a hundred messages read with 0.8, about eighty are read rightly.
    pub confidence: f32,
    pub method: Method,
    /// The classifier's own reading, if context changed it.
    pub original_intent: Option<IntentId>,
    /// Best first, at most 24; the trace shows 8.
    pub candidates: Vec<Candidate>,
    /// Other intents of the same message, at most 3; nothing the client asks is dropped.
    pub secondary: Vec<IntentId>,
    /// What the client asks, in the client's order; the reply answers each.
    pub questions: Vec<Question>,
    pub slots: Vec<SlotFill>,
    pub tone: ToneReading,
    pub language: Language,
    /// A question mark or a question word stands in the message.
    pub asks: bool,
    /// The message opens with a hello, whatever else it holds.
    pub greets: bool,
    /// "2" and the like: the words it stands for, the label of the choice or the message it was unclear about.
    pub picked: Option<String>,
    /// The same question as in one of the last turns.
    pub repeated: bool,
    /// What a language model suggests in an autonomous flow; `None` without a model.
    pub suggestion: Option<Suggestion>,
    /// What normalisation repaired: (from, to, why).
    pub repairs: Vec<(String, String, &'static str)>,
    /// Which rules of context changed the reading, and why.
    pub because: Vec<String>,
}

impl Understanding {
    /// A message that says this and nothing else.
    pub fn of(intent: IntentId) -> Self {
        Self {
            intent,
            confidence: 0.9,
            method: Method::Rule,
            original_intent: None,
            candidates: Vec::new(),
            secondary: Vec::new(),
            questions: Vec::new(),
            slots: Vec::new(),
            tone: ToneReading::default(),
            language: Language::Russian,
            asks: false,
            greets: false,
            repeated: false,
            picked: None,
            suggestion: None,
            repairs: Vec::new(),
            because: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Rule,
    Linear,
    Llm,
    Context,
    Fallback,
}

/// A model's view of where an autonomous talk goes; weighed by `decide`, never obeyed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// `None`: stay.
    pub next_state: Option<String>,
    pub reasoning: String,
    /// The model was asked and gave nothing usable.
    pub failed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub intent: IntentId,
    pub score: f32,
    pub method: Method,
    pub evidence: String,
}

/// One thing asked: the intent it was read as and the client's own clause, which is what gets looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub intent: IntentId,
    pub text: String,
}

/// One fact found in the message. `source` is the piece of text it was read from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlotFill {
    pub slot: String,
    pub value: Value,
    pub source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Russian,
    Kazakh,
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    #[default]
    Neutral,
    Positive,
    Frustrated,
    Skeptical,
    Rushed,
    Confused,
    Interested,
}

impl Tone {
    pub const ALL: [Self; 7] = [
        Self::Frustrated,
        Self::Rushed,
        Self::Skeptical,
        Self::Confused,
        Self::Positive,
        Self::Interested,
        Self::Neutral,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Positive => "positive",
            Self::Frustrated => "frustrated",
            Self::Skeptical => "skeptical",
            Self::Rushed => "rushed",
            Self::Confused => "confused",
            Self::Interested => "interested",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.name() == name)
    }

    pub fn is_negative(self) -> bool {
        matches!(self, Self::Frustrated | Self::Skeptical | Self::Rushed | Self::Confused)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToneReading {
    pub tone: Tone,
    pub informal: bool,
    /// The words that showed it.
    pub signals: Vec<String>,
    /// 0 to 10, before and after this turn; after includes the structural signals.
    pub frustration_before: u8,
    pub frustration: u8,
    /// An apology is due: 4, or 7 for a sceptic, whose doubt is a business question.
    pub apologise: bool,
    /// Annoyed or in haste to the point where the guard steps in.
    pub warning: bool,
}

impl Understanding {
    pub fn slot(&self, name: &str) -> Option<&Value> {
        self.slots.iter().find(|fill| fill.slot == name).map(|fill| &fill.value)
    }

    /// The main intent, then the others.
    pub fn intents(&self) -> impl Iterator<Item = IntentId> {
        std::iter::once(self.intent).chain(self.secondary.iter().copied())
    }
}
