//! The figures of `nlu eval`: accuracy, calibration, and what is decided without a model.

use std::collections::BTreeMap;

use salesbot_dialogue::IntentSpec;
use serde_json::{Value, json};

use crate::commands::eval::percentile;

/// Bins of the calibration curve, each a tenth of the confidence.
const BINS: usize = 10;

/// One message: what was wanted and what was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    /// The accepted label that was read, or the first accepted one.
    pub wanted: String,
    pub got: String,
    pub confidence: f32,
    /// Decided without asking a model.
    pub sure: bool,
    pub hit: bool,
    /// Among the first three candidates.
    pub near: bool,
    /// The bot does the same for the label that was read.
    pub handled: bool,
    pub harmful: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    pub right: usize,
    pub found: usize,
    pub wanted: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Scores {
    pub list: Vec<Scored>,
    pub slots: Slots,
    pub tones: usize,
    pub tone_hits: usize,
    pub times_us: Vec<u128>,
    pub misses: Vec<Value>,
}

/// A tenth of the confidence: how many messages, their mean confidence, the share read rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bin {
    pub count: usize,
    pub confidence: f64,
    pub right: f64,
}

/// Of one label: messages that carry it, readings that name it, and those that agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    pub wanted: usize,
    pub read: usize,
    pub right: usize,
}

/// Two labels count as one when the bot handles them alike: category, fallback action and transition.
pub(super) fn handled_alike(a: &IntentSpec, b: &IntentSpec) -> bool {
    a.category == b.category && a.fallback_action == b.fallback_action && a.fallback_state == b.fallback_state
}

fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { (count as f64 / of as f64 * 10_000.0).round() / 10_000.0 }
}

impl Scores {
    fn part(&self, counts: impl Fn(&Scored) -> bool) -> f64 {
        share(self.list.iter().filter(|scored| counts(scored)).count(), self.list.len())
    }

    pub(super) fn top1(&self) -> f64 {
        self.part(|scored| scored.hit)
    }

    pub(super) fn bins(&self) -> [Bin; BINS] {
        let mut bins = [Bin::default(); BINS];
        for scored in &self.list {
            let bin = &mut bins[((scored.confidence * BINS as f32) as usize).min(BINS - 1)];
            bin.count += 1;
            bin.confidence += f64::from(scored.confidence);
            bin.right += f64::from(u8::from(scored.hit));
        }
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            bin.confidence /= bin.count as f64;
            bin.right /= bin.count as f64;
        }
        bins
    }

    /// Expected calibration error: the mean distance of confidence and accuracy over the bins, by their size.
    pub(super) fn calibration_error(&self) -> f64 {
        let off: f64 =
            self.bins().iter().map(|bin| bin.count as f64 * (bin.confidence - bin.right).abs()).sum();
        (off / self.list.len().max(1) as f64 * 10_000.0).round() / 10_000.0
    }

    /// Share decided without a model, and the share of these that are right.
    pub(super) fn decided(&self) -> (f64, f64) {
        let sure: Vec<&Scored> = self.list.iter().filter(|scored| scored.sure).collect();
        let right = sure.iter().filter(|scored| scored.hit).count();
        (share(sure.len(), self.list.len()), share(right, sure.len()))
    }

    pub(super) fn labels(&self) -> BTreeMap<&str, Label> {
        let mut labels: BTreeMap<&str, Label> = BTreeMap::new();
        for scored in &self.list {
            labels.entry(&scored.wanted).or_default().wanted += 1;
            labels.entry(&scored.got).or_default().read += 1;
            labels.entry(&scored.wanted).or_default().right += usize::from(scored.hit);
        }
        labels
    }

    /// Pairs (wanted, read) of the misses, the commonest first.
    pub(super) fn confusions(&self) -> Vec<((&str, &str), usize)> {
        let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for scored in self.list.iter().filter(|scored| !scored.hit) {
            *pairs.entry((&scored.wanted, &scored.got)).or_default() += 1;
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        pairs
    }

    pub(super) fn summary(&self) -> Value {
        let mut times = self.times_us.clone();
        times.sort_unstable();
        let (decided, precision) = self.decided();
        json!({
            "n": self.list.len(), "top1": self.top1(), "top3": self.part(|scored| scored.near),
            "handling": self.part(|scored| scored.handled),
            "violations": self.list.iter().filter(|scored| scored.harmful).count(),
            "decided": decided, "decided_precision": precision, "calibration_error": self.calibration_error(),
            "slot_precision": share(self.slots.right, self.slots.found), "slot_recall": share(self.slots.right, self.slots.wanted),
            "tone": share(self.tone_hits, self.tones),
            "p50_us": percentile(&times, 50), "p99_us": percentile(&times, 99),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(wanted: &str, got: &str, confidence: f32) -> Scored {
        let hit = wanted == got;
        Scored {
            wanted: wanted.to_owned(),
            got: got.to_owned(),
            confidence,
            sure: confidence > 0.5,
            hit,
            near: hit,
            handled: hit,
            harmful: false,
        }
    }

    #[test]
    fn confidence_that_holds_costs_nothing_and_misplaced_confidence_does() {
        let scores = |list: Vec<Scored>| Scores { list, ..Scores::default() };
        let honest = scores(vec![scored("a", "a", 1.0), scored("b", "b", 1.0)]);
        assert!(honest.calibration_error() < 1e-6);
        let half = scores(vec![scored("a", "a", 0.9), scored("b", "a", 0.9)]);
        assert!((half.calibration_error() - 0.4).abs() < 1e-3, "{}", half.calibration_error());
    }

    #[test]
    fn precision_counts_only_what_was_decided() {
        let list = vec![scored("a", "a", 0.9), scored("a", "b", 0.2), scored("b", "b", 0.8)];
        let scores = Scores { list, ..Scores::default() };
        assert_eq!(scores.decided(), (0.6667, 1.0));
        assert_eq!(scores.labels()["b"], Label { wanted: 1, read: 2, right: 1 });
        assert_eq!(scores.confusions(), [(("a", "b"), 1)]);
    }
}
