//! Repairs of single words: slang, the wrong layout, transliteration, look-alikes, stretched and mistyped words.

use super::*;

use salesbot_knowledge::typing::{map_layout, translit};

pub(super) fn repair(token: &str, lexicon: &Lexicon) -> Option<(String, &'static str)> {
    if let Some(to) = lexicon.slang.get(token) {
        return Some((to.clone(), "slang"));
    }
    if lexicon.knows(token) || lexicon.latin.contains(token) || token.chars().any(|c| c.is_ascii_digit()) {
        return None;
    }
    let latin = token.chars().all(|c| !c.is_alphabetic() || c.is_ascii_alphabetic());
    if latin && token.len() >= 2 {
        let layout = map_layout(token);
        let trimmed = layout.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
        let as_slang = lexicon.slang.get(&trimmed).cloned();
        if lexicon.knows(&trimmed) && !lexicon.knows(&translit(token)) {
            return Some((as_slang.unwrap_or(trimmed), "layout"));
        }
        let cyrillic = translit(token);
        let near = if lexicon.knows(&cyrillic) {
            Some(cyrillic.clone())
        } else {
            lexicon.near(&cyrillic).map(str::to_owned)
        };
        return near.map(|word| (lexicon.slang.get(&word).cloned().unwrap_or(word), "translit"));
    }
    if token.chars().any(|c| c.is_ascii_alphabetic()) {
        let folded = homoglyphs(token);
        return lexicon.knows(&folded).then_some((folded, "homoglyph"));
    }
    if let Some(short) = shorten(token, lexicon) {
        return Some((short, "elongation"));
    }
    if let Some(parted) = token
        .strip_prefix("не")
        .filter(|rest| rest.chars().count() > 4 && lexicon.words.get(*rest).is_some_and(|count| *count > 2))
    {
        return Some((format!("не {parted}"), "glued"));
    }
    lexicon.near(token).map(|word| (word.to_owned(), "spelling"))
}

/// Three or more equal letters in a row: one if that is a word, else two.
fn shorten(token: &str, lexicon: &Lexicon) -> Option<String> {
    let letters: Vec<char> = token.chars().collect();
    if !letters.windows(3).any(|three| three[0] == three[1] && three[1] == three[2]) {
        return None;
    }
    let squeeze = |keep: usize| {
        let mut out = String::new();
        let mut run = 0;
        for (i, c) in letters.iter().enumerate() {
            run = if i > 0 && letters[i - 1] == *c { run + 1 } else { 1 };
            let long = letters[i..].iter().take_while(|next| *next == c).count() + run > 3;
            if run <= keep || !long && run <= 2 {
                out.push(*c);
            }
        }
        out
    };
    let one = squeeze(1);
    Some(if lexicon.knows(&one) { one } else { squeeze(2) })
}

fn homoglyphs(token: &str) -> String {
    let pair = |c: char| match c {
        'a' => 'а',
        'b' => 'в',
        'c' => 'с',
        'e' => 'е',
        'h' => 'н',
        'k' => 'к',
        'm' => 'м',
        'o' => 'о',
        'p' => 'р',
        't' => 'т',
        'x' => 'х',
        'y' => 'у',
        other => other,
    };
    token.chars().map(pair).collect()
}

/// The whole message was typed on the wrong layout: more of its words are known when mapped than as typed or
/// transliterated.
pub(super) fn wrong_layout(plain: &str, lexicon: &Lexicon) -> bool {
    if plain.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) || plain.contains('@') {
        return false;
    }
    let tokens: Vec<&str> =
        plain.split_whitespace().filter(|token| token.chars().any(char::is_alphabetic)).collect();
    let known = |text: &str| usize::from(words(text).next().is_some_and(|word| lexicon.knows(word)));
    let mapped: usize = tokens.iter().map(|token| known(&map_layout(token))).sum();
    let spelled: usize = tokens
        .iter()
        .map(|token| usize::from(lexicon.latin.contains(*token)).max(known(&translit(token))))
        .sum();
    mapped > spelled && mapped * 2 >= tokens.len()
}
