//! Broken content: the exact message an author gets, from `tests/diagnostics/<case>.yaml` to `<case>.err`.
//!
//! The first line of a case says which file of the content it replaces: `# as: flows/spin_selling/flow.yaml`.

use std::path::PathBuf;
use std::sync::OnceLock;

use salesbot::content::Content;
use salesbot::load::{self, Invalid};
use salesbot_engine::Sources;

use crate::{data, loaded, updating};

/// The sources of the shipped content: what a case leaves alone is not loaded again.
fn shipped() -> &'static Sources {
    static SOURCES: OnceLock<Sources> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-overlay");
        std::fs::create_dir_all(&empty).expect("a scratch folder");
        Content::open(Some(&empty)).expect("the content").sources()
    })
}

fn diagnose(place: &str, text: &str) -> String {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{}", place.replace('/', "-")));
    let path = folder.join(place);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a scratch folder");
    std::fs::write(&path, text).expect("a scratch file");
    let content = Content::open(Some(&folder)).expect("the content");
    let found = match load::build_beside(content, &[], Some((shipped(), &loaded().engine))) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.downcast::<Invalid>().map(|Invalid(found)| found).expect("findings"),
    };
    found.without_notes().to_string()
}

#[test]
fn broken_files_are_reported_at_their_place_with_a_way_out() {
    let mut cases: Vec<_> = std::fs::read_dir(data("diagnostics"))
        .expect("tests/diagnostics")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    cases.sort();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    for case in cases {
        let text = std::fs::read_to_string(&case).expect("a case");
        let place = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# as: "))
            .expect("`# as: FILE` first")
            .trim()
            .to_owned();
        let found = diagnose(&place, &text);
        let expected = case.with_extension("err");
        if updating() {
            std::fs::write(&expected, format!("{found}\n")).expect("the expectation can be written");
            continue;
        }
        let want = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(found.trim(), want.trim(), "{}", case.display());
    }
}

#[test]
fn the_shipped_content_has_no_findings() {
    let found = loaded().warnings.without_notes();
    assert!(found.is_empty(), "{found}");
}
