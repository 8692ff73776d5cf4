//! All that a conversation remembers, each fact once. This is the snapshot on the wire (version 2.0).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Turns whose texts are kept.
pub const KEPT_TURNS: usize = 8;
/// Intents, used texts and episodes kept; keeps the snapshot below 32 KiB.
pub const KEPT_ITEMS: usize = 50;

/// Memory of one conversation. Unknown top-level keys survive a round trip in `unknown`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DialogueState {
    pub version: String,
    pub conversation_id: String,
    pub client_id: Option<String>,
    /// Grows by one each turn; the platform stores with compare-and-set on it.
    pub revision: u64,
    /// Hash of the snapshot this one came from; null for the first.
    pub parent: Option<String>,
    pub flow: String,
    pub config: String,
    pub state: String,
    pub slots: BTreeMap<String, Value>,
    /// What the bot's last message asked, if it asked.
    pub asked: Option<Asked>,
    pub counters: Counters,
    pub turns: Vec<Exchange>,
    pub episodes: Vec<Episode>,
    pub said: Said,
    pub lead: Lead,
    pub tone: ToneMemory,
    pub seed: u64,
    /// Place of the signature of the API issue; kept, never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sig: Option<Value>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// The bot's open question: what kind of answer would fit, and into which slot it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub slot: Option<String>,
    /// `open`, `yes_no`, `choice` or `contact`.
    pub kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Choice>,
    pub text_id: String,
}

/// One offered choice: picking it means `intent`, or `value` for the asked slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Turns so far.
    pub turn: u32,
    /// Consecutive turns in the current state, the one that entered it excluded.
    pub turns_in_state: u32,
    /// How often each intent came, in the whole talk.
    pub intents: BTreeMap<String, u32>,
    /// The last intents, oldest first.
    pub recent: Vec<String>,
    pub objections: Objections,
    pub gobacks: u32,
    /// Where the talk was when a series of objections began.
    pub return_state: Option<String>,
    pub guard: GuardMemory,
    /// Guard interventions, in all and by tier.
    pub fallbacks: u32,
    pub tiers: BTreeMap<String, u32>,
    /// Menus in a row in one state.
    pub tier_2_streak: u32,
    /// Turns since a clarification was asked for; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_clarification: Option<u32>,
    /// What followed each action of the bot: turns that led on, turns that led back.
    pub actions: BTreeMap<String, (u32, u32)>,
    /// The talk is over: no message is routed to the bot any more.
    pub finished: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objections {
    pub consecutive: u32,
    pub total: u32,
    /// Attempts per family (`price`, `trust`, …).
    pub families: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardMemory {
    /// Seconds of talk, long gaps left out.
    pub active_seconds: i64,
    /// Unix seconds of the last turn; 0 before the first.
    pub last_at: i64,
    pub last_progress_turn: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    pub user: String,
    pub bot: String,
    pub intent: String,
    pub action: String,
    pub state: String,
    pub next: String,
    /// Whole per cent.
    pub confidence: u8,
    pub has_data: bool,
    pub asked: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Episode {
    pub kind: String,
    pub turn: u32,
    pub what: String,
}

/// What was already said, so that it is not said again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    pub greeted: bool,
    /// Turn of the last apology; 0 means never.
    pub apologised: u32,
    /// Ids of the phrases used, oldest first.
    pub texts: Vec<String>,
    /// Sections cited in the last two turns.
    pub sections: Vec<String>,
    pub ctas: u32,
    /// Kind of the call to action of the last reply, and the kinds that were turned down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cta: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ctas_refused: Vec<String>,
    /// The client does not want to be asked for a contact again.
    pub contact_refused: bool,
    /// … or to be shown the program.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub demo_refused: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lead {
    /// Thousandths of a point, 0 to 100,000: whole numbers keep every machine in step.
    pub score: i64,
    /// The last 20 signals, oldest first.
    pub signals: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToneMemory {
    pub frustration: u8,
    pub negative_turns: u8,
    pub last: String,
}

/// `contact_info`: always these four fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    pub phone: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub valid: bool,
}

pub const VERSION: &str = "2.0";
/// Where every conversation begins.
pub const START: &str = "greeting";

impl Default for DialogueState {
    fn default() -> Self {
        Self {
            version: VERSION.to_owned(),
            conversation_id: String::new(),
            client_id: None,
            revision: 0,
            parent: None,
            flow: "spin_selling".to_owned(),
            config: "default".to_owned(),
            state: START.to_owned(),
            slots: BTreeMap::new(),
            asked: None,
            counters: Counters::default(),
            turns: Vec::new(),
            episodes: Vec::new(),
            said: Said::default(),
            lead: Lead::default(),
            tone: ToneMemory::default(),
            seed: 0,
            sig: None,
            unknown: BTreeMap::new(),
        }
    }
}

impl DialogueState {
    /// A filled slot: present, not null, not an empty text, not `false`.
    pub fn has(&self, slot: &str) -> bool {
        match self.slots.get(slot) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Object(_)) if slot == "contact_info" => self.contact().valid,
            Some(_) => true,
        }
    }

    pub fn number(&self, slot: &str) -> Option<i64> {
        self.slots.get(slot)?.as_i64()
    }

    pub fn text(&self, slot: &str) -> Option<&str> {
        self.slots.get(slot)?.as_str()
    }

    pub fn contact(&self) -> Contact {
        self.slots
            .get("contact_info")
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .unwrap_or_default()
    }

    /// Puts a found value in its slot. A contact is completed, never thrown away for half a one.
    pub fn fill(&mut self, slot: &str, value: &Value) {
        let empty = matches!(value, Value::Null) || value.as_str() == Some("");
        if empty {
            return;
        }
        if slot == "contact_info"
            && let Ok(found) = serde_json::from_value::<Contact>(value.clone())
        {
            let known = self.contact();
            let merged = Contact {
                phone: found.phone.or(known.phone),
                email: found.email.or(known.email),
                name: found.name.or(known.name),
                valid: found.valid || known.valid,
            };
            self.slots.insert(slot.to_owned(), serde_json::to_value(merged).unwrap_or_default());
            return;
        }
        self.slots.insert(slot.to_owned(), value.clone());
    }

    pub fn total(&self, intent: &str) -> u32 {
        self.counters.intents.get(intent).copied().unwrap_or(0)
    }

    pub fn last_action(&self) -> &str {
        self.turns.last().map_or("", |exchange| &exchange.action)
    }

    pub fn remember(&mut self, kind: &str, what: &str) {
        let turn = self.counters.turn;
        self.episodes.push(Episode { kind: kind.to_owned(), turn, what: what.to_owned() });
        keep_last(&mut self.episodes, KEPT_ITEMS);
    }
}

/// Drops the oldest items past `limit`.
pub fn keep_last<T>(list: &mut Vec<T>, limit: usize) {
    if list.len() > limit {
        list.drain(..list.len() - limit);
    }
}

/// Whole per cent of a share from 0 to 1.
pub(crate) fn percent(share: f64) -> u8 {
    (share * 100.0).round().clamp(0.0, 100.0) as u8
}
