//! The client's name: after a phrase, beside a phone, or alone where it was asked for.

use crate::nlu::contact::Contacts;
use crate::nlu::text::plain;

/// Where a name stands in a sentence.
#[derive(Clone, Debug, Default)]
pub(super) struct NamePhrases {
    pub after: Vec<Vec<String>>,
    pub before: Vec<String>,
    pub introduced: Vec<String>,
}

/// "меня зовут айдар" in any case, "это Сауле", a name beside a phone, or a bare name in answer to the
/// question. Never a common word.
pub(super) fn read_name(raw: &str, asked: bool, contacts: &Contacts, names: &NamePhrases) -> Option<String> {
    let tokens: Vec<&str> =
        raw.split(|c: char| !c.is_alphabetic() && c != '-').filter(|token| !token.is_empty()).collect();
    let lower: Vec<String> = tokens.iter().map(|token| plain(token)).collect();
    let after = |words: &[String]| {
        let at = lower.windows(words.len()).position(|window| window == words)?;
        tokens.get(at + words.len())
    };
    let by_phrase = names.after.iter().find_map(|words| after(words));
    let capital = |token: &&&str| token.chars().next().is_some_and(char::is_uppercase);
    let before = |at: usize| at.checked_sub(1).and_then(|at| tokens.get(at));
    // "зовут Айгерим" before "Айгерим зовут": what stands after, if it looks like a name.
    let called = lower.iter().position(|word| names.before.contains(word));
    let after_called = called.and_then(|at| tokens.get(at + 1)).filter(capital);
    let before_called = after_called.or_else(|| called.and_then(before));
    let introduced = lower
        .first()
        .filter(|word| names.introduced.contains(word))
        .and_then(|_| tokens.get(1))
        .filter(capital);
    let has_contact = !contacts.phones(raw).is_empty();
    let alone =
        (asked || has_contact) && (1..=2).contains(&tokens.len()) && !raw.contains('?') && !raw.contains('@');
    // Beside a phone the one word with a capital letter that does not open the message is the name.
    let opens = |token: &&&str| raw.trim_start().starts_with(**token);
    let beside = tokens.iter().find(|token| capital(token) && token.chars().count() > 2 && !opens(token));
    let beside = beside.filter(|_| has_contact);
    let alone =
        alone.then(|| tokens.first()).flatten().filter(|token| asked || capital(token) || lower.len() == 1);
    let name = by_phrase.or(before_called).or(introduced).or(alone).or(beside)?;
    let letters = name.chars().count();
    if !(2..=20).contains(&letters) {
        return None;
    }
    let mut letters = name.chars();
    let first = letters.next()?;
    let rest: String = letters.flat_map(char::to_lowercase).collect();
    Some(first.to_uppercase().chain(rest.chars()).collect())
}
