//! Numbers with nouns: `{company_size|человек/человека/человек}` takes the form its number asks for.

/// Which of three forms a number takes: 1 and 21 the first, 2–4 and 22 the second, 0, 5–20 the third.
pub fn form(number: i64) -> usize {
    let number = number.unsigned_abs();
    match (number % 10, number % 100) {
        (_, 11..=14) => 2,
        (1, _) => 0,
        (2..=4, _) => 1,
        _ => 2,
    }
}

/// Fills `{slot}` and `{slot|one/few/many}` from `value`; `None` when a value is missing.
pub fn fill(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = rest[open..].find('}')? + open;
        let hole = &rest[open + 1..close];
        match hole.split_once('|') {
            None => out.push_str(&value(hole)?),
            Some((slot, forms)) => {
                let number = value(slot)?;
                let forms: Vec<&str> = forms.split('/').collect();
                let form = forms.get(form(number.parse().ok()?))?;
                out.push_str(&format!("{number} {form}"));
            }
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Some(out)
}

/// Slots a template needs.
pub fn holes(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| part.split(['}', '|']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: i64, want: &str) {
        let value = |_: &str| Some(number.to_string());
        assert_eq!(fill("для {n|точки/точек/точек}", &value).as_deref(), Some(want));
    }

    #[test]
    fn the_noun_follows_its_number() {
        for (number, want) in [
            (0, "для 0 точек"),
            (1, "для 1 точки"),
            (2, "для 2 точек"),
            (5, "для 5 точек"),
            (11, "для 11 точек"),
            (21, "для 21 точки"),
            (101, "для 101 точки"),
        ] {
            check(number, want);
        }
    }

    #[test]
    fn a_missing_value_leaves_the_text_out() {
        assert_eq!(fill("Здравствуйте, {name}!", &|_| None), None);
    }
}
