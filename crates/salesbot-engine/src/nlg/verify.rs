//! What may leave: every number of a reply stands in its cited section, in the client's own words or in the
//! plan. A sentence that says more is dropped and noted.

use std::collections::BTreeSet;

use salesbot_knowledge::Knowledge;
use salesbot_knowledge::amounts::amounts;

/// One sentence or list line of a reply. `section` backs it; `free` text comes from the plan itself (a menu,
/// a masked phone) and carries no claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySentence {
    pub text: String,
    pub section: Option<String>,
    pub free: bool,
    /// Stands on a line of its own.
    pub line: bool,
}

/// Keeps the sentences whose numbers are covered; returns what was dropped.
pub fn verify(
    sentences: Vec<ReplySentence>,
    knowledge: &Knowledge,
    client_numbers: &BTreeSet<String>,
) -> (Vec<ReplySentence>, Vec<String>) {
    let mut dropped = Vec::new();
    let kept = sentences
        .into_iter()
        .filter(|sentence| {
            let section = sentence.section.as_ref().and_then(|id| knowledge.section(id));
            let covered = |number: &String| {
                client_numbers.contains(number)
                    || section.is_some_and(|section| section.amounts.contains(number))
            };
            let good = sentence.free || amounts(&sentence.text).iter().all(covered);
            if !good {
                dropped.push(format!("ungrounded_number: {}", sentence.text));
            }
            good
        })
        .collect();
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str) -> ReplySentence {
        ReplySentence { text: text.to_owned(), section: None, free: false, line: false }
    }

    #[test]
    fn a_number_nobody_gave_does_not_leave() {
        let client = BTreeSet::from(["2".to_owned()]);
        let said = vec![sentence("Для 2 точек."), sentence("Это стоит 7 000 ₸."), sentence("Напишите.")];
        let (kept, dropped) = verify(said, &Knowledge::default(), &client);
        assert_eq!(
            kept.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>(),
            ["Для 2 точек.", "Напишите."]
        );
        assert_eq!(dropped.len(), 1);
    }
}
