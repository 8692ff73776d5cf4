//! The two linear models, intents and moods: taken from a file that was trained from exactly this content, or
//! trained here.

use std::borrow::Cow;

use salesbot_dialogue::{IntentCatalog, IntentId, IntentSpec, Tone};
use salesbot_models::linear::{self, Example, LinearModel, Training};
use sha2::{Digest, Sha256};

use super::NluSources;
use super::classify::features;
use super::text::{Lexicon, Text};
use super::tone::{ToneReader, shown};
use salesbot_knowledge::concepts::Concepts;

/// Changing the features changes the models; part of their fingerprint.
const FEATURES_VERSION: &str = "stems-chars-concepts-8";
/// Of the utterances of an intent that shows no mood, every so many is an example of a calm message.
const CALM_EVERY: usize = 5;
/// Turns margins into probabilities of moods; set on `tests/nlu/tone_dev.jsonl`.
const TONE_TEMPERATURE: f32 = 0.25;

#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    pub intents: LinearModel,
    pub tones: LinearModel,
}

/// Files of models to try, each read when its turn comes.
pub type Stored<'a> = dyn Iterator<Item = Cow<'a, [u8]>> + 'a;

impl Models {
    /// Of the `stored` ones the first is used that was trained from exactly this content; else both models are trained here (3 s on
    /// two cores), and the second value says so.
    pub(super) fn load(
        sources: &NluSources,
        catalog: &IntentCatalog,
        lexicon: &Lexicon,
        concepts: &Concepts,
        tone: &ToneReader,
        stored: &mut Stored<'_>,
    ) -> (Self, bool) {
        let fingerprint = fingerprint(catalog, sources);
        let known = stored
            .filter_map(|bytes| Self::from_bytes(&bytes))
            .find(|models| models.intents.fingerprint == fingerprint);
        let retrained = known.is_none();
        let models = known.unwrap_or_else(|| {
            let read = Read::new(catalog, lexicon, concepts);
            Self { intents: train_intents(&read, fingerprint), tones: train_tones(&read, tone, fingerprint) }
        });
        (models, retrained)
    }

    /// Models that know nothing: for content that is broken anyway.
    pub(super) fn empty(catalog: &IntentCatalog) -> Self {
        let nothing = |classes| linear::train(&[], classes, Training::default(), [0; 32]);
        Self { intents: nothing(catalog.len()), tones: nothing(Tone::ALL.len()) }
    }

    /// The file: length of the first model in bytes, little-endian, then both.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (intents, tones) = (self.intents.to_bytes(), self.tones.to_bytes());
        let length = u32::try_from(intents.len()).unwrap_or(u32::MAX);
        [length.to_le_bytes().as_slice(), &intents, &tones].concat()
    }

    /// Nothing for a file that is cut short, damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (intents, tones) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let read = |bytes| LinearModel::from_bytes(bytes).ok();
        Some(Self { intents: read(intents)?, tones: read(tones)? })
    }
}

/// The utterances, read once for both models.
struct Read<'a> {
    catalog: &'a IntentCatalog,
    lexicon: &'a Lexicon,
    concepts: &'a Concepts,
    /// By intent.
    texts: Vec<Vec<(Text, Features)>>,
}

/// What a model sees of a text: (hash, weight), sorted.
type Features = Vec<(u32, f32)>;

impl<'a> Read<'a> {
    fn new(catalog: &'a IntentCatalog, lexicon: &'a Lexicon, concepts: &'a Concepts) -> Self {
        let mut read = Self { catalog, lexicon, concepts, texts: Vec::new() };
        let specs: Vec<&IntentSpec> = catalog.iter().map(|(_, spec)| spec).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        read.texts = std::thread::scope(|scope| {
            let one = |text: &String| read.text(text);
            let all = move |spec: &&IntentSpec| spec.examples.iter().map(one).collect::<Vec<_>>();
            let parts = specs.chunks(specs.len().div_ceil(cores).max(1));
            let readers: Vec<_> =
                parts.map(|part| scope.spawn(move || part.iter().map(all).collect::<Vec<_>>())).collect();
            readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
        });
        read
    }

    fn text(&self, text: &str) -> (Text, Features) {
        let text = Text::read(text, self.lexicon);
        let features = features(&text.flat, text.asks, self.concepts);
        (text, features)
    }

    fn of(&self, id: IntentId) -> &[(Text, Features)] {
        &self.texts[usize::from(id.0)]
    }
}

/// What the models depend on: the utterances, the words that repair them, the moods, and the features.
fn fingerprint(catalog: &IntentCatalog, sources: &NluSources) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(FEATURES_VERSION);
    hasher.update(format!("{:?}", Training::default()));
    for file in [&sources.lexicon, &sources.concepts, &sources.tone] {
        hasher.update(file.text.as_bytes());
    }
    for (_, spec) in catalog.iter() {
        hasher.update(format!("\n#{}", spec.name));
        for text in spec.examples.iter().chain(&spec.held_out) {
            hasher.update("\n");
            hasher.update(text);
        }
    }
    hasher.finalize().into()
}

/// Trains on the examples, then sets the temperature on the held-out texts.
fn train_intents(read: &Read<'_>, fingerprint: [u8; 32]) -> LinearModel {
    let mut examples = Vec::new();
    let mut held_out = Vec::new();
    for (id, spec) in read.catalog.iter() {
        let example = |features: Features| Example { features, class: id.0, weight: 1.0 };
        examples.extend(read.of(id).iter().map(|(_, features)| example(features.clone())));
        held_out.extend(spec.held_out.iter().map(|text| example(read.text(text).1)));
    }
    let model = linear::train(&examples, read.catalog.len(), Training::default(), fingerprint);
    let temperature = linear::calibrate(&model, &held_out);
    model.with_temperature(temperature)
}

/// Trains on the examples of `tone.yaml`, on the utterances of intents that show a mood, and on some of the
/// others: these are calm, unless a marker word says otherwise.
fn train_tones(read: &Read<'_>, tone: &ToneReader, fingerprint: [u8; 32]) -> LinearModel {
    let mut examples = Vec::new();
    let mut add = |tone: Tone, (text, features): &(Text, Features)| {
        let class = Tone::ALL.iter().position(|known| *known == tone).unwrap_or_default();
        let class = u16::try_from(class).unwrap_or(u16::MAX);
        examples.push(Example { features: shown(text, features), class, weight: 1.0 });
    };
    for (tone, text) in tone.examples() {
        add(tone, &read.text(text));
    }
    for (id, spec) in read.catalog.iter() {
        match tone.of_intent(&spec.name) {
            Some(tone) => read.of(id).iter().for_each(|read| add(tone, read)),
            None => {
                let some = read.of(id).iter().step_by(CALM_EVERY);
                let calm = some.filter(|(text, _)| tone.marked(text).is_none());
                calm.for_each(|read| add(Tone::Neutral, read));
            }
        }
    }
    linear::train(&examples, Tone::ALL.len(), Training::default(), fingerprint)
        .with_temperature(TONE_TEMPERATURE)
}
