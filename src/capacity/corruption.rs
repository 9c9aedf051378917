//! How a pattern is damaged before it is asked for.

use super::vectors::{cosine, dot, length};
use crate::{
    Error, Result,
    random::{Stream, purpose::CORRUPTION},
};
use std::{fmt, str::FromStr};

/// A damage of patterns.
///
/// ```
/// use attractor::capacity::Corruption;
/// let damage: Corruption = "flip:0.2".parse()?;
/// assert_eq!(damage, Corruption::Flip(0.2));
/// assert!("flip:2".parse::<Corruption>().is_err());
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Corruption {
    /// `overlap:C` (C1): a random direction with exactly the cosine C to the pattern, of the pattern's length.
    Overlap(f64),
    /// `flip:F` (C2): exactly `round(F d)` random coordinates change their sign.
    Flip(f64),
    /// `noise:S` (C3): Gaussian noise of standard deviation `S |pattern| / sqrt(d)` on each coordinate.
    Noise(f64),
    /// `mask:F` (C4): exactly `round(F d)` random coordinates become 0.
    Mask(f64),
    /// `half` (C5): the second half of the coordinates, the lower half of an image, becomes 0.
    Half,
    /// `image-noise:S` (C6): `clamp(|x + S n|, 0, 1)` with normal `n`, for images of values from 0 to 1. Data of another range, as bytes
    /// from 0 to 255, get the same in that range: noise of `S` times its width, folded at its lower end and clamped at the upper one.
    ImageNoise(f64),
    /// `dropout` (C7): each coordinate becomes 0 with probability one half; the others are doubled.
    Dropout,
}

impl Corruption {
    /// Whether every draw for a pattern gives the same query.
    pub fn is_fixed(self) -> bool {
        match self {
            Self::Overlap(c) => c.abs() == 1.0,
            Self::Flip(f) | Self::Mask(f) => f == 0.0 || f == 1.0,
            Self::Noise(s) => s == 0.0,
            Self::Half => true,
            Self::ImageNoise(_) | Self::Dropout => false,
        }
    }

    /// Whether it is clamped to the range of the data.
    pub(super) fn is_clamped(self) -> bool {
        matches!(self, Self::ImageNoise(_))
    }

    /// How many coordinates of `d` a share `f` of them is.
    pub fn count(f: f64, d: usize) -> usize {
        ((f * d as f64).round() as usize).min(d)
    }
}

/// A damage of patterns whose values have a range, where it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damage {
    pub(super) corruption: Corruption,
    pub(super) range: Option<[f32; 2]>,
}

impl Damage {
    /// The damaged pattern for query `number` of a key.
    pub(super) fn apply(self, pattern: &[f32], key: u64, number: u64) -> Vec<f32> {
        use Corruption::{Dropout, Flip, Half, ImageNoise, Mask, Noise, Overlap};
        let d = pattern.len();
        let mut draw = Stream::new(key, CORRUPTION, number);
        let mut query = pattern.to_vec();
        match self.corruption {
            Overlap(c) if c.abs() == 1.0 => query.iter_mut().for_each(|v| *v *= c as f32),
            Overlap(c) => query = at_overlap(pattern, c, &mut draw),
            Flip(f) => draw.choose(Corruption::count(f, d), d).into_iter().for_each(|i| query[i] = -query[i]),
            Noise(0.0) => {}
            Noise(s) => {
                let scale = s * (dot(pattern, pattern) / d as f64).sqrt();
                query.iter_mut().for_each(|v| *v = (f64::from(*v) + scale * draw.normal()) as f32);
            }
            Mask(f) => draw.choose(Corruption::count(f, d), d).into_iter().for_each(|i| query[i] = 0.0),
            Half => query[d - d / 2..].fill(0.0),
            ImageNoise(s) => {
                let [low, high] = self.range.unwrap_or([0.0, 1.0]).map(f64::from);
                let width = high - low;
                let noisy =
                    |v: f32, n: f64| (low + (f64::from(v) - low + s * width * n).abs().min(width)) as f32;
                query.iter_mut().for_each(|v| *v = noisy(*v, draw.normal()));
            }
            Dropout => query.iter_mut().for_each(|v| *v *= if draw.below(2) == 0 { 0.0 } else { 2.0 }),
        }
        query
    }
}

/// `|pattern|` times a direction with the cosine `c` to the pattern; a pattern without direction stays.
fn at_overlap(pattern: &[f32], c: f64, draw: &mut Stream) -> Vec<f32> {
    let d = pattern.len();
    let size = dot(pattern, pattern).sqrt();
    if size == 0.0 || d < 2 {
        return pattern.to_vec();
    }
    loop {
        let mut across = draw.direction(d);
        let along: f64 = across.iter().zip(pattern).map(|(u, x)| u * f64::from(*x) / size).sum();
        across.iter_mut().zip(pattern).for_each(|(u, x)| *u -= along * f64::from(*x) / size);
        let left = length(&across);
        // Along the pattern there is no direction across it.
        if left > 1e-6 {
            let sine = size * (1.0 - c * c).sqrt() / left;
            return across.iter().zip(pattern).map(|(u, x)| (c * f64::from(*x) + sine * u) as f32).collect();
        }
    }
}

/// Mean cosine between queries and the patterns that they come from.
pub(super) fn mean_cosine<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> f64 {
    let (sum, count) = pairs.fold((0.0, 0), |(sum, n), (q, x)| (sum + cosine(q, x), n + 1));
    sum / f64::from(count.max(1))
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap(c) => write!(f, "overlap:{c}"),
            Self::Flip(share) => write!(f, "flip:{share}"),
            Self::Noise(s) => write!(f, "noise:{s}"),
            Self::Mask(share) => write!(f, "mask:{share}"),
            Self::Half => f.write_str("half"),
            Self::ImageNoise(s) => write!(f, "image-noise:{s}"),
            Self::Dropout => f.write_str("dropout"),
        }
    }
}

impl FromStr for Corruption {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, number) = text.split_once(':').map_or((text, None), |(n, v)| (n, v.parse::<f64>().ok()));
        let within = |low: f64, high: f64, want: &str| match number {
            Some(v) if v >= low && v <= high && v.is_finite() => Ok(v),
            _ => Err(Error::parameter("corruption", text, want)),
        };
        match name {
            "overlap" => Ok(Self::Overlap(within(-1.0, 1.0, "overlap:C with a cosine C from -1 to 1")?)),
            "flip" => Ok(Self::Flip(within(0.0, 1.0, "flip:F with a share F from 0 to 1")?)),
            "noise" => Ok(Self::Noise(within(0.0, f64::MAX, "noise:S with S at least 0")?)),
            "mask" => Ok(Self::Mask(within(0.0, 1.0, "mask:F with a share F from 0 to 1")?)),
            "image-noise" => Ok(Self::ImageNoise(within(0.0, f64::MAX, "image-noise:S with S at least 0")?)),
            "half" if !text.contains(':') => Ok(Self::Half),
            "dropout" if !text.contains(':') => Ok(Self::Dropout),
            _ => Err(Error::parameter(
                "corruption",
                text,
                "overlap:C, flip:F, noise:S, mask:F, half, image-noise:S or dropout",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn damaged(text: &str, pattern: &[f32], number: u64) -> Vec<f32> {
        Damage { corruption: text.parse().unwrap(), range: None }.apply(pattern, 5, number)
    }

    #[test]
    fn damages_are_exact() {
        let pattern: Vec<f32> = (0..40).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
        for c in [-0.5, 0.0, 0.3, 0.9, 1.0] {
            let query = damaged(&format!("overlap:{c}"), &pattern, 1);
            assert!((cosine(&query, &pattern) - c).abs() < 1e-6, "{c}");
            assert!((dot(&query, &query) - 40.0).abs() < 1e-4);
        }
        let query = damaged("flip:0.2", &pattern, 2);
        assert_eq!(query.iter().zip(&pattern).filter(|(a, b)| a != b).count(), 8);
        assert!(query.iter().all(|v| v.abs() == 1.0));
        assert_eq!(damaged("mask:0.25", &pattern, 3).iter().filter(|v| **v == 0.0).count(), 10);
        assert_eq!(damaged("half", &pattern, 4)[20..], [0.0; 20]);
        assert_eq!(damaged("noise:0", &pattern, 5), pattern);
        let image = vec![0.2_f32; 400];
        assert!(damaged("image-noise:0.5", &image, 6).iter().all(|v| (0.0..=1.0).contains(v)));
        // The same image as bytes gets the same noise.
        let bytes: Vec<f32> = image.iter().map(|v| 255.0 * v).collect();
        let noise = |range| Damage { corruption: Corruption::ImageNoise(0.5), range: Some(range) };
        let (small, large) = (noise([0.0, 1.0]).apply(&image, 5, 6), noise([0.0, 255.0]).apply(&bytes, 5, 6));
        assert_eq!(small, damaged("image-noise:0.5", &image, 6));
        assert!(
            small.iter().zip(&large).all(|(a, b)| (255.0 * a - b).abs() < 1e-3) && large.contains(&255.0)
        );
        let around = noise([-1.0, 1.0]).apply(&[-0.6; 400], 5, 6);
        assert!(around.iter().zip(&small).all(|(a, b)| (a - (2.0 * b - 1.0)).abs() < 1e-5));
        let dropped = damaged("dropout", &image, 7);
        assert!(dropped.iter().all(|v| *v == 0.0 || *v == 0.4));
        let noise: f64 = (0..200)
            .map(|i| {
                let query = damaged("noise:1", &pattern, i);
                query.iter().zip(&pattern).map(|(q, x)| f64::from(q - x).powi(2)).sum::<f64>() / 200.0
            })
            .sum();
        assert!((noise / 40.0 - 1.0).abs() < 0.1, "{noise}");
    }

    #[test]
    fn draws_are_the_same_again_and_differ_between_queries() {
        let pattern = [1.0; 16];
        assert_eq!(damaged("noise:1", &pattern, 3), damaged("noise:1", &pattern, 3));
        assert_ne!(damaged("noise:1", &pattern, 3), damaged("noise:1", &pattern, 4));
    }

    #[test]
    fn names_parse_and_print() {
        for name in ["overlap:0.8", "flip:0.2", "noise:1", "mask:0.5", "half", "image-noise:0.5", "dropout"] {
            assert_eq!(name.parse::<Corruption>().unwrap().to_string(), name);
        }
        for wrong in ["", "overlap", "overlap:2", "flip:-1", "noise:x", "noise:inf", "half:1", "blur"] {
            assert!(wrong.parse::<Corruption>().is_err(), "{wrong}");
        }
    }
}
