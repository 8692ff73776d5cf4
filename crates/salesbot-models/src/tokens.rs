//! How many tokens a text has, counted before it is sent: on the high side, and corrected by what servers count.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens of the marks a chat template puts around two messages.
const TEMPLATE: u32 = 24;
/// Characters of a token, by kind of character: fewer than vocabularies of today's models need for Russian
/// (2.5 to 3.5), so that an estimate errs upwards.
const CYRILLIC: f32 = 2.2;
const LATIN: f32 = 3.0;
/// The correction stays within these.
const LOWEST: f32 = 0.6;
const HIGHEST: f32 = 2.5;
/// A count this far below the estimate is that of a cached prefix, not of the prompt.
const PLAUSIBLE: f32 = 0.35;

/// An estimator that learns from one server's counts; shared by all turns.
#[derive(Debug)]
pub struct Estimator {
    /// Bits of the factor.
    factor: AtomicU32,
}

impl Default for Estimator {
    fn default() -> Self {
        Self { factor: AtomicU32::new(1.0_f32.to_bits()) }
    }
}

impl Estimator {
    /// Tokens of a prompt of these texts, template included.
    pub fn estimate(&self, texts: &[&str]) -> u32 {
        let raw: f32 = texts.iter().map(|text| raw(text)).sum();
        (raw * self.factor()).ceil() as u32 + TEMPLATE
    }

    /// Takes a server's own count in: up at once, down slowly. Returns whether the count can be believed; a
    /// missing one, or one of the uncached rest only, cannot.
    pub fn learn(&self, texts: &[&str], counted: Option<u32>) -> bool {
        let raw: f32 = texts.iter().map(|text| raw(text)).sum();
        let Some(counted) = counted.filter(|_| raw > 0.0) else { return false };
        let seen = counted.saturating_sub(TEMPLATE) as f32 / raw;
        if !(PLAUSIBLE..=HIGHEST).contains(&seen) {
            return false;
        }
        let factor = self.factor();
        // A tenth above what was seen: texts differ.
        let aimed = seen * 1.1;
        let next = if aimed > factor { aimed } else { factor * 0.9 + aimed * 0.1 };
        self.factor.store(next.clamp(LOWEST, HIGHEST).to_bits(), Ordering::Relaxed);
        true
    }

    fn factor(&self) -> f32 {
        f32::from_bits(self.factor.load(Ordering::Relaxed))
    }
}

fn raw(text: &str) -> f32 {
    let mut tokens = 0.0;
    for c in text.chars() {
        tokens += match c {
            'a'..='z' | 'A'..='Z' | ' ' => 1.0 / LATIN,
            'а'..='я' | 'А'..='Я' | 'ё' | 'Ё' => 1.0 / CYRILLIC,
            '0'..='9' => 1.0,
            _ if c.is_ascii() => 0.7,
            _ => 1.0,
        };
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Тариф Mini стоит 5 000 ₸ в месяц, его берут небольшие магазины у дома.";

    #[test]
    fn the_estimate_is_on_the_high_side() {
        // 70 characters at 2.5 of them a token are 28.
        let estimate = Estimator::default().estimate(&[TEXT]);
        assert!((28 + TEMPLATE..56 + TEMPLATE).contains(&estimate), "{estimate}");
    }

    #[test]
    fn servers_correct_it_up_at_once_and_down_slowly() {
        let estimator = Estimator::default();
        let texts = [TEXT.repeat(20)];
        let texts = [texts[0].as_str()];
        let before = estimator.estimate(&texts);
        assert!(estimator.learn(&texts, Some(before * 3 / 2)));
        assert!(estimator.estimate(&texts) > before * 3 / 2);
        let high = estimator.estimate(&texts);
        for _ in 0..100 {
            assert!(estimator.learn(&texts, Some(before)));
        }
        assert!(estimator.estimate(&texts) < high && estimator.estimate(&texts) > before);
    }

    #[test]
    fn a_missing_or_cached_count_is_unknown() {
        let estimator = Estimator::default();
        let text = TEXT.repeat(20);
        let before = estimator.estimate(&[&text]);
        assert!(!estimator.learn(&[&text], None));
        assert!(!estimator.learn(&[&text], Some(12)));
        assert!(!estimator.learn(&[&text], Some(u32::MAX)));
        assert_eq!(estimator.estimate(&[&text]), before);
    }
}
