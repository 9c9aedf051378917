//! Properties over awkward shapes and values: the reference, the CPU and every kind of GPU kernel agree on what is an
//! error, and on the result.
//!
//! Cases come from a generator with a fixed seed, another for each property, so every run tries the same ones.
//! `ATTRACTOR_CASES=20` tries twenty times as many, `ATTRACTOR_SEED=7` others. No file of regressions is kept: proptest
//! prints the smallest case that fails, and a case that has found a fault stays as a test by a name of its own.

mod banks;
mod best;
mod bits;
mod borders;
mod elements;
mod features;
mod memories;
mod pairs;
mod products;
mod rows;
mod separate;
mod steps;

use super::common::*;
use attractor::{Device, Rows, reference::Matrix};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

pub(super) use super::common::EPS;

/// The least normal number: what is smaller may count as 0.
const TINY: f64 = f32::MIN_POSITIVE as f64;
const MOST: f64 = f32::MAX as f64;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

/// Tries a property on so many cases (times `ATTRACTOR_CASES`).
#[track_caller]
fn property<S: Strategy>(name: &str, cases: u64, strategy: S, test: impl Fn(S::Value)) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("ATTRACTOR_SEED", 0).to_le_bytes());
    name.bytes().enumerate().for_each(|(i, byte)| seed[8 + i % 24] ^= byte.rotate_left(i as u32 / 24));
    let config = Config {
        cases: (cases * number("ATTRACTOR_CASES", 1)).try_into().unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: 64,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

/// A size: 0, 1, odd ones, and those about vectors and tiles.
fn size(most: usize) -> impl Strategy<Value = usize> + Clone {
    let borders: Vec<usize> = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
        .into_iter()
        .flat_map(|b| [b - 1, b, b + 1])
        .chain([1, most])
        .filter(move |s| *s <= most)
        .collect();
    prop_oneof![
        1 => Just(0),
        3 => Just(1),
        3 => 2..=9.min(most),
        4 => prop::sample::select(borders),
        2 => 1..=most,
    ]
}

/// A size that is not 0.
fn some(most: usize) -> impl Strategy<Value = usize> + Clone {
    size(most).prop_map(|s| s.max(1))
}

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Standard normals.
    Normal,
    /// Far from 0, and near to each other.
    Offset,
    /// Small whole numbers: every sum is exact, and many are equal.
    Equal,
    /// All orders of magnitude whose squares are normal numbers, and zeros of both signs.
    Wide,
    /// Subnormal numbers and what is near to them.
    Tiny,
    /// Numbers whose squares leave f32, and the largest ones.
    Huge,
    /// Normals, with some NaN and infinities among them.
    Unknown,
}

impl Kind {
    /// All of them, for operations whose every answer is defined.
    const ALL: [Self; 7] =
        [Self::Normal, Self::Offset, Self::Equal, Self::Wide, Self::Tiny, Self::Huge, Self::Unknown];
    /// Those that every memory takes.
    const TAME: [Self; 3] = [Self::Normal, Self::Offset, Self::Equal];

    fn value(self, random: &mut Random) -> f32 {
        const WIDE: [f32; 9] = [0.0, -0.0, 1e-18, -1e-18, 1e-9, 1.0, -3.0, 1e9, -1e18];
        const TINY: [f32; 9] =
            [0.0, -0.0, 1e-45, -1e-40, 1e-39, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1e-38, 1e-30];
        const HUGE: [f32; 10] = [0.0, 1.0, -1.0, 1e16, -1e20, 1e20, 1e38, -1e38, f32::MAX, f32::MIN];
        const UNKNOWN: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        let normal = random.normal() as f32;
        let mut of = |all: &[f32]| all[random.below(all.len())];
        match self {
            Self::Normal => normal,
            Self::Offset => 1e4 + normal,
            Self::Equal => of(&[-2.0, -1.0, 0.0, 1.0, 2.0]),
            Self::Wide => of(&WIDE),
            Self::Tiny => of(&TINY),
            Self::Huge => of(&HUGE),
            Self::Unknown => {
                let unknown = of(&UNKNOWN);
                if random.below(12) == 0 { unknown } else { normal }
            }
        }
    }
}

/// Values of a matrix: what they are like, and a seed.
#[derive(Clone, Copy, Debug)]
struct Fill(Kind, u64);

impl Fill {
    fn rows(self, rows: usize, columns: usize) -> Rows<'static> {
        let mut random = Random::new(self.1);
        // Some rows are copies of the first.
        let mut values: Vec<f32> = (0..rows * columns).map(|_| self.0.value(&mut random)).collect();
        if self.0 == Kind::Equal {
            for row in (0..rows).filter(|row| row % 3 == 2) {
                values.copy_within(..columns, row * columns);
            }
        }
        if columns == 0 { Rows::empty(0) } else { Rows::new(values, columns).unwrap() }
    }

    fn flat(self, count: usize) -> Vec<f32> {
        self.rows(1, count).into_vec()
    }
}

fn fill(kinds: &'static [Kind]) -> impl Strategy<Value = Fill> + Clone {
    (prop::sample::select(kinds), any::<u64>()).prop_map(|(kind, seed)| Fill(kind, seed))
}

/// The CPU and two kinds of GPU kernels: each case another pair.
fn some_devices(pick: usize) -> Vec<(&'static str, Device)> {
    let mut all = vec![("cpu", Device::cpu())];
    let gpus = gpus();
    if gpus.is_empty() {
        return all;
    }
    // The first two differ in every operation, the others in those of products.
    let (first, second) = (pick % 2, pick % gpus.len());
    all.push(gpus[first].clone());
    // Once where it is one kind.
    all.extend((second != first).then(|| gpus[second].clone()));
    all
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// Within this of that.
    Near(f64, f64),
    Nan,
    /// NaN or an infinity: which, depends on the order of a sum.
    NotFinite,
    /// Within this of that, or not finite: what happens on the way may leave f32.
    NearOrNotFinite(f64, f64),
}

impl Want {
    /// What f64 gives, with this bound; beyond f32 it is not finite.
    fn of(value: f64, bound: f64) -> Self {
        match value {
            v if v.is_nan() => Self::Nan,
            v if v.abs() > MOST + bound => Self::NotFinite,
            v if v.abs() > MOST - bound => Self::NearOrNotFinite(v, bound),
            _ => Self::Near(value, bound),
        }
    }

    /// A sum whose terms have these sizes in all: it may leave f32 on the way.
    fn sum(value: f64, sizes: f64, bound: f64) -> Self {
        match value {
            v if !v.is_finite() => Self::NotFinite,
            v if sizes > 0.999 * MOST => Self::NearOrNotFinite(v, bound),
            _ => Self::Near(value, bound),
        }
    }

    fn meets(self, got: f32) -> bool {
        let near = |want: f64, bound: f64| (f64::from(got) - want).abs() <= bound;
        match self {
            Self::Near(want, bound) => near(want, bound),
            Self::Nan => got.is_nan(),
            Self::NotFinite => !got.is_finite(),
            Self::NearOrNotFinite(want, bound) => !got.is_finite() || near(want, bound),
        }
    }
}

#[track_caller]
fn assert_all(what: &str, got: &[f32], want: &[Want]) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(want.meets(*got), "{what}: value {i} is {got:e}, want {want:?}");
    }
}

/// Fails unless all devices give the same error, or none gives one; true where it is one.
#[track_caller]
fn same_errors<T>(results: &[(&str, attractor::Result<T>)]) -> bool {
    let said: Vec<(&str, Option<String>)> =
        results.iter().map(|(name, r)| (*name, r.as_ref().err().map(|e| format!("{e:?}")))).collect();
    for (name, error) in &said {
        assert_eq!(*error, said[0].1, "{name} against {}", said[0].0);
    }
    said[0].1.is_some()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}
