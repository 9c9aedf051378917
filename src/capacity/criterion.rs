//! When a recall counts as a success.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// A criterion of success. Capacities under different criteria are different quantities.
///
/// ```
/// use attractor::capacity::Criterion;
/// assert_eq!("l2".parse::<Criterion>()?, Criterion::L2(0.1));
/// assert_eq!(Criterion::Hamming(2).to_string(), "hamming:2");
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// `identity` (S1): the pattern of most weight at the end is the right one, or a copy of it.
    Identity,
    /// `l2:E` (S2): the end lies within `E |pattern|` of the pattern.
    L2(f64),
    /// `sign` (S3): all coordinates have the signs of the pattern's.
    Sign,
    /// `hamming:H` (S3): at most H signs differ.
    Hamming(usize),
    /// `ssd:T` (S4): the squared distance to the pattern is at most T. Lax on images: report `identity` beside it.
    Ssd(f64),
    /// `weight` (S5): the right pattern has more than half of the weight.
    Weight,
    /// `ball:R` (S6): a ball of radius R round the pattern, or of half the distance to its nearest neighbour where that is less, holds
    /// a fixed point to which all of 16 random starts on its surface converge.
    Ball(f64),
}

/// The end of a recall, as criteria see it.
pub(super) struct End<'a> {
    pub(super) state: &'a [f32],
    pub(super) pattern: &'a [f32],
    /// Whether the best pattern is the right one, or a copy of it.
    pub(super) right: bool,
    /// The weight of the best pattern.
    pub(super) weight: f32,
}

impl Criterion {
    /// Whether a recall of one query ended well. [`Criterion::Ball`] has a test of its own.
    pub(super) fn holds(self, end: &End<'_>) -> bool {
        let squared = || -> f64 {
            end.state.iter().zip(end.pattern).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        let wrong = || end.state.iter().zip(end.pattern).filter(|(a, b)| (**a > 0.0) != (**b > 0.0)).count();
        match self {
            Self::Identity => end.right,
            Self::L2(e) => squared() <= e * e * super::vectors::dot(end.pattern, end.pattern),
            Self::Sign => wrong() == 0,
            Self::Hamming(h) => wrong() <= h,
            Self::Ssd(t) => squared() <= t,
            Self::Weight => end.right && end.weight > 0.5,
            Self::Ball(_) => false,
        }
    }

    /// Whether a scan of generated patterns can tell, which has no state at its end.
    pub fn needs_no_state(self) -> bool {
        matches!(self, Self::Identity | Self::Weight)
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::L2(e) => write!(f, "l2:{e}"),
            Self::Sign => f.write_str("sign"),
            Self::Hamming(h) => write!(f, "hamming:{h}"),
            Self::Ssd(t) => write!(f, "ssd:{t}"),
            Self::Weight => f.write_str("weight"),
            Self::Ball(r) => write!(f, "ball:{r}"),
        }
    }
}

impl FromStr for Criterion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v)));
        let number = |least: f64, want: &str| match value.and_then(|v| v.parse::<f64>().ok()) {
            Some(v) if v >= least && v.is_finite() => Ok(v),
            _ => Err(Error::parameter("criterion", text, want)),
        };
        match (name, value) {
            ("identity", None) => Ok(Self::Identity),
            ("sign", None) => Ok(Self::Sign),
            ("weight", None) => Ok(Self::Weight),
            ("l2", None) => Ok(Self::L2(0.1)),
            ("l2", _) => {
                Ok(Self::L2(number(0.0, "l2:E with a share E of the pattern's length, at least 0")?))
            }
            ("ssd", _) => Ok(Self::Ssd(number(0.0, "ssd:T with a squared distance T, at least 0")?)),
            ("ball", _) => Ok(Self::Ball(number(f64::MIN_POSITIVE, "ball:R with a radius R above 0")?)),
            ("hamming", _) => match value.and_then(|v| v.parse().ok()) {
                Some(h) => Ok(Self::Hamming(h)),
                None => Err(Error::parameter("criterion", text, "hamming:H with a whole number H of signs")),
            },
            _ => Err(Error::parameter(
                "criterion",
                text,
                "identity, l2:E, sign, hamming:H, ssd:T, weight or ball:R",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn ends_are_judged() {
        let pattern = [3.0, -4.0];
        let near = End { state: &[3.0, -3.6], pattern: &pattern, right: true, weight: 0.5 };
        let judged = |text: &str, end: &End<'_>| text.parse::<Criterion>().unwrap().holds(end);
        for (text, want) in [
            ("identity", true),
            ("l2:0.1", true),
            ("l2:0.07", false),
            ("sign", true),
            ("ssd:0.17", true),
            ("ssd:0.15", false),
            ("weight", false),
        ] {
            assert_eq!(judged(text, &near), want, "{text}");
        }
        let turned = End { state: &[3.0, 0.5], right: false, weight: 0.9, ..near };
        for (text, want) in [("identity", false), ("sign", false), ("hamming:1", true), ("weight", false)] {
            assert_eq!(judged(text, &turned), want, "{text}");
        }
        // What is no number is no success.
        let lost = End { state: &[f32::NAN, f32::NAN], pattern: &pattern, right: false, weight: f32::NAN };
        for text in ["identity", "l2:1", "ssd:9", "weight", "sign"] {
            assert!(!judged(text, &lost), "{text}");
        }
    }

    #[test]
    fn names_parse_and_print() {
        for name in ["identity", "l2:0.1", "sign", "hamming:3", "ssd:50", "weight", "ball:0.2"] {
            assert_eq!(name.parse::<Criterion>().unwrap().to_string(), name);
        }
        for wrong in ["", "l2:-1", "ssd", "ssd:-2", "ball:0", "hamming:x", "identity:1", "close"] {
            assert!(wrong.parse::<Criterion>().is_err(), "{wrong}");
        }
    }
}
