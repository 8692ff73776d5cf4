//! Checks that look at the whole folder (knowledge reference, 2): KB103, KB104, KB106 to KB113. `kb check` and
//! `check` run them; a start runs those of [`Knowledge::load`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use salesbot_yaml::{Diagnostics, Place, SourceFile, items};

use crate::index::{TermId, Terms};
use crate::load::{KnowledgeSources, read_yaml};
use crate::section::{Knowledge, Section};
use crate::twins;
use crate::words::{normalise, stems, words};

/// A keyword in so many sections tells none of them apart.
const COMMON_KEYWORD: usize = 5;
/// A keyword that stands among the keywords of so large a share of sections is too general.
const GENERAL: f32 = 0.02;
/// Days before the last one in which an end is announced.
const SOON: i32 = 30;

/// Checks the loaded folder against itself. `reachable` are the categories some intent speaks of; `today` in days
/// since 1970.
pub fn check(
    sources: &KnowledgeSources,
    knowledge: &Knowledge,
    reachable: &BTreeSet<String>,
    today: i32,
    diagnostics: &mut Diagnostics,
) {
    let places = Places::of(sources);
    keywords(knowledge, &places, diagnostics);
    alike(knowledge, &places, diagnostics);
    money(knowledge, &places, diagnostics);
    for file in &sources.files {
        let own: Vec<&Section> =
            knowledge.sections.iter().filter(|section| section.file == file.name).collect();
        let lost = own.first().filter(|section| !reachable.contains(&section.category));
        if let Some(section) = lost {
            let message = format!("no intent speaks of the category `{}`", section.category);
            diagnostics.warning(file, Place::default(), "KB109", message);
        }
        for section in own {
            if let Some(end) = section.valid_to.filter(|end| (today..today + SOON).contains(end)) {
                let message = format!("`{}` ends in {} days", section.topic, end - today);
                diagnostics.warning(file, places.section(section), "KB113", message);
            }
        }
    }
}

/// Where sections and their keywords stand.
struct Places<'a> {
    files: HashMap<&'a str, &'a SourceFile>,
    topics: HashMap<String, Place>,
    keywords: HashMap<(String, String), Place>,
}

impl<'a> Places<'a> {
    fn of(sources: &'a KnowledgeSources) -> Self {
        let mut places = Self { files: HashMap::new(), topics: HashMap::new(), keywords: HashMap::new() };
        for file in &sources.files {
            places.files.insert(&file.name, file);
            let root = read_yaml(file, &mut Diagnostics::default());
            let list = root.as_ref().and_then(|root| root.get("sections"));
            for node in list.map(items).unwrap_or_default() {
                let Some(topic) = node.get("topic") else { continue };
                let name = topic.text().unwrap_or_default().trim();
                places.topics.entry(name.to_owned()).or_insert(topic.place);
                for keyword in node.get("keywords").map(items).unwrap_or_default() {
                    let text = keyword.text().unwrap_or_default().trim().to_lowercase();
                    places.keywords.entry((name.to_owned(), text)).or_insert(keyword.place);
                }
            }
        }
        places
    }

    fn file(&self, section: &Section) -> &'a SourceFile {
        self.files[section.file.as_str()]
    }

    fn section(&self, section: &Section) -> Place {
        self.topics.get(&section.topic).copied().unwrap_or_default()
    }

    fn keyword(&self, section: &Section, keyword: &str) -> Place {
        let key = (section.topic.clone(), keyword.to_lowercase());
        self.keywords.get(&key).copied().unwrap_or_else(|| self.section(section))
    }
}

/// KB103: one keyword in many sections. KB110: a keyword that says nothing.
fn keywords(knowledge: &Knowledge, places: &Places<'_>, diagnostics: &mut Diagnostics) {
    let mut holders: BTreeMap<String, Vec<&Section>> = BTreeMap::new();
    let mut with_stem: HashMap<String, usize> = HashMap::new();
    for section in &knowledge.sections {
        let mut own: HashSet<String> = HashSet::new();
        for keyword in &section.keywords {
            holders.entry(keyword.to_lowercase()).or_default().push(section);
            own.extend(stems(keyword));
        }
        own.into_iter().for_each(|stem| *with_stem.entry(stem).or_default() += 1);
    }
    let most = GENERAL * knowledge.sections.len() as f32;
    for (keyword, sections) in holders {
        let first = sections[0];
        if sections.len() >= COMMON_KEYWORD {
            let topics: Vec<&str> = sections.iter().map(|section| section.topic.as_str()).collect();
            let message =
                format!("keyword `{keyword}` stands in {} sections: {}", topics.len(), topics.join(", "));
            diagnostics.warning(places.file(first), places.keyword(first, &keyword), "KB103", message);
        }
        let own = stems(&keyword);
        let general = |stem: &String| with_stem.get(stem).is_some_and(|count| *count as f32 > most);
        if knowledge.sections.len() >= 100 && own.len() == 1 && own.iter().all(general) {
            let message = format!("keyword `{keyword}` is so general that it finds nothing by itself");
            diagnostics.note(places.file(first), places.keyword(first, &keyword), "KB110", message);
        }
    }
}

/// KB104: facts that say the same as those of another section.
fn alike(knowledge: &Knowledge, places: &Places<'_>, diagnostics: &mut Diagnostics) {
    let mut terms: Terms<String> = Terms::default();
    let facts: Vec<Vec<TermId>> = knowledge
        .sections
        .iter()
        .map(|section| words(&section.facts).into_iter().map(|word| terms.intern(word)).collect())
        .collect();
    let facts: Vec<&[TermId]> = facts.iter().map(Vec::as_slice).collect();
    for (first, second) in twins::pairs(&facts, &|_| false) {
        let (first, second) = (&knowledge.sections[first as usize], &knowledge.sections[second as usize]);
        let place = places.section(first);
        let same = normalise(&first.facts) == normalise(&second.facts);
        let message = format!(
            "facts of `{}` are {} those of `{}` ({}:{})",
            second.topic,
            if same { "the same as" } else { "nearly" },
            first.topic,
            first.file,
            place.line
        );
        diagnostics.warning(places.file(second), places.section(second), "KB104", message);
    }
}

/// A thing with a price: the names beside the sum, and the words behind it (a month, a year).
type Priced = (BTreeSet<String>, String);

/// KB111: two sums for what seems to be one thing.
fn money(knowledge: &Knowledge, places: &Places<'_>, diagnostics: &mut Diagnostics) {
    let company = normalise(&knowledge.meta.company_name);
    let mut prices: BTreeMap<Priced, BTreeMap<String, &Section>> = BTreeMap::new();
    for section in &knowledge.sections {
        let lines =
            section.sentences.iter().flat_map(|sentence| sentence.items.iter().chain([&sentence.text]));
        for line in lines {
            let mut sums = sums(line);
            let names: BTreeSet<String> = words(line)
                .into_iter()
                .filter(|word| word.chars().any(|c| c.is_ascii_alphabetic()) && *word != company)
                .collect();
            // A sum beside several names may be anyone's.
            if sums.len() == 1
                && (1..=2).contains(&names.len())
                && let Some((sum, period)) = sums.pop()
            {
                prices.entry((names, period)).or_default().entry(sum).or_insert(section);
            }
        }
    }
    for ((names, period), sums) in prices.iter().filter(|(_, sums)| sums.len() > 1) {
        let told: Vec<String> = sums
            .iter()
            .map(|(sum, section)| format!("{sum} ({}:{})", section.file, places.section(section).line))
            .collect();
        let Some(first) = sums.values().next() else { continue };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let message = format!("`{}` costs {} ₸ {period}", names.join(" "), told.join(" and "));
        diagnostics.note(places.file(first), places.section(first), "KB111", message);
    }
}

/// Sums in tenge of a line, each with the two words behind it.
fn sums(line: &str) -> Vec<(String, String)> {
    let normal = normalise(line);
    let mut found = Vec::new();
    for (at, sign) in normal.match_indices('₸') {
        let digits: String = normal[..at].trim_end().chars().rev().take_while(char::is_ascii_digit).collect();
        let behind = normal[at + sign.len()..].split(|c: char| !c.is_alphanumeric() && c != ' ').next();
        let period: Vec<&str> = behind.unwrap_or_default().split_whitespace().take(2).collect();
        if !digits.is_empty() {
            found.push((digits.chars().rev().collect(), period.join(" ")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = "company: {name: Wipon, description: касса}\nstats: {total_sections: 1}\n";
    const GOOD: &str = "  - {topic: good, keywords: [хороший], facts: Хороший раздел.}\n";

    /// Codes of the findings about one category file with a good section behind it, each with its place.
    fn findings(meta: &str, sections: &str) -> Vec<String> {
        let file = SourceFile::new("faq.yaml", format!("sections:\n{sections}{GOOD}"));
        let sources = KnowledgeSources {
            meta: (!meta.is_empty()).then(|| SourceFile::new("_meta.yaml", meta.to_owned())),
            files: vec![file],
        };
        let mut found = Diagnostics::default();
        let knowledge = Knowledge::load(&sources, false, &mut found);
        let reachable = BTreeSet::from(["faq".to_owned()]);
        check(&sources, &knowledge, &reachable, 20_000, &mut found);
        found.sort();
        found
            .iter()
            .map(|finding| format!("{} {}:{}:{}", finding.code, finding.file, finding.line, finding.column))
            .collect()
    }

    #[test]
    fn every_fault_of_a_section_is_told_with_its_place() {
        for (section, wanted) in [
            (
                "  - {topic: a, keywords: [б], facts: 'Бэ.'}\n  - {topic: a, keywords: [в], facts: 'Вэ.'}\n",
                "KB004 faq.yaml:3:",
            ),
            ("  - {topic: a, facts: 'Бэ.'}\n", "KB005 faq.yaml:2:5"),
            ("  - {topic: a, keywords: [], facts: 'Бэ.'}\n", "KB005 faq.yaml:2:26"),
            ("  - {topic: a, keywords: [б, ''], facts: 'Бэ.'}\n", "KB005 faq.yaml:2:30"),
            ("  - {topic: a, keywords: [б], facts: ' '}\n", "KB005 faq.yaml:2:38"),
            ("  - {keywords: [б], facts: 'Бэ.'}\n", "KB005 faq.yaml:2:5"),
            ("  - {topic: a, priority: 11, keywords: [б], facts: 'Бэ.'}\n", "KB006 faq.yaml:2:26"),
            ("  - {topic: a, category: fag, keywords: [б], facts: 'Бэ.'}\n", "KB007 faq.yaml:2:26"),
            ("  - {topic: a, topic: b, keywords: [б], facts: 'Бэ.'}\n", "KB008 faq.yaml:2:16"),
            ("  - {topic: a, keywords: [б], facts: 'Бэ.', urls: [{url: ftp://x}]}\n", "KB009 faq.yaml:2:52"),
            (
                "  - {topic: a, keywords: [б], facts: 'Бэ.', urls: [{url: 'https://x', type: film}]}\n",
                "KB009 faq.yaml:2:52",
            ),
            ("  - просто текст\n", "KB010 faq.yaml:2:5"),
            ("  - {topic: a, keywords: [б, Б], facts: 'Бэ.'}\n", "KB102 faq.yaml:2:30"),
            ("  - {topic: a, keywords: [кaсса], facts: 'Бэ.'}\n", "KB106 faq.yaml:2:27"),
            ("  - {topic: a, colour: red, keywords: [б], facts: 'Бэ.'}\n", "KB107 faq.yaml:2:16"),
            ("  - {topic: a, valid_to: завтра, keywords: [б], facts: 'Бэ.'}\n", "KB107 faq.yaml:2:26"),
            ("  - {topic: a, keywords: [910], facts: 'Бэ.'}\n", "KB112 faq.yaml:2:27"),
            ("  - {topic: a, keywords: [on], facts: 'Бэ.'}\n", "KB112 faq.yaml:2:27"),
            ("  - {topic: a, valid_to: 2024-10-15, keywords: [б], facts: 'Бэ.'}\n", "KB113 faq.yaml:2:13"),
        ] {
            let found = findings(META, section);
            assert!(found.iter().any(|finding| finding.starts_with(wanted)), "{section}: {found:?}");
        }
        assert!(findings(META, "").is_empty());
        let long = format!("  - {{topic: a, keywords: [б], facts: '{}'}}\n", "слово ".repeat(700));
        assert!(findings(META, &long).iter().any(|finding| finding.starts_with("KB108")));
        assert!(
            findings(META, "  - {topic: 'a\n").iter().any(|finding| finding.starts_with("KB002 faq.yaml"))
        );
    }

    #[test]
    fn faults_of_the_folder_are_told() {
        let has = |found: &[String], code: &str| found.iter().any(|finding| finding.starts_with(code));
        assert!(has(&findings("", ""), "KB001"));
        assert!(has(
            &findings("company: {name: Wipon}\nstats: {total_sections: 1}\n", ""),
            "KB001 _meta.yaml:1"
        ));
        let counts = "company: {name: Wipon, description: касса}\nstats:\n  total_sections: 3\n  categories:\n    - {name: faq, count: 2}\n    - {name: lost, count: 1}\n";
        let found = findings(counts, "");
        assert!(
            has(&found, "KB003") && has(&found, "KB101 _meta.yaml:5") && has(&found, "KB101 _meta.yaml:6"),
            "{found:?}"
        );
        let empty = SourceFile::new("tis.yaml", "# nothing yet\n");
        let mut loaded = Diagnostics::default();
        let meta = Some(SourceFile::new("_meta.yaml", META));
        Knowledge::load(&KnowledgeSources { meta, files: vec![empty] }, false, &mut loaded);
        assert!(loaded.has_code("KB105"));
    }

    #[test]
    fn faults_between_sections_are_told() {
        let same: String = (0..5)
            .map(|at| format!("  - {{topic: t{at}, keywords: [общий], facts: 'Раздел номер {at} говорит своё {at}{at}.'}}\n"))
            .collect();
        assert_eq!(
            findings(META, &same).iter().filter(|finding| finding.starts_with("KB103 faq.yaml:2:28")).count(),
            1
        );
        let twice = "  - {topic: a, keywords: [б], facts: 'Доставка идёт три дня.'}\n  - {topic: b, keywords: [в], facts: 'Доставка идёт три дня!'}\n";
        assert!(findings(META, twice).contains(&"KB104 faq.yaml:3:13".to_owned()));
        let prices = "  - {topic: a, keywords: [б], facts: 'Тариф Mini стоит 5 000 ₸ в месяц.'}\n  - {topic: b, keywords: [в], facts: 'За Mini платят 6 000 ₸ в месяц.'}\n";
        assert!(findings(META, prices).iter().any(|finding| finding.starts_with("KB111")));
        let periods = prices.replace("6 000 ₸ в месяц", "60 000 ₸ в год");
        assert!(!findings(META, &periods).iter().any(|finding| finding.starts_with("KB111")));
        let file = SourceFile::new("faq.yaml", format!("sections:\n{GOOD}"));
        let sources = KnowledgeSources { meta: Some(SourceFile::new("_meta.yaml", META)), files: vec![file] };
        let mut found = Diagnostics::default();
        let knowledge = Knowledge::load(&sources, false, &mut found);
        check(&sources, &knowledge, &BTreeSet::new(), 0, &mut found);
        assert!(found.has_code("KB109"));
    }

    #[test]
    fn a_keyword_in_every_section_says_nothing() {
        let many: String = (0..100)
            .map(|at| format!("  - {{topic: t{at}, keywords: [касса к{at}], facts: 'Раздел {at}.'}}\n"))
            .collect();
        let general = format!("{many}  - {{topic: g, keywords: [касса], facts: 'Касса.'}}\n");
        assert!(findings(META, &general).contains(&"KB110 faq.yaml:102:27".to_owned()));
        assert!(!findings(META, &many).iter().any(|finding| finding.starts_with("KB110")));
    }

    #[test]
    fn sums_keep_their_period() {
        assert_eq!(
            sums("Mini — 5 000 ₸ в месяц, Lite — 150 000 ₸"),
            [("5000".to_owned(), "в месяц".to_owned()), ("150000".to_owned(), String::new())]
        );
    }
}
