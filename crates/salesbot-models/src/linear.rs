//! A multinomial logistic classifier over hashed sparse features, trained in seconds, bit-identical on every
//! machine.
//!
//! Determinism: fixed order of examples, single precision without fused operations, `libm` for `exp` and `ln`.
//! Trained weights are quantised to one byte with a scale per feature; features seen in one example only are
//! dropped. Why not a crate: `linfa` and `smartcore` train dense matrices and bring BLAS-like stacks; this is
//! 200 lines and nothing to install.

use std::collections::BTreeMap;

/// One training text: its features as (hash, weight) and the class it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub features: Vec<(u32, f32)>,
    pub class: u16,
    /// Share in the loss: below 1 for made-up variants of a text.
    pub weight: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    pub epochs: u32,
    pub learning_rate: f32,
    pub l2: f32,
    /// Features in fewer examples are dropped.
    pub min_examples: u32,
    /// Divides the logits; above 1 softens, below 1 sharpens. Set by [`calibrate`].
    pub temperature: f32,
}

impl Default for Training {
    fn default() -> Self {
        Self { epochs: 25, learning_rate: 1.5, l2: 1e-6, min_examples: 3, temperature: 1.0 }
    }
}

/// Shape: `features` sorted by hash, `weights[feature][class]` in bytes with one scale per feature.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    classes: usize,
    features: Vec<u32>,
    idf: Vec<f32>,
    scales: Vec<f32>,
    weights: Vec<i8>,
    bias: Vec<f32>,
    temperature: f32,
    /// What the model was trained from; a change of content makes another one.
    pub fingerprint: [u8; 32],
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    #[error("the classifier file is cut short or damaged at byte {0}")]
    Damaged(usize),
    #[error("the file is not a classifier of this version")]
    Foreign,
}

const MAGIC: &[u8; 8] = b"SBLIN01\n";

/// Stable hash of a feature's name (FNV-1a, folded to 32 bits).
pub fn hash(name: &str) -> u32 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (state >> 32) as u32 ^ (state & 0xffff_ffff) as u32
}

/// Trains on the examples in the order given. Cost: about 2 s for 6,000 short texts and 252 classes.
pub fn train(examples: &[Example], classes: usize, options: Training, fingerprint: [u8; 32]) -> LinearModel {
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for example in examples {
        for (feature, _) in &example.features {
            *seen.entry(*feature).or_default() += 1;
        }
    }
    seen.retain(|_, count| *count >= options.min_examples);
    let features: Vec<u32> = seen.keys().copied().collect();
    let idf: Vec<f32> =
        seen.values().map(|count| libm::logf(1.0 + examples.len() as f32 / (*count as f32 + 0.5))).collect();
    let mut model = LinearModel {
        classes,
        features,
        idf,
        scales: Vec::new(),
        weights: Vec::new(),
        bias: vec![0.0; classes],
        temperature: options.temperature,
        fingerprint,
    };
    let rows: Vec<Vec<(usize, f32)>> = examples.iter().map(|example| model.rows(&example.features)).collect();
    let mut weights = vec![0.0_f32; model.features.len() * classes];
    let mut squares = vec![1e-3_f32; model.features.len()];
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut scores = vec![0.0_f32; classes];
    for _ in 0..options.epochs {
        shuffle(&mut order, &mut random);
        for at in &order {
            let row = &rows[*at];
            scores.copy_from_slice(&model.bias);
            for (feature, value) in row {
                let weights = &weights[feature * classes..(feature + 1) * classes];
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += weight * value;
                }
            }
            softmax(&mut scores);
            let share = examples[*at].weight;
            scores[usize::from(examples[*at].class)] -= 1.0;
            let energy: f32 = scores.iter().map(|gradient| gradient * gradient).sum();
            for (bias, gradient) in model.bias.iter_mut().zip(&scores) {
                *bias -= 0.02 * options.learning_rate * share * gradient;
            }
            for (feature, value) in row {
                // Adagrad with one step size per feature: rare n-grams learn as fast as common stems.
                squares[*feature] += energy * value * value;
                let step = options.learning_rate * share * value / squares[*feature].sqrt();
                let decay = 1.0 - options.l2 * options.learning_rate;
                let weights = &mut weights[feature * classes..(feature + 1) * classes];
                for (weight, gradient) in weights.iter_mut().zip(&scores) {
                    *weight = *weight * decay - step * gradient;
                }
            }
        }
    }
    model.quantise(&weights);
    model
}

fn shuffle(order: &mut [usize], random: &mut u64) {
    for at in (1..order.len()).rev() {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = ((*random >> 33) % (at as u64 + 1)) as usize;
        order.swap(at, other);
    }
}

fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - top);
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
}

/// The temperature that makes the probabilities of `examples` (never trained on) most likely.
pub fn calibrate(model: &LinearModel, examples: &[Example]) -> f32 {
    let candidates = (4..=40_u16).map(|step| f32::from(step) * 0.05);
    let loss = |temperature: f32| -> f32 {
        let model = LinearModel { temperature, ..model.clone() };
        let likelihoods = examples.iter().map(|example| {
            let scores = model.scores(&example.features);
            -libm::logf(scores[usize::from(example.class)].max(1e-9))
        });
        likelihoods.sum()
    };
    let best =
        candidates.map(|temperature| (loss(temperature), temperature)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(1.0, |(_, temperature)| temperature)
}

impl LinearModel {
    pub fn with_temperature(self, temperature: f32) -> Self {
        Self { temperature, ..self }
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Known features of a text with their weights, scaled to length 1.
    fn rows(&self, features: &[(u32, f32)]) -> Vec<(usize, f32)> {
        let mut rows: Vec<(usize, f32)> = Vec::with_capacity(features.len());
        for (feature, weight) in features {
            if let Ok(at) = self.features.binary_search(feature) {
                rows.push((at, weight * self.idf[at]));
            }
        }
        let length = rows.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            rows.iter_mut().for_each(|(_, value)| *value /= length);
        }
        rows
    }

    /// Probability of each class; they sum to 1. Cost: 10 µs for a short text.
    pub fn scores(&self, features: &[(u32, f32)]) -> Vec<f32> {
        let mut scores = self.bias.clone();
        for (feature, value) in self.rows(features) {
            let factor = value * self.scales[feature];
            let weights = &self.weights[feature * self.classes..(feature + 1) * self.classes];
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score += f32::from(*weight) * factor;
            }
        }
        scores.iter_mut().for_each(|score| *score /= self.temperature);
        softmax(&mut scores);
        scores
    }

    fn quantise(&mut self, weights: &[f32]) {
        for row in weights.chunks_exact(self.classes) {
            let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            self.scales.push(scale);
            self.weights.extend(row.iter().map(|weight| (weight / scale).round() as i8));
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.fingerprint);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(count(self.classes));
        out.extend(count(self.features.len()));
        out.extend(self.temperature.to_le_bytes());
        self.features.iter().for_each(|feature| out.extend(feature.to_le_bytes()));
        for list in [&self.idf, &self.scales, &self.bias] {
            list.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        out.extend(self.weights.iter().map(|weight| weight.to_le_bytes()[0]));
        out
    }

    /// # Errors
    /// [`ModelError`] for a foreign or damaged file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(ModelError::Foreign);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(reader.take(32)?);
        let classes = reader.count()?;
        let features = reader.count()?;
        let temperature = reader.floats(1)?[0];
        let hashes = reader.take(features.saturating_mul(4))?;
        let hashes =
            hashes.chunks_exact(4).map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
        let model = Self {
            classes,
            features: hashes.collect(),
            idf: reader.floats(features)?,
            scales: reader.floats(features)?,
            bias: reader.floats(classes)?,
            weights: reader
                .take(features.saturating_mul(classes))?
                .iter()
                .map(|byte| i8::from_le_bytes([*byte]))
                .collect(),
            temperature,
            fingerprint,
        };
        if reader.at != bytes.len() { Err(ModelError::Damaged(reader.at)) } else { Ok(model) }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        let end = self.at.checked_add(length).ok_or(ModelError::Damaged(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(ModelError::Damaged(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn count(&mut self) -> Result<usize, ModelError> {
        let chunk = self.take(4)?;
        Ok(u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]) as usize)
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, ModelError> {
        let bytes = self.take(count.saturating_mul(4))?;
        Ok(bytes
            .chunks_exact(4)
            .map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, class: u16) -> Example {
        Example { features: text.split(' ').map(|word| (hash(word), 1.0)).collect(), class, weight: 1.0 }
    }

    fn small() -> LinearModel {
        let texts = [
            "сколько стоит",
            "какая цена",
            "цена сколько",
            "позвоните мне",
            "мне позвоните сейчас",
            "позвоните",
        ];
        let examples: Vec<_> =
            texts.iter().enumerate().map(|(i, text)| example(text, u16::from(i >= 3))).collect();
        train(&examples, 2, Training { min_examples: 1, ..Training::default() }, [7; 32])
    }

    #[test]
    fn it_learns_and_sums_to_one() {
        let scores = small().scores(&example("сколько", 0).features);
        assert!(scores[0] > 0.7, "{scores:?}");
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn training_twice_gives_the_same_bytes() {
        assert_eq!(small().to_bytes(), small().to_bytes());
    }

    #[test]
    fn bytes_come_back_and_damage_is_noticed() {
        let model = small();
        let bytes = model.to_bytes();
        assert_eq!(LinearModel::from_bytes(&bytes).as_ref(), Ok(&model));
        assert!(matches!(LinearModel::from_bytes(&bytes[..bytes.len() - 1]), Err(ModelError::Damaged(_))));
        assert_eq!(
            LinearModel::from_bytes(b"something else, long enough to be read"),
            Err(ModelError::Foreign)
        );
    }
}
