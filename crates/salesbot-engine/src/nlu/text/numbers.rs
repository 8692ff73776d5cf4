//! Number words to digits.

use super::*;

/// Number words to digits, "двадцать пять" to 25, "50 тысяч" to 50000; of a range the lower bound; after
/// "не пять, а пятнадцать" only the right one.
pub(super) fn digits(tokens: &[String], lexicon: &Lexicon, ranges: &mut Vec<(f64, f64)>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if let Some((low, high)) = token.split_once('-')
            && let (Some(low), Some(high)) = (number(low, lexicon), number(high, lexicon))
            && low < high
        {
            // "5-7 тысяч": the scale belongs to both.
            let scale = tokens.get(at + 1).and_then(|word| lexicon.scales.get(word)).copied();
            ranges.push((low * scale.unwrap_or(1.0), high * scale.unwrap_or(1.0)));
            out.push(show(low * scale.unwrap_or(1.0)));
            at += if scale.is_some() { 2 } else { 1 };
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
            ranges.push((value, high));
        }
        // "от 10 до 15": the upper bound waits behind its word.
        if tokens.get(next).is_some_and(|word| word == "до")
            && at.checked_sub(1).is_some_and(|before| tokens[before] == "от")
            && let Some((high, after)) = compose(tokens, next + 1, lexicon)
            && high > value
        {
            let scale = tokens.get(after).and_then(|word| lexicon.scales.get(word)).copied();
            let high = high * scale.unwrap_or(1.0);
            // "от 5 до 7 тысяч" means thousands both times.
            if scale.is_some_and(|scale| value * scale < high && value < 1000.0) {
                value *= scale.unwrap_or(1.0);
            }
            ranges.push((value, high));
            next = after + usize::from(scale.is_some());
        }
        out.push(show(value));
        at = next;
    }
    correct(out)
}

/// Number words of a phone said aloud, "восемь семьсот пять сто двадцать три сорок пять шестьдесят семь", as
/// digits; `None` where no run of them is as long as a phone.
pub(super) fn dictated(raw: &str, lexicon: &Lexicon) -> Option<String> {
    let plain = plain(raw);
    let tokens: Vec<&str> = words(&plain).collect();
    let mut out: Vec<String> = Vec::new();
    let mut found = false;
    let mut at = 0;
    while at < tokens.len() {
        let run = tokens[at..].iter().take_while(|word| said_digits(word, lexicon).is_some()).count();
        let spoken = spelled_out(&tokens[at..at + run], lexicon);
        if (10..=11).contains(&spoken.len()) && tokens[at..at + run].iter().any(|word| !is_digits(word)) {
            out.push(spoken);
            found = true;
            at += run;
        } else {
            out.extend(tokens[at..at + run.max(1)].iter().map(|word| (*word).to_owned()));
            at += run.max(1);
        }
    }
    found.then(|| out.join(" "))
}

fn is_digits(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}

/// A whole number below a thousand, in words or digits.
fn said_digits(word: &str, lexicon: &Lexicon) -> Option<f64> {
    if is_digits(word) {
        return word.parse().ok();
    }
    lexicon.numbers.get(word).copied().filter(|value| value.fract() == 0.0)
}

/// "семьсот пять" is 705, "ноль пять" 05: a part joins the one before it where it fits into its noughts.
fn spelled_out(tokens: &[&str], lexicon: &Lexicon) -> String {
    let mut out = String::new();
    let mut room = 0.0;
    let mut value = 0.0;
    for token in tokens {
        let Some(part) = said_digits(token, lexicon) else { break };
        if is_digits(token) || part < 1.0 || part >= room {
            if value > 0.0 {
                out.push_str(&format!("{value:.0}"));
                value = 0.0;
            }
            if is_digits(token) || part < 1.0 {
                out.push_str(if part < 1.0 && !is_digits(token) { "0" } else { token });
                room = 0.0;
                continue;
            }
        }
        value += part;
        room = if part >= 100.0 {
            100.0
        } else if part >= 20.0 {
            10.0
        } else {
            0.0
        };
    }
    if value > 0.0 {
        out.push_str(&format!("{value:.0}"));
    }
    out
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
