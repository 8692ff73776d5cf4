//! `nlu eval --report`: figures by label, the confusions, the calibration curve, and a picture of what is taken
//! for what, by category.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use salesbot_dialogue::IntentCatalog;

use super::scores::Scores;

/// Confusions listed; the rest is only counted.
const PAIRS: usize = 60;

/// Writes `report.md` and `confusion.svg`.
///
/// # Errors
/// If the folder cannot be written.
pub(super) fn write(folder: &Path, name: &str, scores: &Scores, intents: &IntentCatalog) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for (file, text) in
        [("report.md", markdown(name, scores)), ("confusion.svg", picture(name, scores, intents))]
    {
        let path = folder.join(file);
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

fn markdown(name: &str, scores: &Scores) -> String {
    let mut out = format!("# Understanding: {name}\n\n");
    let summary = scores.summary();
    for (key, value) in summary.as_object().into_iter().flatten() {
        let _ = writeln!(out, "- {key}: {value}");
    }
    out.push_str("\n![what is taken for what](confusion.svg)\n\n## Calibration\n\n");
    out.push_str("| confidence | messages | mean confidence | read rightly |\n|---|---|---|---|\n");
    for (at, bin) in scores.bins().iter().enumerate() {
        let _ = writeln!(
            out,
            "| {:.1}–{:.1} | {} | {:.2} | {:.2} |",
            at as f64 / 10.0,
            (at + 1) as f64 / 10.0,
            bin.count,
            bin.confidence,
            bin.right
        );
    }
    out.push_str("\n## Confusions\n\n| meant | read as | times |\n|---|---|---|\n");
    let pairs = scores.confusions();
    for ((wanted, got), count) in pairs.iter().take(PAIRS) {
        let _ = writeln!(out, "| {wanted} | {got} | {count} |");
    }
    if pairs.len() > PAIRS {
        let rest: usize = pairs[PAIRS..].iter().map(|(_, count)| count).sum();
        let _ = writeln!(out, "| {} other pairs | | {rest} |", pairs.len() - PAIRS);
    }
    out.push_str("\n## By intent\n\n| intent | messages | precision | recall |\n|---|---|---|---|\n");
    let part = |right: usize, of: usize| match of {
        0 => "–".to_owned(),
        of => format!("{:.2}", right as f64 / of as f64),
    };
    for (intent, label) in scores.labels() {
        let _ = writeln!(
            out,
            "| {intent} | {} | {} | {} |",
            label.wanted,
            part(label.right, label.read),
            part(label.right, label.wanted)
        );
    }
    out
}

/// Rows: what was meant; columns: what was read. Darker is a larger share of the row.
fn picture(name: &str, scores: &Scores, intents: &IntentCatalog) -> String {
    let category =
        |name: &str| intents.id(name).map_or("unknown", |id| intents.get(id).category.as_str()).to_owned();
    let mut cells: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut totals: BTreeMap<String, usize> = BTreeMap::new();
    for scored in &scores.list {
        let (wanted, got) = (category(&scored.wanted), category(&scored.got));
        *totals.entry(wanted.clone()).or_default() += 1;
        totals.entry(got.clone()).or_default();
        *cells.entry((wanted, got)).or_default() += 1;
    }
    let names: Vec<&String> = totals.keys().collect();
    let (cell, left, top) = (44, 170, 190);
    let side = cell * names.len();
    let (width, height) = (left + side + 100, top + side + 30);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"bold\">Meant (rows) and read (columns): {}</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#555\">messages; the shade is the share of the row</text>\n",
        escaped(name)
    );
    for (row, wanted) in names.iter().enumerate() {
        let y = top + row * cell;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 8,
            y + cell / 2 + 4,
            escaped(wanted)
        );
        let x = left + row * cell + cell / 2 + 4;
        let y_head = top - 8;
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{y_head}\" transform=\"rotate(-55 {x} {y_head})\">{}</text>",
            escaped(wanted)
        );
        for (column, got) in names.iter().enumerate() {
            let count = cells.get(&((*wanted).clone(), (*got).clone())).copied().unwrap_or(0);
            let share = count as f64 / totals[*wanted].max(1) as f64;
            // Mistakes of a per cent must still be seen: the square root lifts them.
            let (fill, ink) = match (count, row == column) {
                (0, _) => ("#f6f6f6".to_owned(), "#333"),
                (_, true) => (
                    format!("rgba(22,101,52,{:.2})", 0.15 + 0.85 * share),
                    if share > 0.5 { "#fff" } else { "#333" },
                ),
                (_, false) => (
                    format!("rgba(185,28,28,{:.2})", 0.15 + 0.85 * share.sqrt()),
                    if share > 0.3 { "#fff" } else { "#333" },
                ),
            };
            let x = left + column * cell;
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"/>",
                cell - 2,
                cell - 2
            );
            if count > 0 {
                let _ = writeln!(
                    out,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{count}</text>",
                    x + cell / 2 - 1,
                    y + cell / 2 + 4
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::scores::Scored;
    use super::*;

    #[test]
    fn the_report_names_every_label_and_the_picture_is_whole() {
        let scored = |wanted: &str, got: &str| Scored {
            wanted: wanted.to_owned(),
            got: got.to_owned(),
            confidence: 0.7,
            sure: true,
            hit: wanted == got,
            near: true,
            handled: true,
            harmful: false,
        };
        let list = vec![scored("price_question", "price_question"), scored("rejection", "farewell")];
        let scores = Scores { list, ..Scores::default() };
        let report = markdown("a & b", &scores);
        assert!(report.contains("| rejection | farewell | 1 |"), "{report}");
        assert!(report.contains("| price_question | 1 | 1.00 | 1.00 |"), "{report}");
        let picture = picture("a & b", &scores, &IntentCatalog::default());
        assert!(picture.contains("a &amp; b") && picture.ends_with("</svg>\n"), "{picture}");
    }
}
