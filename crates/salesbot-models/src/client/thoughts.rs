//! Takes `<think>…</think>` out of a text that arrives in pieces.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// The filter of one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Thoughts {
    inside: bool,
    /// What may be the beginning of a mark.
    held: String,
    /// Something was thought.
    pub seen: bool,
}

impl Thoughts {
    /// Returns what of `piece`, and of what was held before, may be shown.
    pub(super) fn pass(&mut self, piece: &str) -> String {
        let mut rest = std::mem::take(&mut self.held) + piece;
        let mut out = String::new();
        loop {
            let mark = if self.inside { CLOSE } else { OPEN };
            match rest.find(mark) {
                Some(at) => {
                    if !self.inside {
                        out.push_str(&rest[..at]);
                    }
                    self.seen = true;
                    self.inside = !self.inside;
                    rest.drain(..at + mark.len());
                }
                None => {
                    let keep = (1..mark.len()).rev().find(|length| rest.ends_with(&mark[..*length]));
                    let shown = rest.len() - keep.unwrap_or(0);
                    if !self.inside {
                        out.push_str(&rest[..shown]);
                    }
                    self.held = rest[shown..].to_owned();
                    return out;
                }
            }
        }
    }

    /// What was held and turned out to be no mark.
    pub(super) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.inside { String::new() } else { held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], shown: &str) {
        let mut thoughts = Thoughts::default();
        let mut out: String = pieces.iter().map(|piece| thoughts.pass(piece)).collect();
        out += &thoughts.finish();
        assert_eq!(out, shown, "{pieces:?}");
    }

    #[test]
    fn thoughts_do_not_pass_however_they_are_cut() {
        check(&["<think>хм</think>Да."], "Да.");
        check(&["<th", "ink>хм</", "think>", "Да."], "Да.");
        check(&["Да. <think>без конца"], "Да. ");
        check(&["a < b", " и <thin лёд"], "a < b и <thin лёд");
        check(&["текст <"], "текст <");
    }
}
