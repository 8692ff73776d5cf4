//! The last five turns as a shape: how the talk goes, not what was said. Derived from the snapshot in each
//! turn, never stored. Patterns, engagement and momentum: dialogue reference, section 15.

use crate::flow::Flow;
use crate::state::{DialogueState, Exchange};
use crate::{Catalog, IntentId, Understanding};

/// Turns looked at, this one included.
pub const WINDOW: usize = 5;
/// Intents that move a sale on by themselves.
const PROGRESS: [&str; 9] = [
    "agreement",
    "demo_request",
    "callback_request",
    "contact_provided",
    "situation_provided",
    "problem_revealed",
    "implication_acknowledged",
    "need_expressed",
    "info_provided",
];
/// Share of common words from which a message repeats what the bot said.
const ECHO: f64 = 0.85;
/// Shorter echoes ("да, касса") are answers.
const ECHO_WORDS: usize = 4;

/// What a turn was for the course of the talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnType {
    Progress,
    Regress,
    Lateral,
    Stuck,
    Neutral,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trend {
    Improving,
    Declining,
    Stable,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Disengaged,
    Low,
    Medium,
    High,
}

/// The course of a talk up to and with this message; the state it leads to is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub types: Vec<TurnType>,
    /// 0 to 1.
    pub engagement: f64,
    pub level: Level,
    pub engagement_trend: Trend,
    /// −1 to 1.
    pub momentum: f64,
    /// Sum of steps along the funnel over the last two turns.
    pub funnel: i32,
    pub confidence_trend: Trend,
    /// `unclear` in the window.
    pub unclear: usize,
    /// The message says again what the bot has just said.
    pub echo: bool,
    /// Turns since the first progress after an objection; `None` before it.
    pub since_breakthrough: Option<u32>,
}

impl Trend {
    pub fn name(self) -> &'static str {
        match self {
            Self::Improving => "improving",
            Self::Declining => "declining",
            Self::Stable => "stable",
            Self::Unknown => "unknown",
        }
    }
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Disengaged => "disengaged",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl TurnType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Progress => "progress",
            Self::Regress => "regress",
            Self::Lateral => "lateral",
            Self::Stuck => "stuck",
            Self::Neutral => "neutral",
        }
    }

    /// Weight in the momentum.
    fn weight(self) -> f64 {
        match self {
            Self::Progress => 1.0,
            Self::Lateral => 0.2,
            Self::Neutral => 0.0,
            Self::Stuck => -0.3,
            Self::Regress => -1.0,
        }
    }
}

impl Window {
    /// `detailed`: the second engagement formula, which counts questions and objections too.
    pub fn of(
        before: &DialogueState,
        message: &str,
        understanding: &Understanding,
        flow: &Flow,
        catalog: &Catalog,
        detailed: bool,
    ) -> Self {
        let past = &before.turns[before.turns.len().saturating_sub(WINDOW - 1)..];
        let mut shapes: Vec<Shape> = past.iter().map(|turn| Shape::of(turn, flow, catalog)).collect();
        shapes.push(Shape {
            kind: turn_type(understanding.intent, 0, catalog),
            intent: Some(understanding.intent),
            words: message.split_whitespace().count(),
            has_data: !understanding.slots.is_empty(),
            delta: 0,
            confidence: f64::from(understanding.confidence),
        });
        let scores: Vec<f64> = shapes.iter().map(|shape| shape.engagement(detailed, catalog)).collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let engagement =
            (mean + if detailed { bonus(&shapes, understanding, catalog) } else { 0.0 }).clamp(0.0, 1.0);
        let confidences: Vec<f64> = shapes.iter().map(|shape| shape.confidence).collect();
        let breakthrough = before.episodes.iter().find(|episode| episode.kind == "breakthrough");
        Self {
            engagement,
            level: level(engagement, detailed),
            engagement_trend: halves(&scores, if detailed { 0.08 } else { 0.1 }),
            momentum: momentum(shapes.iter().map(|shape| shape.kind)),
            funnel: shapes.iter().rev().skip(1).take(2).map(|shape| shape.delta).sum(),
            confidence_trend: last_three(&confidences),
            unclear: shapes.iter().filter(|shape| shape.kind == TurnType::Stuck).count(),
            echo: before.turns.last().is_some_and(|last| echoes(message, &last.bot)),
            since_breakthrough: breakthrough
                .map(|episode| (before.counters.turn + 1).saturating_sub(episode.turn)),
            types: shapes.iter().map(|shape| shape.kind).collect(),
        }
    }

    /// The talk as it looks when nobody looks: no patterns, no mood.
    pub fn blank() -> Self {
        Self {
            types: Vec::new(),
            engagement: 0.5,
            level: Level::Medium,
            engagement_trend: Trend::Unknown,
            momentum: 0.0,
            funnel: 0,
            confidence_trend: Trend::Unknown,
            unclear: 0,
            echo: false,
            since_breakthrough: None,
        }
    }

    pub fn is_positive(&self) -> bool {
        self.momentum > 0.2
    }

    pub fn is_negative(&self) -> bool {
        self.momentum < -0.2
    }

    /// One to three turns after a breakthrough.
    pub fn in_breakthrough(&self) -> bool {
        self.since_breakthrough.is_some_and(|turns| (1..=3).contains(&turns))
    }

    pub fn direction(&self) -> &'static str {
        if self.is_positive() {
            "positive"
        } else if self.is_negative() {
            "negative"
        } else {
            "neutral"
        }
    }
}

/// The kind of a turn by its intent and its step along the funnel; first hit decides.
pub fn turn_type(intent: IntentId, delta: i32, catalog: &Catalog) -> TurnType {
    let intents = &catalog.intents;
    let name = intents.name(intent);
    if intents.is_objection(intent) || name == "rejection" || name == "farewell" {
        TurnType::Regress
    } else if intents.is_question(intent) {
        TurnType::Lateral
    } else if name == "unclear" {
        TurnType::Stuck
    } else if name == "greeting" || name == "gratitude" {
        TurnType::Neutral
    } else if PROGRESS.contains(&name) || delta > 0 {
        TurnType::Progress
    } else if delta < 0 {
        TurnType::Regress
    } else {
        TurnType::Neutral
    }
}

struct Shape {
    kind: TurnType,
    intent: Option<IntentId>,
    words: usize,
    has_data: bool,
    delta: i32,
    confidence: f64,
}

impl Shape {
    fn of(turn: &Exchange, flow: &Flow, catalog: &Catalog) -> Self {
        let order = |name: &str| flow.id(name).map(|id| flow.order(id));
        let delta = order(&turn.next).zip(order(&turn.state)).map_or(0, |(next, from)| next - from);
        let intent = catalog.intents.id(&turn.intent);
        Self {
            kind: intent.map_or(TurnType::Neutral, |intent| turn_type(intent, delta, catalog)),
            intent,
            words: turn.user.split_whitespace().count(),
            has_data: turn.has_data,
            delta,
            confidence: f64::from(turn.confidence) / 100.0,
        }
    }

    fn engagement(&self, detailed: bool, catalog: &Catalog) -> f64 {
        let data = if self.has_data { 1.0 } else { 0.0 };
        let course = |regress: f64| match self.kind {
            TurnType::Progress => 0.2,
            TurnType::Lateral => 0.1,
            TurnType::Regress => -regress,
            TurnType::Stuck => -0.1,
            TurnType::Neutral => 0.0,
        };
        if !detailed {
            let length = (self.words as f64 / 10.0).min(1.0);
            return (0.5 + 0.3 * length + 0.2 * data + course(0.2)).clamp(0.0, 1.0);
        }
        let score = (0.5 + 0.25 * data + course(0.15)).clamp(0.0, 1.0);
        let yes = self.intent.is_some_and(|intent| catalog.intents.is_positive(intent));
        if yes && self.words <= 3 { score.max(0.5) } else { score }
    }
}

/// Whole-window corrections of the second formula.
fn bonus(shapes: &[Shape], understanding: &Understanding, catalog: &Catalog) -> f64 {
    let of = |wanted: &dyn Fn(IntentId) -> bool| {
        shapes.iter().filter(|shape| shape.intent.is_some_and(wanted)).count()
    };
    let mut sum = 0.0;
    if of(&|id| catalog.intents.is_question(id)) >= 2 {
        sum += 0.05;
    }
    if understanding.repeated {
        sum -= 0.05;
    }
    if of(&|id| catalog.intents.is_objection(id)) >= 3 {
        sum -= 0.05;
    }
    sum
}

fn level(engagement: f64, detailed: bool) -> Level {
    let [high, medium, low] = if detailed { [0.65, 0.45, 0.3] } else { [0.7, 0.5, 0.3] };
    match engagement {
        e if e >= high => Level::High,
        e if e >= medium => Level::Medium,
        e if e >= low => Level::Low,
        _ => Level::Disengaged,
    }
}

/// Weights double from turn to turn: the last one says most.
pub fn momentum(types: impl Iterator<Item = TurnType>) -> f64 {
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for kind in types {
        sum += weight * kind.weight();
        weights += weight;
        weight *= 2.0;
    }
    if weights == 0.0 { 0.0 } else { sum / weights }
}

/// The mean of the later half against the earlier one.
fn halves(values: &[f64], step: f64) -> Trend {
    if values.len() < 3 {
        return Trend::Unknown;
    }
    let (first, second) = values.split_at(values.len() / 2);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    direction(mean(second) - mean(first), step)
}

fn last_three(values: &[f64]) -> Trend {
    match values {
        [.., first, _, last] => direction(last - first, 0.1),
        _ => Trend::Unknown,
    }
}

fn direction(change: f64, step: f64) -> Trend {
    if change > step {
        Trend::Improving
    } else if change < -step {
        Trend::Declining
    } else {
        Trend::Stable
    }
}

fn echoes(message: &str, bot: &str) -> bool {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        let plain = text.to_lowercase().replace('ё', "е");
        plain
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (said, heard) = (words(message), words(bot));
    let common = said.intersection(&heard).count();
    let all = said.len() + heard.len() - common;
    said.len() >= ECHO_WORDS && common as f64 / all as f64 > ECHO
}
