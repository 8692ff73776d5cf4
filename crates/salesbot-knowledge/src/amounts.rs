//! Numbers in texts, in one form: `5 000`, `5,000` and `5000` are the same.

use std::collections::BTreeSet;

/// Every number of a text, normalised; a range gives both its ends.
pub fn amounts(text: &str) -> BTreeSet<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < letters.len() {
        if !letters[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let mut number = String::new();
        while at < letters.len() {
            let c = letters[at];
            if c.is_ascii_digit() {
                number.push(c);
                at += 1;
            } else if is_gap(c) && three_digits(&letters, at + 1) && ends_group(&number) {
                at += 1;
            } else if matches!(c, '.' | ',')
                && letters.get(at + 1).is_some_and(char::is_ascii_digit)
                && !three_digits(&letters, at + 1)
            {
                number.push('.');
                at += 1;
            } else {
                break;
            }
        }
        found.insert(number);
    }
    found
}

fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | ',' | '.')
}

/// Exactly three digits from here on: a group of thousands.
fn three_digits(letters: &[char], from: usize) -> bool {
    let run = letters[from.min(letters.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
    run == 3
}

/// Thousands follow a whole number, never a decimal part.
fn ends_group(number: &str) -> bool {
    !number.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) {
        let found = amounts(text);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), want, "{text}");
    }

    #[test]
    fn thousands_are_joined_in_every_writing() {
        for text in ["5 000 ₸", "5\u{a0}000", "5,000", "5000", "5.000 тг"] {
            check(text, &["5000"]);
        }
        check("1 500 000 ₸", &["1500000"]);
    }

    #[test]
    fn decimals_and_ranges_stay_apart() {
        check("1,5 или 2-3 дня", &["1.5", "2", "3"]);
        check("9:00–18:00", &["00", "18", "9"]);
    }
}
