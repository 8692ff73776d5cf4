//! The client's mood: seven tones from marker words, from the intent, else from a linear model; and one
//! frustration number from 0 to 10.

use salesbot_dialogue::state::DialogueState;
use salesbot_dialogue::{Tone, ToneReading};
use salesbot_models::linear::{LinearModel, hash_parts};
use salesbot_yaml::{Diagnostics, Fields, SourceFile, entries, parse, strings};

use super::pattern::Patterns;
use super::slots::joined;
use super::text::Text;

/// Markers of one tone; a `not` pattern cancels it.
#[derive(Clone, Debug)]
struct Markers {
    tone: Tone,
    any: Patterns,
    not: Patterns,
}

#[derive(Clone, Debug, Default)]
pub struct ToneReader {
    /// In the order that decides when several fire: frustrated first.
    markers: Vec<Markers>,
    informal: Vec<String>,
    /// Moods an intent shows even without a marker word.
    by_intent: Vec<(String, Tone)>,
    examples: Vec<(Tone, String)>,
    /// Reads the mood where neither a marker nor the intent shows one. Classes in the order of [`Tone::ALL`].
    model: LinearModel,
}

/// The model names a mood from this probability on.
const FELT: f32 = 0.5;
/// A word or two show no mood that neither a marker nor the intent shows: "один", "давайте".
const FELT_WORDS: usize = 3;

/// Frustration from which an apology is due; a sceptic's doubt is a business question.
const APOLOGY_FROM: u8 = 4;
const APOLOGY_FROM_SKEPTICAL: u8 = 7;

impl ToneReader {
    pub fn load(file: &SourceFile, diagnostics: &mut Diagnostics) -> Self {
        let mut reader = Self::default();
        let Some(root) = parse(file, diagnostics) else { return reader };
        let Some(mut fields) = Fields::of(&root, file, diagnostics) else { return reader };
        let tones = fields.node("tones");
        let informal = fields.node("informal");
        let by_intent = fields.node("by_intent");
        fields.finish();
        for (key, node) in by_intent.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let name = node.text().unwrap_or_default();
            match Tone::from_name(name) {
                Some(tone) => reader.by_intent.push((key.text().unwrap_or_default().to_owned(), tone)),
                None => {
                    diagnostics
                        .error(file, node.place, "E18", format!("unknown tone `{name}`"))
                        .suggest(name, Tone::ALL.map(Tone::name));
                }
            }
        }
        for (key, node) in tones.map(|node| entries(node, file, diagnostics)).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            let Some(tone) = Tone::from_name(name) else {
                diagnostics
                    .error(file, key.place, "E18", format!("unknown tone `{name}`"))
                    .suggest(name, Tone::ALL.map(Tone::name));
                continue;
            };
            let any = joined(node.get("any"), file, diagnostics);
            let not = joined(node.get("not"), file, diagnostics);
            reader.markers.push(Markers { tone, any, not });
            let texts = node.get("examples").map(|node| strings(node, file, diagnostics));
            reader.examples.extend(texts.unwrap_or_default().into_iter().map(|text| (tone, text)));
        }
        let rank = |tone: Tone| Tone::ALL.iter().position(|known| *known == tone);
        reader.markers.sort_by_key(|markers| rank(markers.tone));
        reader.informal = informal.map(|node| strings(node, file, diagnostics)).unwrap_or_default();
        reader
    }

    pub(super) fn with_model(self, model: LinearModel) -> Self {
        Self { model, ..self }
    }

    pub(super) fn model(&self) -> &LinearModel {
        &self.model
    }

    pub(super) fn examples(&self) -> impl Iterator<Item = (Tone, &str)> {
        self.examples.iter().map(|(tone, text)| (*tone, text.as_str()))
    }

    pub(super) fn of_intent(&self, intent: &str) -> Option<Tone> {
        self.by_intent.iter().find(|(name, _)| name == intent).map(|(_, tone)| *tone)
    }

    /// The mood that marker words show, with these words.
    pub(super) fn marked(&self, text: &Text) -> Option<(Tone, Vec<String>)> {
        let raw = text.plain.as_str();
        self.markers
            .iter()
            .find(|markers| markers.any.matches(&text.flat, raw) && !markers.not.matches(&text.flat, raw))
            .map(|markers| (markers.tone, markers.any.find_all(&text.flat, raw)))
    }

    /// The mood of a message without marker words, with its probability.
    fn felt(&self, text: &Text, features: &[(u32, f32)]) -> Option<(Tone, f32)> {
        if text.word_count() < FELT_WORDS {
            return None;
        }
        let scores = self.model.scores(&shown(text, features));
        let best = Tone::ALL.into_iter().zip(scores).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (best.0 != Tone::Neutral && best.1 >= FELT).then_some(best)
    }

    /// Tone of the message and the new frustration. One update per turn. `features` are those of the text.
    pub(super) fn read(
        &self,
        text: &Text,
        features: &[(u32, f32)],
        intent: &str,
        state: &DialogueState,
        repeated: bool,
        from_course: bool,
    ) -> ToneReading {
        let (mut tone, mut signals) = self.marked(text).unwrap_or_default();
        if let Some(shown) = self.of_intent(intent)
            && (tone == Tone::Neutral || shown.is_negative() && !tone.is_negative())
        {
            (tone, signals) = (shown, vec![intent.to_owned()]);
        }
        if tone == Tone::Neutral
            && let Some((felt, probability)) = self.felt(text, features)
        {
            (tone, signals) = (felt, vec![format!("felt {probability:.2}")]);
        }
        signals.sort();
        signals.dedup();
        let before = state.tone.frustration;
        let mut level = change(before, tone, signals.len(), state.tone.negative_turns);
        let structural = if from_course { structural(state, text, repeated) } else { 0 };
        if structural >= 2 {
            level = level.max(before);
        }
        let frustration = level.saturating_add(structural).min(10);
        let threshold = if tone == Tone::Skeptical { APOLOGY_FROM_SKEPTICAL } else { APOLOGY_FROM };
        let informal_words = text
            .plain
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| self.informal.iter().any(|known| known == word))
            .count();
        ToneReading {
            tone,
            informal: informal_words >= 2 || informal_words == 1 && text.raw.chars().count() < 50,
            frustration_before: before,
            frustration,
            apologise: frustration >= threshold && (tone.is_negative() || structural > 0),
            warning: tone == Tone::Rushed && signals.len() >= 2 || frustration >= 4 && tone.is_negative(),
            signals,
        }
    }
}

/// What the model sees of a mood: the words, and how they are typed.
pub(super) fn shown(text: &Text, features: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let mut list = features.to_vec();
    for sign in ["!", "!!", "?", "??", "?!", "...", "..", ")", "))", "(", "(("] {
        if text.plain.contains(sign) {
            list.push((hash_parts(["sign:", sign]), 0.7));
        }
    }
    let letters = text.raw.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = text.raw.chars().filter(|c| c.is_uppercase()).count();
    if letters >= 4 && capitals * 2 > letters {
        list.push((hash_parts(["sign:", "capitals"]), 1.0));
    }
    for c in text.raw.chars().filter(|c| *c >= '\u{2600}') {
        list.push((hash_parts(["sign:", c.encode_utf8(&mut [0; 4])]), 1.0));
    }
    list.sort_by_key(|(feature, _)| *feature);
    list.dedup_by_key(|(feature, _)| *feature);
    list
}

/// Up by tone and number of signals, ×1.2 from the second negative turn; down when the mood is good.
fn change(before: u8, tone: Tone, signals: usize, negative_turns: u8) -> u8 {
    let up = match tone {
        Tone::Frustrated => 30,
        Tone::Rushed => 20,
        Tone::Skeptical | Tone::Confused => 10,
        Tone::Neutral => return before.saturating_sub(1),
        Tone::Positive | Tone::Interested => return before.saturating_sub(2),
    };
    let tenths = match signals {
        0 | 1 => 10,
        2 => 15,
        _ => 20,
    };
    let streak = if negative_turns >= 1 { 12 } else { 10 };
    let step = up * tenths * streak / 1000;
    before.saturating_add(u8::try_from(step.max(1)).unwrap_or(10)).min(10)
}

/// The same question asked again of a bot that deflects: +1 each, at most +3; three shrinking messages, the
/// last under 20 characters, when the bot was not asking: +1.
fn structural(state: &DialogueState, text: &Text, repeated: bool) -> u8 {
    let deflections = state.turns.iter().filter(|turn| turn.action == "continue_current_goal").count();
    let mut points = if repeated { u8::try_from(deflections.min(3)).unwrap_or(3) } else { 0 };
    let lengths: Vec<usize> =
        state.turns.iter().rev().take(2).map(|turn| turn.user.chars().count()).collect();
    let own = text.raw.chars().count();
    let asked = state.turns.last().is_some_and(|turn| turn.asked);
    if let [last, earlier] = lengths[..]
        && own < 20
        && own < last
        && last < earlier
        && !asked
    {
        points += 1;
    }
    points
}
