//! The small pattern language of `content/nlu/`: `word`, `word*`, `(a|b)`, `..` (up to three words between),
//! `{n}` and `{money}` (a number). Compiled to regular expressions over flat text: words in lower case with
//! single spaces between them, numbers in digits.

use regex::Regex;

/// A pattern without letters or digits (an emoji, `?!`) is looked for in the message as typed.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    pub on_raw: bool,
}

impl Pattern {
    /// # Errors
    /// A sentence saying what is wrong with the pattern.
    pub fn new(source: &str) -> Result<Self, String> {
        let source = normal(source);
        if source.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        if source.starts_with("..") || source.ends_with("..") {
            return Err(format!("`..` stands between words, not at an end: `{source}`"));
        }
        let on_raw = !source.chars().any(char::is_alphanumeric);
        let regex = compile(&translate(&source, on_raw), on_raw)
            .map_err(|_| format!("cannot read the pattern `{source}`"))?;
        Ok(Self { regex, on_raw })
    }

    /// Two views of a message: flat words, and as typed in lower case.
    pub fn matches(&self, flat: &str, raw: &str) -> bool {
        self.regex.is_match(if self.on_raw { raw } else { flat })
    }

    /// Where it stands in the flat text, with the number it captured.
    pub fn find<'t>(&self, flat: &'t str) -> Option<Found<'t>> {
        let captures = self.regex.captures(flat)?;
        let whole = captures.get(0)?;
        let number = captures.name("n").map(|found| (found.as_str().parse().unwrap_or(0.0), found.end()));
        Some(Found { text: whole.as_str().trim(), start: whole.start(), number })
    }
}

/// Flat text is words and single spaces, so words end at spaces: classes stay small and compile fast.
fn compile(body: &str, on_raw: bool) -> Result<Regex, regex::Error> {
    if on_raw { Regex::new(body) } else { Regex::new(&format!("(?:^| )(?:{body})(?: |$)")) }
}

/// Many patterns as one: does any of them fit, and where.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    words: Option<Regex>,
    raw: Option<Regex>,
}

impl Patterns {
    /// Joins patterns that [`Pattern::new`] accepts; captures are not kept.
    pub fn new<'s>(sources: impl IntoIterator<Item = &'s str>) -> Self {
        let (mut words, mut raw) = (Vec::new(), Vec::new());
        for source in sources {
            let source = normal(source);
            let on_raw = !source.chars().any(char::is_alphanumeric);
            let body = translate(&source, on_raw).replace("(?P<n>", "(?:");
            if on_raw { raw.push(body) } else { words.push(format!("(?:{body})")) }
        }
        let join = |bodies: Vec<String>, on_raw: bool| {
            (!bodies.is_empty()).then(|| compile(&bodies.join("|"), on_raw).ok()).flatten()
        };
        Self { words: join(words, false), raw: join(raw, true) }
    }

    pub fn matches(&self, flat: &str, raw: &str) -> bool {
        let fits = |regex: &Option<Regex>, text| regex.as_ref().is_some_and(|regex| regex.is_match(text));
        fits(&self.words, flat) || fits(&self.raw, raw)
    }

    /// The first match: its text and where it begins.
    pub fn find<'t>(&self, flat: &'t str, raw: &'t str) -> Option<(&'t str, usize)> {
        let hit = |regex: &Option<Regex>, text: &'t str| {
            regex.as_ref()?.find(text).map(|hit| (hit.as_str().trim(), hit.start()))
        };
        hit(&self.words, flat).or_else(|| hit(&self.raw, raw))
    }

    /// Every match that does not overlap an earlier one.
    pub fn find_all(&self, flat: &str, raw: &str) -> Vec<String> {
        let all = |regex: &Option<Regex>, text: &str| -> Vec<String> {
            regex
                .iter()
                .flat_map(|regex| {
                    regex.find_iter(text).map(|hit| hit.as_str().trim().to_owned()).collect::<Vec<_>>()
                })
                .collect()
        };
        let mut found = all(&self.words, flat);
        found.extend(all(&self.raw, raw));
        found
    }
}

fn normal(source: &str) -> String {
    source.trim().to_lowercase().replace('ё', "е")
}

/// A match: its text, where it begins, and the number in it with the place where the number ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'t> {
    pub text: &'t str,
    pub start: usize,
    pub number: Option<(f64, usize)>,
}

fn translate(source: &str, on_raw: bool) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(" .. ") {
            out.push_str("(?: [^ ]+){0,3}? ");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("{n}").or(rest.strip_prefix("{money}")) {
            out.push_str(r"(?P<n>[0-9]+(?:\.[0-9]+)?)");
            rest = after;
            continue;
        }
        let quantifier = c == '?' && out.ends_with(')');
        match c {
            _ if on_raw => out.push_str(&regex::escape(&c.to_string())),
            '*' => out.push_str("[^ ]*"),
            '(' => out.push_str("(?:"),
            ')' | '|' | '^' | '$' => out.push(c),
            '+' if out.ends_with(char::is_alphanumeric) => out.push('+'),
            '?' if quantifier => out.push('?'),
            _ => out.push_str(&regex::escape(&c.to_string())),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::new(pattern).unwrap();
        for text in yes {
            assert!(pattern.matches(text, text), "{text}");
        }
        for text in no {
            assert!(!pattern.matches(text, text), "{text}");
        }
    }

    #[test]
    fn stars_end_words_and_words_are_whole() {
        check("цен*", &["какая цена", "цены"], &["процент", "оценка"]);
    }

    #[test]
    fn two_dots_bridge_up_to_three_words() {
        check(
            "позов* .. человек*",
            &["позовите человека", "позовите мне пожалуйста живого человека"],
            &["человека позовите"],
        );
    }

    #[test]
    fn alternatives_and_optional_groups() {
        check("^(все )?пока$", &["пока", "все пока"], &["пока нет"]);
        check("(до свидания|всего доброго)", &["ну до свидания"], &["до вечера"]);
    }

    #[test]
    fn a_number_is_captured() {
        let pattern = Pattern::new("{n} (магазин*|точ*)").unwrap();
        assert_eq!(pattern.find("у меня 2 магазина").unwrap().number.unwrap().0, 2.0);
    }

    #[test]
    fn signs_are_sought_in_the_message_as_typed() {
        check("?!", &["сколько ждать?!"], &["сколько ждать?"]);
    }
}
