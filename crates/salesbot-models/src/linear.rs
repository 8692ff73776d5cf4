//! A linear classifier over hashed sparse features, one separating plane per class, trained in seconds and
//! bit-identical on every machine.
//!
//! Training is dual coordinate descent for the support vector machine with squared hinge loss (Hsieh et al. 2008,
//! the method of `liblinear -s 1`): the classes are independent of one another, so they are trained eight side by
//! side on all cores and the result does not depend on how many there are. Determinism: fixed order of examples and
//! features, single precision without fused operations, `libm` for `exp` and `ln`. Small weights are dropped,
//! the others kept in one byte with a scale per feature.
//!
//! Why not a crate: `linfa` and `smartcore` train dense matrices or bring BLAS-like stacks, and the bindings of
//! `liblinear` need a C++ compiler; this is 400 lines and nothing to install.

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
    /// Weight of the loss against the size of the plane: more fits the examples closer.
    pub cost: f32,
    /// Training of a class ends when no example pulls harder than this.
    pub tolerance: f32,
    /// … or after so many passes over the examples.
    pub passes: u32,
    /// Features in fewer examples are dropped.
    pub min_examples: u32,
    /// Weights smaller than this are dropped.
    pub smallest: f32,
    /// Divides the margins; above 1 softens, below 1 sharpens. Set by [`calibrate`].
    pub temperature: f32,
}

impl Default for Training {
    fn default() -> Self {
        Self { cost: 2.0, tolerance: 0.3, passes: 100, min_examples: 2, smallest: 0.06, temperature: 1.0 }
    }
}

/// Shape: `features` sorted by hash; the weights of feature `i` are the entries from `starts[i]` to
/// `starts[i + 1]`, each the distance to the next class and the weight in units of `scales[i]`. The default has
/// no classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearModel {
    classes: usize,
    features: Vec<u32>,
    idf: Vec<f32>,
    scales: Vec<f32>,
    starts: Vec<u32>,
    gaps: Vec<u8>,
    weights: Vec<i8>,
    bias: Vec<f32>,
    temperature: f32,
    /// The weight of a feature that no example has.
    rarest: f32,
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

const MAGIC: &[u8; 8] = b"SBLIN02\n";

/// Stable hash of a feature's name (FNV-1a, folded to 32 bits).
pub fn hash(name: &str) -> u32 {
    hash_parts([name])
}

/// The same of a name given in parts.
pub fn hash_parts<const N: usize>(parts: [&str; N]) -> u32 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.into_iter().flat_map(str::bytes) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (state >> 32) as u32 ^ (state & 0xffff_ffff) as u32
}

/// Trains on the examples in the order given. Cost: about 2 s on two cores for 30,000 short texts and 252 classes.
pub fn train(examples: &[Example], classes: usize, options: Training, fingerprint: [u8; 32]) -> LinearModel {
    let all = examples.iter().flat_map(|example| example.features.iter().map(|(feature, _)| *feature));
    let mut all: Vec<u32> = all.collect();
    all.sort_unstable();
    let seen = all.chunk_by(|a, b| a == b).filter(|same| same.len() >= options.min_examples as usize);
    let idf = |count: usize| libm::logf(1.0 + examples.len() as f32 / (count as f32 + 0.5));
    let (features, idf) = seen.map(|same| (same[0], idf(same.len()))).unzip();
    let mut model = LinearModel {
        classes,
        features,
        idf,
        scales: Vec::new(),
        starts: vec![0],
        gaps: Vec::new(),
        weights: Vec::new(),
        bias: vec![0.0; classes],
        temperature: options.temperature,
        rarest: libm::logf(1.0 + examples.len() as f32 / 1.5),
        fingerprint,
    };
    let rows = Rows::new(examples, &model, options);
    let all: Vec<usize> = (0..classes).collect();
    let groups: Vec<&[usize]> = all.chunks(LANES).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(groups.len().max(1));
    let width = model.features.len();
    let mut planes: Vec<(usize, Plane)> = std::thread::scope(|scope| {
        let worker = |first: usize| {
            let (groups, rows) = (&groups, &rows);
            let own = move || groups.iter().skip(first).step_by(cores);
            scope.spawn(move || own().flat_map(|group| Group::train(group, rows, width, options)).collect())
        };
        let workers: Vec<_> = (0..cores).map(worker).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|_| Vec::new())).collect()
    });
    planes.sort_by_key(|(class, _)| *class);
    let planes: Vec<Plane> = planes.into_iter().map(|(_, plane)| plane).collect();
    model.quantise(&planes, options.smallest);
    model
}

/// The examples as training walks over them: in one fixed random order, side by side in memory.
struct Rows {
    /// (feature, value) of all examples; those of example `i` are from `starts[i]` to `starts[i + 1]`.
    values: Vec<(u32, f32)>,
    starts: Vec<usize>,
    /// Squared length of each, 1 or a little less.
    lengths: Vec<f32>,
    classes: Vec<u16>,
    /// How far each may lie on the wrong side: 0.5 / (cost × weight).
    slacks: Vec<f32>,
}

impl Rows {
    fn new(examples: &[Example], model: &LinearModel, options: Training) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(examples.len()).unwrap_or(u32::MAX)).collect();
        shuffle(&mut order, &mut 0x0123_4567);
        let in_order = || order.iter().map(|at| &examples[*at as usize]);
        let mut rows = Self {
            values: Vec::new(),
            starts: vec![0],
            lengths: Vec::new(),
            classes: in_order().map(|example| example.class).collect(),
            slacks: in_order().map(|example| 0.5 / (options.cost * example.weight.max(1e-3))).collect(),
        };
        for example in in_order() {
            let row = model.rows(&example.features);
            rows.lengths.push(row.iter().map(|(_, value)| value * value).sum());
            rows.values.extend(row);
            rows.starts.push(rows.values.len());
        }
        rows
    }

    fn of(&self, example: usize) -> &[(u32, f32)] {
        &self.values[self.starts[example]..self.starts[example + 1]]
    }
}

/// Classes trained side by side: one look at an example serves them all, their weights lie together.
const LANES: usize = 8;

/// What separates one class from all others: a weight per feature, and a bias.
struct Plane {
    weights: Vec<f32>,
    bias: f32,
}

/// The planes of a group of classes in training.
struct Group<'a> {
    rows: &'a Rows,
    weights: Vec<[f32; LANES]>,
    biases: [f32; LANES],
    /// How hard each example pulls on each plane.
    pulls: Vec<[f32; LANES]>,
}

/// The pulls a pass came upon: their extremes, and the examples that may pull in the next pass.
struct Pass {
    largest: f32,
    least: f32,
    near: Vec<u32>,
}

impl Pass {
    fn new() -> Self {
        Self { largest: f32::NEG_INFINITY, least: f32::INFINITY, near: Vec::new() }
    }

    fn settled(&self, options: Training) -> bool {
        self.largest - self.least <= options.tolerance
    }
}

impl Group<'_> {
    /// Dual coordinate descent with shrinking, each class by itself: a pass over all examples, then passes at
    /// random over those near the plane until these are settled, and again, until a pass over all finds nothing
    /// to do. Only the passes over all, which take most of the time, are made for the group at once.
    fn train(classes: &[usize], rows: &Rows, features: usize, options: Training) -> Vec<(usize, Plane)> {
        let count = rows.lengths.len();
        let mut group = Group {
            rows,
            weights: vec![[0.0; LANES]; features],
            biases: [0.0; LANES],
            pulls: vec![[0.0; LANES]; count],
        };
        let seed = |class: &usize| 0x9e37_79b9_7f4a_7c15_u64 ^ (*class as u64) << 7;
        let mut randoms: Vec<u64> = classes.iter().map(seed).collect();
        let mut passes_left = vec![options.passes; classes.len()];
        let mut open: Vec<usize> = (0..classes.len()).collect();
        while !open.is_empty() {
            let mut found: Vec<Pass> = classes.iter().map(|_| Pass::new()).collect();
            for example in 0..count {
                let margins = group.margins(example);
                for lane in &open {
                    group.visit(example, *lane, classes[*lane], margins[*lane], &mut found[*lane]);
                }
            }
            open.retain(|lane| {
                let (lane, mut last) = (*lane, std::mem::replace(&mut found[*lane], Pass::new()));
                let left = &mut passes_left[lane];
                *left = left.saturating_sub(1);
                if last.settled(options) {
                    return false;
                }
                while *left > 0 && !last.settled(options) {
                    shuffle(&mut last.near, &mut randoms[lane]);
                    let mut pass = Pass::new();
                    for example in last.near {
                        let margin = group.margin(example as usize, lane);
                        group.visit(example as usize, lane, classes[lane], margin, &mut pass);
                    }
                    last = pass;
                    *left -= 1;
                }
                *left > 0
            });
        }
        let plane = |lane: usize| Plane {
            weights: group.weights.iter().map(|weights| weights[lane]).collect(),
            bias: group.biases[lane],
        };
        classes.iter().enumerate().map(|(lane, class)| (*class, plane(lane))).collect()
    }

    /// Moves one plane so that the example lies as it should. The bias counts as one more feature of value 1.
    fn visit(&mut self, example: usize, lane: usize, class: usize, margin: f32, pass: &mut Pass) {
        let (slack, pull) = (self.rows.slacks[example], self.pulls[example][lane]);
        let side = if usize::from(self.rows.classes[example]) == class { 1.0 } else { -1.0 };
        let gradient = margin * side - 1.0 + slack * pull;
        if pull == 0.0 && gradient > 0.0 {
            return; // on its own side without pulling
        }
        pass.near.push(u32::try_from(example).unwrap_or(u32::MAX));
        pass.largest = pass.largest.max(gradient);
        pass.least = pass.least.min(gradient);
        let moved = (pull - gradient / (1.0 + self.rows.lengths[example] + slack)).max(0.0);
        self.pulls[example][lane] = moved;
        let step = (moved - pull) * side;
        self.biases[lane] += step;
        for (feature, value) in self.rows.of(example) {
            self.weights[*feature as usize][lane] += step * value;
        }
    }

    fn margins(&self, example: usize) -> [f32; LANES] {
        let mut margins = self.biases;
        for (feature, value) in self.rows.of(example) {
            let weights = self.weights[*feature as usize];
            for lane in 0..LANES {
                margins[lane] += weights[lane] * value;
            }
        }
        margins
    }

    fn margin(&self, example: usize, lane: usize) -> f32 {
        let row = self.rows.of(example).iter();
        row.fold(self.biases[lane], |sum, (feature, value)| {
            sum + self.weights[*feature as usize][lane] * value
        })
    }
}

fn shuffle(order: &mut [u32], random: &mut u64) {
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
    let margins: Vec<(Vec<f32>, usize)> = examples
        .iter()
        .map(|example| (model.margins(&example.features), usize::from(example.class)))
        .collect();
    let loss = |temperature: f32| -> f32 {
        let likelihoods = margins.iter().map(|(margins, class)| {
            let mut scores: Vec<f32> = margins.iter().map(|margin| margin / temperature).collect();
            softmax(&mut scores);
            -libm::logf(scores[*class].max(1e-9))
        });
        likelihoods.sum()
    };
    let best = |steps: std::ops::RangeInclusive<u16>, every: usize| {
        let losses = steps.step_by(every).map(|step| (loss(f32::from(step) * 0.01), step));
        losses.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(100, |(_, step)| step)
    };
    // The loss has one valley.
    let about = best(1..=60, 5);
    f32::from(best(about.saturating_sub(4).max(1)..=about + 4, 1)) * 0.01
}

impl LinearModel {
    pub fn with_temperature(self, temperature: f32) -> Self {
        Self { temperature, ..self }
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Known features of a text with their weights, scaled so that the whole text has length 1: what is unknown
    /// in it counts as the rarest there is, and a text of strange words keeps close to no class.
    fn rows(&self, features: &[(u32, f32)]) -> Vec<(u32, f32)> {
        let mut rows: Vec<(u32, f32)> = Vec::with_capacity(features.len());
        let mut unknown = 0.0;
        for (feature, weight) in features {
            match self.features.binary_search(feature) {
                Ok(at) => rows.push((u32::try_from(at).unwrap_or(u32::MAX), weight * self.idf[at])),
                Err(_) => unknown += weight * weight * self.rarest * self.rarest,
            }
        }
        let length = (rows.iter().map(|(_, value)| value * value).sum::<f32>() + unknown).sqrt();
        if length > 0.0 {
            rows.iter_mut().for_each(|(_, value)| *value /= length);
        }
        rows
    }

    /// How far the text lies on the side of each class; above 0 is inside.
    fn margins(&self, features: &[(u32, f32)]) -> Vec<f32> {
        let mut margins = self.bias.clone();
        for (feature, value) in self.rows(features) {
            let feature = feature as usize;
            let factor = value * self.scales[feature];
            let entries = self.starts[feature] as usize..self.starts[feature + 1] as usize;
            let mut class = 0;
            for (gap, weight) in self.gaps[entries.clone()].iter().zip(&self.weights[entries]) {
                class += usize::from(*gap);
                margins[class] += f32::from(*weight) * factor;
            }
        }
        margins
    }

    /// Probability of each class; they sum to 1. Cost: 10 µs for a short text.
    pub fn scores(&self, features: &[(u32, f32)]) -> Vec<f32> {
        let mut scores = self.margins(features);
        scores.iter_mut().for_each(|score| *score /= self.temperature);
        softmax(&mut scores);
        scores
    }

    fn quantise(&mut self, planes: &[Plane], smallest: f32) {
        for (bias, plane) in self.bias.iter_mut().zip(planes) {
            *bias = plane.bias;
        }
        for feature in 0..self.features.len() {
            let weights = planes.iter().map(|plane| plane.weights[feature]);
            let largest = weights.clone().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let mut last = 0;
            for (class, weight) in weights.enumerate() {
                let quantised = (weight / scale).round() as i8;
                if weight.abs() < smallest || quantised == 0 {
                    continue;
                }
                // A gap too wide for a byte is bridged by entries that weigh nothing.
                while class - last > usize::from(u8::MAX) {
                    self.gaps.push(u8::MAX);
                    self.weights.push(0);
                    last += usize::from(u8::MAX);
                }
                self.gaps.push(u8::try_from(class - last).unwrap_or(u8::MAX));
                self.weights.push(quantised);
                last = class;
            }
            self.scales.push(scale);
            self.starts.push(u32::try_from(self.gaps.len()).unwrap_or(u32::MAX));
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.fingerprint);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(count(self.classes));
        out.extend(count(self.features.len()));
        out.extend(count(self.gaps.len()));
        out.extend(self.temperature.to_le_bytes());
        out.extend(self.rarest.to_le_bytes());
        for list in [&self.features, &self.starts] {
            list.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        for list in [&self.idf, &self.scales, &self.bias] {
            list.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        out.extend(&self.gaps);
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
        let entries = reader.count()?;
        let (temperature, rarest) = (reader.floats(1)?[0], reader.floats(1)?[0]);
        let model = Self {
            classes,
            features: reader.counts(features)?,
            starts: reader.counts(features.saturating_add(1))?,
            idf: reader.floats(features)?,
            scales: reader.floats(features)?,
            bias: reader.floats(classes)?,
            gaps: reader.take(entries)?.to_vec(),
            weights: reader.take(entries)?.iter().map(|byte| i8::from_le_bytes([*byte])).collect(),
            temperature,
            rarest,
            fingerprint,
        };
        if reader.at != bytes.len() || !model.holds_together() {
            return Err(ModelError::Damaged(reader.at));
        }
        Ok(model)
    }

    /// Every entry belongs to a feature and names a class.
    fn holds_together(&self) -> bool {
        let ends = self.starts.first() == Some(&0)
            && self.starts.last().is_some_and(|end| *end as usize == self.gaps.len())
            && self.starts.is_sorted();
        ends && self.starts.windows(2).all(|pair| {
            let gaps = &self.gaps[pair[0] as usize..pair[1] as usize];
            gaps.is_empty() || gaps.iter().map(|gap| usize::from(*gap)).sum::<usize>() < self.classes
        })
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

    fn counts(&mut self, count: usize) -> Result<Vec<u32>, ModelError> {
        let bytes = self.take(count.saturating_mul(4))?;
        Ok(bytes
            .chunks_exact(4)
            .map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
            .collect())
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
        let model = train(&examples, 2, Training { min_examples: 1, ..Training::default() }, [7; 32]);
        model.with_temperature(0.2)
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
    fn classes_far_apart_are_kept_apart() {
        let word = |class: u16| format!("word{class}");
        let examples: Vec<Example> = (0..600)
            .step_by(100)
            .flat_map(|class| [example(&word(class), class), example(&format!("{} all", word(class)), class)])
            .collect();
        let model = train(&examples, 600, Training { min_examples: 1, ..Training::default() }, [0; 32]);
        for class in (0..600).step_by(100) {
            let margins = model.margins(&example(&word(class), 0).features);
            let best = (0..600).max_by(|a, b| margins[*a].total_cmp(&margins[*b]));
            assert_eq!(best, Some(usize::from(class)));
        }
        assert_eq!(LinearModel::from_bytes(&model.to_bytes()), Ok(model));
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
