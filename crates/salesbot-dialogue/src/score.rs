//! The lead score: how near the client is to buying, 0 to 100. Points and decay: dialogue reference, 11.

use crate::options::LeadScoring;
use crate::policy::View;
use crate::state::{DialogueState, keep_last};

/// The signals of this turn.
pub(crate) fn signals(view: &View<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    let understanding = view.understanding;
    if !view.clarify.is_empty() {
        return found;
    }
    let warning = view.options.frustration.warning;
    let sized = view.memory.has("company_size") || view.memory.has("users_count");
    let by_intent = match view.intents.name(understanding.intent) {
        "contact_provided" => Some("contact_provided"),
        "demo_request" => Some("demo_request"),
        "callback_request" => Some("callback_request"),
        "consultation_request" => Some("consultation_request"),
        "problem_revealed" => Some("explicit_problem"),
        "comparison" => Some("competitor_comparison"),
        "question_features" => Some("features_question"),
        "question_integrations" => Some("integrations_question"),
        "agreement" => Some("general_interest"),
        "objection_price" => Some("objection_price"),
        "objection_competitor" => Some("objection_competitor"),
        "objection_no_time" => Some("objection_no_time"),
        "objection_think" => Some("objection_think"),
        "no_need" | "no_problem" | "objection_no_need" => Some("objection_no_need"),
        "rejection" => Some("rejection_soft"),
        "unclear" if view.streak_of(|id| id == view.intents.unclear()) >= 2 => Some("unclear_repeated"),
        _ if view.intents.is_price(understanding.intent) && sized => Some("price_with_size"),
        "price_question" => Some("price_question"),
        _ => None,
    };
    found.extend(by_intent);
    if view.brings_contact() && !found.contains(&"contact_provided") {
        found.push("contact_provided");
    }
    let fills = |slot: &str| understanding.slot(slot).is_some() && !view.before.has(slot);
    if fills("budget_range") {
        found.push("budget_mentioned");
    }
    if fills("decision_timeline") {
        found.push("timeline_mentioned");
    }
    let questions = view.total_of(|id| view.intents.is_question(id));
    if questions == 3 && view.intents.is_question(understanding.intent) {
        found.push("multiple_questions");
    }
    if understanding.tone.frustration >= warning && understanding.tone.frustration_before < warning {
        found.push("frustration");
    }
    found
}

/// Decay, then the points, then the temperature slot that conditions read.
pub(crate) fn apply(memory: &mut DialogueState, signals: &[&'static str], options: &LeadScoring) {
    let mut score = memory.lead.score * options.decay_percent / 100;
    for signal in signals {
        score += options.points.get(*signal).map_or(0, |points| points * 1000);
        memory.lead.signals.push((*signal).to_owned());
    }
    keep_last(&mut memory.lead.signals, 20);
    memory.lead.score = score.clamp(0, 100_000);
    memory.slots.insert("lead_temperature".to_owned(), temperature(memory.lead.score, options).into());
}

/// The score as shown: whole points, 0 to 100.
pub fn shown(score: i64) -> u8 {
    u8::try_from((score + 500) / 1000).unwrap_or(100)
}

/// cold, warm, hot or very_hot.
pub fn temperature(score: i64, options: &LeadScoring) -> &'static str {
    match shown(score) {
        points if points >= options.very_hot => "very_hot",
        points if points >= options.hot => "hot",
        points if points >= options.warm => "warm",
        _ => "cold",
    }
}
