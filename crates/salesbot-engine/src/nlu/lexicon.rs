//! Reads `nlu/lexicon.yaml`: slang, numbers, question words, the yes and no of short answers.

use salesbot_yaml::{Diagnostics, Fields, Node, SourceFile, entries, parse, strings};

use super::context::Context;
use super::pattern::Patterns;
use super::slots;
use super::text::{self, Lexicon};

pub(super) fn load_lexicon(
    file: &SourceFile,
    context: &mut Context,
    diagnostics: &mut Diagnostics,
) -> (Lexicon, Patterns) {
    let mut lexicon = Lexicon::default();
    let Some(root) = parse(file, diagnostics) else { return (lexicon, Patterns::default()) };
    let Some(mut fields) = Fields::of(&root, file, diagnostics) else {
        return (lexicon, Patterns::default());
    };
    let slang = fields.node("slang");
    let numbers = fields.node("numbers");
    let scales = fields.node("scales");
    let question_words = fields.node("question_words");
    let weak = fields.node("weak_question_words");
    let greetings = fields.node("greetings");
    let (yes, no, unsure) = (fields.node("yes"), fields.node("no"), fields.node("unsure"));
    let fillers = fields.node("fillers");
    let (leads, after_leads) = (fields.node("leads"), fields.node("after_leads"));
    let infinitives = fields.node("infinitive_endings");
    let alternatives = fields.node("alternatives");
    let lists =
        ["openers", "joining_words", "question_verbs", "joined_questions", "knowing_verbs", "closing_words"]
            .map(|key| fields.node(key));
    let ordinals = fields.node("ordinals");
    let kazakh = fields.node("kazakh_words");
    let latin = fields.node("latin");
    fields.finish();
    let list = |node: Option<&Node>, diagnostics: &mut Diagnostics| -> Vec<String> {
        node.map(|node| strings(node, file, diagnostics))
            .unwrap_or_default()
            .iter()
            .map(|text| text::plain(text))
            .collect()
    };
    let pairs = |node: Option<&Node>, diagnostics: &mut Diagnostics| -> Vec<(String, String)> {
        let found = node.map(|node| entries(node, file, diagnostics)).unwrap_or_default();
        found.iter().filter_map(|(k, v)| Some((text::plain(k.text()?), text::plain(v.text()?)))).collect()
    };
    lexicon.slang = pairs(slang, diagnostics).into_iter().collect();
    let [openers, joining, verbs, joined, knowing, closing] = lists.map(|node| list(node, diagnostics));
    lexicon.knowing_verbs = knowing;
    lexicon.closing_words = closing.into_iter().collect();
    lexicon.alternatives = list(alternatives, diagnostics).into_iter().collect();
    lexicon.infinitive_endings = list(infinitives, diagnostics);
    lexicon.leads = list(leads, diagnostics).into_iter().collect();
    lexicon.after_leads = list(after_leads, diagnostics);
    (lexicon.openers, lexicon.joining_words, lexicon.question_verbs, lexicon.joined_questions) =
        (openers, joining, verbs, joined);
    for (table, into) in
        [(numbers, &mut lexicon.numbers), (scales, &mut lexicon.scales), (ordinals, &mut lexicon.ordinals)]
    {
        into.extend(
            pairs(table, diagnostics)
                .into_iter()
                .filter_map(|(word, value)| Some((word, value.parse().ok()?))),
        );
    }
    lexicon.question_words = list(question_words, diagnostics).into_iter().collect();
    lexicon.weak_question_words = list(weak, diagnostics).into_iter().collect();
    lexicon.kazakh = list(kazakh, diagnostics).into_iter().collect();
    lexicon.latin = list(latin, diagnostics).into_iter().collect();
    context.yes = list(yes, diagnostics);
    context.no = list(no, diagnostics);
    context.fillers = list(fillers, diagnostics);
    context.unsure = slots::joined(unsure, file, diagnostics);
    let greetings = slots::joined(greetings, file, diagnostics);
    (lexicon, greetings)
}
