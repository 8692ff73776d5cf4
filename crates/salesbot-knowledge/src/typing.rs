//! The same keys on another layout, and Russian in Latin letters.

const LATIN_KEYS: &str = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";
const CYRILLIC_KEYS: &str = "йцукенгшщзхъфывапролджэячсмитьбюё";

/// The same keys on the Russian layout.
pub fn map_layout(text: &str) -> String {
    keys(text, LATIN_KEYS, CYRILLIC_KEYS).replace('ё', "е")
}

/// The same keys on the Latin layout.
pub fn map_layout_back(text: &str) -> String {
    keys(text, CYRILLIC_KEYS, LATIN_KEYS)
}

fn keys(text: &str, from: &str, to: &str) -> String {
    let key = |c: char| {
        let at = from.chars().position(|key| key == c);
        at.and_then(|at| to.chars().nth(at)).unwrap_or(c)
    };
    text.chars().map(key).collect()
}

/// Russian in Latin letters, back to Cyrillic; digraphs first.
pub fn translit(text: &str) -> String {
    const TABLE: [(&str, &str); 38] = [
        ("shch", "щ"),
        ("sch", "щ"),
        ("zh", "ж"),
        ("kh", "х"),
        ("ch", "ч"),
        ("sh", "ш"),
        ("yu", "ю"),
        ("ya", "я"),
        ("yo", "е"),
        ("ju", "ю"),
        ("ja", "я"),
        ("ts", "ц"),
        ("iy", "ий"),
        ("a", "а"),
        ("b", "б"),
        ("v", "в"),
        ("w", "в"),
        ("g", "г"),
        ("d", "д"),
        ("e", "е"),
        ("z", "з"),
        ("i", "и"),
        ("j", "ж"),
        ("k", "к"),
        ("l", "л"),
        ("m", "м"),
        ("n", "н"),
        ("o", "о"),
        ("p", "п"),
        ("r", "р"),
        ("s", "с"),
        ("t", "т"),
        ("u", "у"),
        ("f", "ф"),
        ("h", "х"),
        ("c", "ц"),
        ("y", "ы"),
        ("x", "кс"),
    ];
    let mut out = String::new();
    let mut rest = text;
    'next: while let Some(c) = rest.chars().next() {
        for (from, to) in TABLE {
            if let Some(after) = rest.strip_prefix(from) {
                out.push_str(to);
                rest = after;
                continue 'next;
            }
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_and_transliteration_go_back() {
        assert_eq!(map_layout("crjkmrj cnjbn"), "сколько стоит");
        assert_eq!(map_layout_back("цшзщт"), "wipon");
        assert_eq!(translit("shtrihkod"), "штрихкод");
    }
}
