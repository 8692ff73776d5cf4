//! Loader of the knowledge folder: `_meta.yaml` and one file per category (knowledge reference, 1 and 2).
//!
//! The folder of the deployment guide loads unmodified. Codes KB001 to KB010 stop a start, the others warn.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;
use salesbot_yaml::{Diagnostics, Node, Place, Severity, SourceFile, Value, items, parse};

use crate::section::{Knowledge, Link, Section};
use crate::words::is_letter_or_digit;

/// The files of the folder as found: `_meta.yaml` and the categories in ascending byte order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnowledgeSources {
    pub meta: Option<SourceFile>,
    pub files: Vec<SourceFile>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    pub company_name: String,
    pub company_description: String,
    pub total_sections: usize,
    pub last_updated: String,
}

const SECTION_KEYS: [&str; 12] = [
    "topic",
    "priority",
    "keywords",
    "facts",
    "category",
    "urls",
    "sensitive",
    "questions",
    "valid_from",
    "valid_to",
    "lang",
    "supersedes",
];
/// Facts longer than this do not fit a messenger reply in any choice of sentences.
const LONG_FACTS: usize = 4_000;

impl Knowledge {
    /// Reads the folder; every problem is in `diagnostics`, a section with an error is left out.
    pub fn load(sources: &KnowledgeSources, strict_counts: bool, diagnostics: &mut Diagnostics) -> Self {
        let mut knowledge = Self::default();
        let mut expected: BTreeMap<String, (usize, Place)> = BTreeMap::new();
        match &sources.meta {
            Some(file) => knowledge.meta = read_meta(file, &mut expected, diagnostics),
            None => {
                let file = SourceFile::new("knowledge/_meta.yaml", "");
                diagnostics.error(
                    &file,
                    Place::default(),
                    "KB001",
                    "the knowledge folder has no `_meta.yaml`",
                );
            }
        }
        let mut categories: BTreeSet<String> = expected.keys().cloned().collect();
        categories.extend(sources.files.iter().map(|file| stem_of(&file.name).to_owned()));
        let mut topics: BTreeMap<String, String> = BTreeMap::new();
        for file in &sources.files {
            read_file(file, &categories, &mut topics, &mut knowledge.sections, diagnostics);
        }
        knowledge.by_id =
            knowledge.sections.iter().enumerate().map(|(at, section)| (section.id.clone(), at)).collect();
        let dated = |section: &Section| {
            section.valid_from.is_some() || section.valid_to.is_some() || !section.supersedes.is_empty()
        };
        knowledge.dated =
            (0..knowledge.sections.len()).filter(|at| dated(&knowledge.sections[*at])).collect();
        if let Some(file) = &sources.meta {
            check_counts(&knowledge, file, &expected, strict_counts, diagnostics);
        }
        knowledge
    }
}

/// A syntax error is KB002; of a repeated key the last value counts (KB008).
pub(crate) fn read_yaml(file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut found = Diagnostics::default();
    let root = parse(file, &mut found);
    found.recode("E01", "KB002", Severity::Error);
    found.recode("E16", "KB008", Severity::Warning);
    diagnostics.extend(found);
    root
}

fn stem_of(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.strip_suffix(".yaml").unwrap_or(base)
}

fn read_meta(
    file: &SourceFile,
    expected: &mut BTreeMap<String, (usize, Place)>,
    diagnostics: &mut Diagnostics,
) -> Meta {
    let mut meta = Meta::default();
    let Some(root) = read_yaml(file, diagnostics) else { return meta };
    let company = root.get("company");
    let text = |key: &str| {
        company
            .and_then(|company| company.get(key))
            .and_then(Node::text)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    meta.company_name = text("name");
    meta.company_description = text("description");
    for (key, value) in [("name", &meta.company_name), ("description", &meta.company_description)] {
        if value.is_empty() {
            let place = company.map_or(root.place, |node| node.place);
            diagnostics.error(file, place, "KB001", format!("`company.{key}` is missing or empty"));
        }
    }
    let stats = root.get("stats");
    let total = stats.and_then(|stats| stats.get("total_sections"));
    meta.total_sections = total.and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or(0);
    if meta.total_sections == 0 {
        diagnostics.error(
            file,
            total.map_or(root.place, |node| node.place),
            "KB001",
            "`stats.total_sections` must be a number above 0",
        );
    }
    meta.last_updated =
        stats.and_then(|stats| stats.get("last_updated")).and_then(Node::text).unwrap_or_default().to_owned();
    for node in stats.and_then(|stats| stats.get("categories")).map(items).unwrap_or_default() {
        let name = node.get("name").and_then(Node::text);
        let count = node.get("count").and_then(Node::text).and_then(|text| text.parse().ok());
        if let (Some(name), Some(count)) = (name, count) {
            expected.insert(name.to_owned(), (count, node.place));
        }
    }
    meta
}

fn read_file(
    file: &SourceFile,
    categories: &BTreeSet<String>,
    topics: &mut BTreeMap<String, String>,
    sections: &mut Vec<Section>,
    diagnostics: &mut Diagnostics,
) {
    let root = read_yaml(file, diagnostics);
    let list = root.as_ref().and_then(|root| root.get("sections")).filter(|list| !list.is_null());
    let Some(list) = list else {
        diagnostics.warning(file, Place::default(), "KB105", "this category file has no sections");
        return;
    };
    let Some(nodes) = list.list() else {
        diagnostics.error(
            file,
            list.place,
            "KB010",
            format!("`sections` must be a list, found {}", list.kind()),
        );
        return;
    };
    for node in nodes {
        if let Some(section) = read_section(node, file, categories, diagnostics) {
            let place = Place { line: section.line, column: 1, width: 1 };
            if let Some(first) = topics.get(&section.topic) {
                diagnostics.error(
                    file,
                    place,
                    "KB004",
                    format!("topic `{}` is already defined at {first}", section.topic),
                );
                continue;
            }
            topics.insert(section.topic.clone(), format!("{}:{}", file.name, section.line));
            sections.push(section);
        }
    }
}

fn read_section(
    node: &Node,
    file: &SourceFile,
    categories: &BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Section> {
    let Some(map) = node.map() else {
        diagnostics.error(
            file,
            node.place,
            "KB010",
            format!("a section must be a mapping, found {}", node.kind()),
        );
        return None;
    };
    for (key, _) in map {
        let name = key.text().unwrap_or_default();
        if !SECTION_KEYS.contains(&name) {
            diagnostics
                .warning(file, key.place, "KB107", format!("unknown key `{name}`"))
                .suggest(name, SECTION_KEYS);
        }
    }
    let needed = |key: &str, diagnostics: &mut Diagnostics| {
        let value = node.get(key);
        let text = value.and_then(Node::text).map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            let place = value.map_or(node.place, |value| value.place);
            diagnostics.error(file, place, "KB005", format!("`{key}` is missing or empty"));
        }
        text.map(str::to_owned)
    };
    let topic = needed("topic", diagnostics)?;
    let facts = needed("facts", diagnostics)?;
    let keywords = read_keywords(node, file, diagnostics)?;
    let priority = match node.get("priority") {
        None => 5,
        Some(value) => {
            match value.text().and_then(|text| text.parse().ok()).filter(|number| (1..=10).contains(number)) {
                Some(number) => number,
                None => {
                    let shown = value.text().unwrap_or(value.kind());
                    diagnostics.error(
                        file,
                        value.place,
                        "KB006",
                        format!(
                            "priority is {shown}, expected a whole number from 1 to 10 (topic `{topic}`)"
                        ),
                    );
                    return None;
                }
            }
        }
    };
    let category = node.get("category").and_then(Node::text).unwrap_or(stem_of(&file.name)).to_owned();
    if !categories.contains(&category) {
        let place = node.get("category").map_or(node.place, |value| value.place);
        diagnostics
            .error(file, place, "KB007", format!("unknown category `{category}`"))
            .suggest(&category, categories.iter().map(String::as_str));
        return None;
    }
    if facts.chars().count() > LONG_FACTS {
        diagnostics.warning(
            file,
            node.place,
            "KB108",
            format!("facts of `{topic}` are longer than {LONG_FACTS} characters"),
        );
    }
    let section = Section {
        id: format!("{category}/{topic}"),
        category,
        priority,
        keywords,
        questions: texts(node.get("questions")),
        facts,
        links: read_links(node, file, diagnostics),
        sensitive: node.get("sensitive").and_then(Node::text) == Some("true"),
        valid_from: read_day(node, "valid_from", file, diagnostics),
        valid_to: read_day(node, "valid_to", file, diagnostics),
        supersedes: texts(node.get("supersedes")),
        sentences: Vec::new(),
        amounts: BTreeSet::new(),
        file: file.name.clone(),
        line: node.place.line,
        topic,
    };
    Some(section.finish())
}

fn texts(list: Option<&Node>) -> Vec<String> {
    list.map(items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::text)
        .map(|text| text.trim().to_owned())
        .collect()
}

/// `2026-11-23` in days since 1970.
fn read_day(node: &Node, key: &str, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<i32> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    let day = value.text().and_then(|text| text.trim().parse::<Date>().ok()).map(days);
    if day.is_none() {
        diagnostics.warning(
            file,
            value.place,
            "KB107",
            format!("`{key}` is no date like 2026-01-31 and is left out"),
        );
    }
    day
}

fn days(date: Date) -> i32 {
    date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days())
}

/// The day of a moment (Unix seconds) in Kazakhstan, in days since 1970.
pub fn day(now: i64) -> i32 {
    /// UTC+5 in the whole country since 2024.
    const OFFSET: i64 = 5 * 3_600;
    i32::try_from((now + OFFSET).div_euclid(86_400)).unwrap_or(i32::MAX)
}

fn read_keywords(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let list = node.get("keywords").filter(|list| !list.is_null());
    let Some(list) = list else {
        diagnostics.error(file, node.place, "KB005", "`keywords` is missing or empty");
        return None;
    };
    let mut keywords: Vec<String> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    for item in items(list) {
        let text = item.text().unwrap_or_default().trim();
        if text.is_empty() {
            diagnostics.warning(file, item.place, "KB005", "an empty keyword is left out");
            continue;
        }
        if !seen.insert(text.to_lowercase()) {
            diagnostics.warning(file, item.place, "KB102", format!("keyword `{text}` stands twice"));
            continue;
        }
        if reads_otherwise(item) {
            diagnostics.warning(
                file,
                item.place,
                "KB112",
                format!(
                    "other programs read the keyword {text} as a number or a yes or no: put it in quotes"
                ),
            );
        }
        let mixed = |word: &str| {
            word.chars().any(|c| c.is_ascii_alphabetic())
                && word.chars().any(|c| matches!(c, '\u{400}'..='\u{4ff}'))
        };
        if let Some(word) = text.split(|c: char| !is_letter_or_digit(c)).find(|word| mixed(word)) {
            diagnostics.warning(
                file,
                item.place,
                "KB106",
                format!("`{word}` mixes Latin and Cyrillic letters; it is found in either script"),
            );
        }
        keywords.push(text.to_owned());
    }
    if keywords.is_empty() {
        diagnostics.error(file, list.place, "KB005", "`keywords` is missing or empty");
        return None;
    }
    Some(keywords)
}

/// A plain scalar that YAML 1.1 takes for a number, a truth value or nothing.
fn reads_otherwise(item: &Node) -> bool {
    let Value::Scalar { text, plain: true } = &item.value else { return false };
    let word = text.to_lowercase();
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"].contains(&word.as_str())
        || text.replace('_', "").parse::<f64>().is_ok()
}

fn read_links(node: &Node, file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<Link> {
    let mut links = Vec::new();
    for item in node.get("urls").map(items).unwrap_or_default() {
        let url = item.get("url").and_then(Node::text).unwrap_or_default();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            diagnostics.warning(
                file,
                item.place,
                "KB009",
                "a link needs `url` beginning with http:// or https://",
            );
            continue;
        }
        let text =
            |key: &str, default: &str| item.get(key).and_then(Node::text).unwrap_or(default).to_owned();
        if !["doc", "spec", "guide"].contains(&text("type", "doc").as_str()) {
            diagnostics.warning(file, item.place, "KB009", "the `type` of a link is doc, spec or guide");
        }
        links.push(Link {
            url: url.to_owned(),
            label: text("label", "Подробнее"),
            kind: text("type", "doc"),
        });
    }
    links
}

fn check_counts(
    knowledge: &Knowledge,
    file: &SourceFile,
    expected: &BTreeMap<String, (usize, Place)>,
    strict: bool,
    diagnostics: &mut Diagnostics,
) {
    let counts = knowledge.categories();
    let total = knowledge.meta.total_sections;
    if total > 0 && total != knowledge.sections.len() {
        let off: Vec<String> = expected
            .iter()
            .map(|(name, (count, _))| (name, *count, counts.get(name.as_str()).copied().unwrap_or(0)))
            .filter(|(_, count, loaded)| count != loaded)
            .map(|(name, count, loaded)| format!("{name} {count}, loaded {loaded}"))
            .collect();
        let parts = if off.is_empty() { String::new() } else { format!(" ({})", off.join("; ")) };
        let message =
            format!("`stats.total_sections` says {total}, loaded {}{parts}", knowledge.sections.len());
        if strict {
            diagnostics.error(file, Place::default(), "KB003", message);
        } else {
            diagnostics.warning(file, Place::default(), "KB003", message);
        }
    }
    for (name, (count, place)) in expected {
        let loaded = counts.get(name.as_str()).copied().unwrap_or(0);
        if loaded != *count && loaded == 0 {
            diagnostics.warning(
                file,
                *place,
                "KB101",
                format!("category `{name}` has no file or no sections"),
            );
        } else if loaded != *count {
            diagnostics.warning(
                file,
                *place,
                "KB101",
                format!("category `{name}` should have {count} sections, loaded {loaded}"),
            );
        }
    }
}
