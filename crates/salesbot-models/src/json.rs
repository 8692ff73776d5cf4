//! The one JSON object in what a model says: fences, prose around it and trailing commas are forgiven,
//! two objects or none are not.

use serde_json::Value;

/// Reads the object.
///
/// # Errors
/// Why there is none, in words for a trace.
pub fn object(text: &str) -> Result<Value, String> {
    let mut found = None;
    let mut rest = text;
    while let Some(begin) = rest.find('{') {
        let Some(length) = span(&rest[begin..]) else {
            return Err(if found.is_none() { "the object has no end" } else { "text with a brace follows" }
                .to_owned());
        };
        let slice = &rest[begin..begin + length];
        match serde_json::from_str(slice).or_else(|_| serde_json::from_str(&without_trailing_commas(slice))) {
            Ok(value) if found.is_none() => found = Some(value),
            Ok(_) => return Err("more than one object".to_owned()),
            Err(error) => return Err(format!("not JSON: {error}")),
        }
        rest = &rest[begin + length..];
    }
    found.ok_or_else(|| "no object".to_owned())
}

/// Length of the balanced object at the beginning.
fn span(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted && text[at + 1..].trim_start().starts_with(['}', ']']) => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_object_is_found_in_what_models_say() {
        for text in [r#"{"a": 1}"#, "```json\n{\"a\": 1}\n```", "Вот ответ: {\"a\": 1,} Готово."]
        {
            assert_eq!(object(text), Ok(json!({"a": 1})), "{text}");
        }
        assert_eq!(object(r#"{"a": "скобка } и \" кавычка"}"#).unwrap()["a"], "скобка } и \" кавычка");
        assert_eq!(object(r#"{"a": ",]"}"#).unwrap()["a"], ",]");
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for text in ["", "нет", r#"{"a": 1"#, r#"{"a": 1} {"b": 2}"#, "{a: 1}"] {
            assert!(object(text).is_err(), "{text}");
        }
    }
}
