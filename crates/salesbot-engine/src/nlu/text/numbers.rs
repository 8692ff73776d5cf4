//! Number words to digits.

use super::*;

/// Number words to digits, "двадцать пять" to 25, "50 тысяч" to 50000; of a range the lower bound; after
/// "не пять, а пятнадцать" only the right one.
pub(super) fn digits(tokens: &[String], lexicon: &Lexicon) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if let Some((low, high)) = token.split_once('-')
            && let (Some(low), Some(high)) = (number(low, lexicon), number(high, lexicon))
            && low < high
        {
            out.push(show(low));
            at += 1;
            continue;
        }
        // "тысяч 5": about five thousand.
        if let Some(scale) = lexicon.scales.get(token)
            && let Some((value, next)) = compose(tokens, at + 1, lexicon)
            && value < 1000.0
        {
            out.push(show(value * scale));
            at = next;
            continue;
        }
        let Some((mut value, mut next)) = compose(tokens, at, lexicon) else {
            out.push(token.clone());
            at += 1;
            continue;
        };
        if let Some(scale) = tokens.get(next).and_then(|word| lexicon.scales.get(word)) {
            value *= scale;
            next += 1;
        }
        let small = value < 1000.0 && value.fract() == 0.0;
        if let Some((high, after)) = compose(tokens, next, lexicon)
            && small
            && lexicon.numbers.contains_key(&tokens[at])
            && high > value
            && high <= value + 10.0
        {
            next = after;
        }
        out.push(show(value));
        at = next;
    }
    correct(out)
}

/// "не 5 а 15" keeps 15.
fn correct(tokens: Vec<String>) -> Vec<String> {
    let is_number = |token: &String| token.parse::<f64>().is_ok();
    for at in 0..tokens.len().saturating_sub(3) {
        if tokens[at] == "не" && is_number(&tokens[at + 1]) {
            let but = (at + 2..tokens.len().min(at + 5)).find(|i| tokens[*i] == "а");
            if let Some(but) = but.filter(|but| tokens.get(but + 1).is_some_and(is_number)) {
                return [&tokens[..at], &tokens[but + 1..]].concat();
            }
        }
    }
    tokens
}

fn number(word: &str, lexicon: &Lexicon) -> Option<f64> {
    let digits: String = word.chars().filter(|c| !c.is_whitespace()).collect();
    let parsed = (word.chars().next().is_some_and(|c| c.is_ascii_digit()))
        .then(|| digits.replace(',', ".").parse().ok())
        .flatten();
    parsed.or_else(|| lexicon.numbers.get(word).copied())
}

fn compose(tokens: &[String], at: usize, lexicon: &Lexicon) -> Option<(f64, usize)> {
    let first = number(tokens.get(at)?, lexicon)?;
    let worded = lexicon.numbers.contains_key(&tokens[at]);
    let mut value = first;
    let mut next = at + 1;
    // "сто двадцать пять": each part smaller than the step of the one before.
    let mut step = if first >= 100.0 {
        100.0
    } else if first >= 20.0 {
        10.0
    } else {
        0.0
    };
    while worded && step > 0.0 {
        let Some(part) = tokens
            .get(next)
            .and_then(|word| lexicon.numbers.get(word))
            .filter(|part| **part < step && **part >= 1.0)
        else {
            break;
        };
        value += part;
        next += 1;
        step = if *part >= 20.0 { 10.0 } else { 0.0 };
    }
    // "1 500 000": groups of three digits.
    while !worded
        && first < 1000.0
        && tokens.get(next).is_some_and(|group| group.len() == 3 && group.chars().all(|c| c.is_ascii_digit()))
    {
        value = value * 1000.0 + tokens[next].parse::<f64>().unwrap_or(0.0);
        next += 1;
    }
    Some((value, next))
}

fn show(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}
