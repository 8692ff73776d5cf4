//! A language model as the engine sees it: one question, one answer, and a budget that both sides keep. The
//! client for real servers is [`crate::client`]; tests and `replay` bring their own [`ChatModel`].

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// What a call is for; one name each in traces and statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Classification,
    ResponseGeneration,
    LanguageRetry,
    DuplicateRetry,
    BoundaryRepair,
    Compaction,
}

impl Purpose {
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::ResponseGeneration => "response_generation",
            Self::LanguageRetry => "language_retry",
            Self::DuplicateRetry => "duplicate_retry",
            Self::BoundaryRepair => "boundary_repair",
            Self::Compaction => "compaction",
        }
    }
}

/// One question to a model. `system` is the part that stays the same from turn to turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    pub purpose: Purpose,
    pub system: String,
    pub user: String,
    /// JSON schema of the answer; `None`: free text.
    pub schema: Option<Value>,
    pub temperature: f32,
    /// Tokens the answer may have.
    pub max_tokens: u32,
    /// Texts at which a free answer ends.
    pub stop: Vec<String>,
    pub seed: u64,
}

impl Prompt {
    /// Sixteen hex digits that name the question; equal questions have equal names on any machine.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        let schema = self.schema.as_ref().map(Value::to_string).unwrap_or_default();
        let numbers = format!("{}\n{}\n{}", self.temperature, self.max_tokens, self.seed);
        for part in [self.purpose.name(), &self.system, &self.user, &schema, &numbers] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        for part in &self.stop {
            digest.update(part);
            digest.update([0]);
        }
        digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn chars(&self) -> usize {
        self.system.chars().count() + self.user.chars().count()
    }
}

/// Why there is no answer. Which of these speak against the endpoint: [`Failure::blames_endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the answer ended before its end")]
    Cut,
    #[error("the server has no model `{0}`")]
    ModelMissing(String),
    #[error("the server is busy (429)")]
    Busy,
    #[error("the server failed with status {0}: {1}")]
    Server(u16, String),
    #[error("the server refused the request with status {0}: {1}")]
    Refused(u16, String),
    #[error("that is no model server's answer: {0}")]
    NotAnAnswer(String),
    #[error("the answer is empty")]
    Empty,
    #[error("the answer holds reasoning only")]
    ReasoningOnly,
    #[error("the answer has no end")]
    Endless,
    #[error("the answer is not what was asked for: {0}")]
    Malformed(String),
    #[error("the prompt has about {tokens} tokens, with the answer more than the {limit} of the model")]
    PromptTooLong { tokens: u32, limit: u32 },
    #[error("circuit_breaker_open")]
    BreakerOpen,
    #[error("no free slot at the model within the time of the turn")]
    NoSlot,
    #[error("the turn's model calls are used up")]
    BudgetSpent,
    #[error("the client went away")]
    Cancelled,
    #[error("a recorded turn has no answer to this question")]
    NotRecorded,
}

impl Failure {
    /// Stable name for traces and statistics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Timeout(_) => "timeout",
            Self::Broken(_) => "broken",
            Self::Cut => "cut",
            Self::ModelMissing(_) => "model_missing",
            Self::Busy => "busy",
            Self::Server(..) => "server_error",
            Self::Refused(..) => "refused",
            Self::NotAnAnswer(_) => "not_an_answer",
            Self::Empty => "empty",
            Self::ReasoningOnly => "reasoning_only",
            Self::Endless => "endless",
            Self::Malformed(_) => "malformed",
            Self::PromptTooLong { .. } => "prompt_too_long",
            Self::BreakerOpen => "circuit_breaker_open",
            Self::NoSlot => "no_slot",
            Self::BudgetSpent => "budget_spent",
            Self::Cancelled => "cancelled",
            Self::NotRecorded => "not_recorded",
        }
    }

    /// Counts towards opening the endpoint's breaker: the server is down, wrong or too slow. What a model says
    /// (nothing, only reasoning, the wrong form) does not: the server works.
    pub fn blames_endpoint(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::ConnectTimeout(_)
                | Self::Timeout(_)
                | Self::Broken(_)
                | Self::Cut
                | Self::ModelMissing(_)
                | Self::Server(..)
                | Self::NotAnAnswer(_)
        )
    }

    /// May be tried again at once, perhaps elsewhere: nothing has been generated yet.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::ConnectTimeout(_) | Self::Busy)
    }

    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout(_) | Self::Timeout(_) | Self::NoSlot)
    }
}

/// What the server counted. `prompt` is absent where the server said nothing or only what it had not cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: Option<u32>,
    pub answer_tokens: Option<u32>,
    pub load_ms: Option<u32>,
    pub prompt_eval_ms: Option<u32>,
    pub eval_ms: Option<u32>,
}

/// One HTTP attempt, or a call that was not made and why. Texts are whole; whoever shows them shortens.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub prompt: Prompt,
    pub model: String,
    pub endpoint: String,
    pub answer: String,
    pub usage: Usage,
    /// Estimated tokens of the prompt, counted before.
    pub estimated_tokens: u32,
    pub num_ctx: u32,
    pub queue: Duration,
    pub latency: Duration,
    pub first_text: Option<Duration>,
    /// Attempts before this one for the same question.
    pub retry: u32,
    pub breaker: &'static str,
    pub failure: Option<Failure>,
}

/// What one turn may spend on models, and what it has spent.
pub struct Budget {
    pub calls_left: u32,
    /// No call goes on after this; the embedded text then goes out.
    pub deadline: Instant,
    /// Every attempt in order, failed and skipped ones too.
    pub attempts: Vec<Attempt>,
    /// Its sender is dropped when the client goes away.
    pub gone: watch::Receiver<()>,
}

impl fmt::Debug for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Budget")
            .field("calls_left", &self.calls_left)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

/// Takes the text of an answer as it comes; `Break` ends the answer there, which is no failure.
pub type Hear<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// Anything that answers prompts. Calls block: they are made from threads that may wait.
pub trait ChatModel: fmt::Debug + Send + Sync {
    /// Asks once; retries of connection errors are inside, and all attempts are noted in `budget`.
    ///
    /// # Errors
    /// [`Failure`]; what had been heard until then counts for nothing.
    fn ask(&self, prompt: &Prompt, budget: &mut Budget, hear: Hear<'_>) -> Result<String, Failure>;

    /// Worth asking at all: forced by the settings, or seen to answer.
    fn expected(&self) -> bool;
}
