//! The client's mood: seven tones from words, and one frustration number from 0 to 10.

use salesbot_dialogue::state::DialogueState;
use salesbot_dialogue::{Tone, ToneReading};
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
}

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
        }
        let rank = |tone: Tone| Tone::ALL.iter().position(|known| *known == tone);
        reader.markers.sort_by_key(|markers| rank(markers.tone));
        reader.informal = informal.map(|node| strings(node, file, diagnostics)).unwrap_or_default();
        reader
    }

    /// Tone of the message and the new frustration. One update per turn.
    pub fn read(
        &self,
        text: &Text,
        intent: &str,
        state: &DialogueState,
        repeated: bool,
        from_course: bool,
    ) -> ToneReading {
        let raw = text.plain.as_str();
        let mut tone = Tone::Neutral;
        let mut signals: Vec<String> = Vec::new();
        for markers in &self.markers {
            if markers.not.matches(&text.flat, raw) {
                continue;
            }
            let found = markers.any.find_all(&text.flat, raw);
            if !found.is_empty() && tone == Tone::Neutral {
                tone = markers.tone;
                signals = found;
            }
        }
        if let Some((_, shown)) = self.by_intent.iter().find(|(name, _)| name == intent)
            && (tone == Tone::Neutral || shown.is_negative() && !tone.is_negative())
        {
            tone = *shown;
            signals = vec![intent.to_owned()];
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
