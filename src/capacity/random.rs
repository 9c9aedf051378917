//! Random numbers of a counter: the same on every machine, in any order, and independent of what else is drawn.

use crate::reference::{normals, philox};

/// A stream of random numbers for one row of one purpose.
pub(super) struct Draw {
    key: u64,
    row: u64,
    purpose: u32,
    block: u32,
    words: [u32; 4],
    left: usize,
    spare: Option<f64>,
}

/// A key made of a seed and of what is to be drawn with it.
pub(super) fn key(seed: u64, tags: &[u64]) -> u64 {
    tags.iter().fold(mixed(seed), |key, tag| mixed(key ^ mixed(*tag)))
}

/// Steele's `SplitMix64`.
fn mixed(v: u64) -> u64 {
    let mut z = v.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A text as a number, for keys (FNV-1a).
pub(super) fn tag(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

impl Draw {
    pub(super) fn new(key: u64, row: u64, purpose: u32) -> Self {
        Self { key, row, purpose, block: 0, words: [0; 4], left: 0, spare: None }
    }

    fn four(&mut self) -> [u32; 4] {
        // The upper half of the row in the last word: no two rows share a counter.
        let counter = [self.row as u32, self.block, self.purpose, (self.row >> 32) as u32];
        self.block = self.block.wrapping_add(1);
        philox(counter, self.key)
    }

    fn word(&mut self) -> u32 {
        if self.left == 0 {
            self.words = self.four();
            self.left = 4;
        }
        self.left -= 1;
        self.words[3 - self.left]
    }

    /// Uniform in [0, 1), in 53 bits.
    pub(super) fn uniform(&mut self) -> f64 {
        let bits = (u64::from(self.word()) << 32 | u64::from(self.word())) >> 11;
        bits as f64 * (-53.0_f64).exp2()
    }

    /// A uniform whole number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let word = u64::from(self.word()) << 32 | u64::from(self.word());
        ((u128::from(word) * u128::from(n)) >> 64) as u64
    }

    /// A standard normal.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (radius, angle) = (self.word(), self.word());
        let [a, b, ..] = normals([radius, angle, 0, 0]);
        self.spare = Some(b);
        a
    }

    /// `k` different numbers below `n`, in random order.
    pub(super) fn places(&mut self, k: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k.min(n) {
            let j = i + self.below((n - i) as u64) as usize;
            all.swap(i, j);
        }
        all.truncate(k);
        all
    }

    /// A random direction of `d` dimensions, of length 1.
    pub(super) fn direction(&mut self, d: usize) -> Vec<f64> {
        loop {
            let v: Vec<f64> = (0..d).map(|_| self.normal()).collect();
            let length = length(&v);
            if length > 1e-6 {
                return v.into_iter().map(|x| x / length).collect();
            }
        }
    }
}

/// Length of a vector.
pub(super) fn length(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Inner product in f64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Cosine of two rows; 0 where one has no direction.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_what_they_should_be() {
        let mut draw = Draw::new(key(7, &[1, 2]), 3, 4);
        let n = 40_000;
        let normals: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let uniform = (0..n).map(|_| draw.uniform()).sum::<f64>() / f64::from(n);
        assert!((uniform - 0.5).abs() < 0.01, "{uniform}");
        let mut places = draw.places(5, 8);
        places.sort_unstable();
        places.dedup();
        assert!(places.len() == 5 && places.iter().all(|p| *p < 8));
        assert!((length(&draw.direction(5)) - 1.0).abs() < 1e-12);
        let first = |row, purpose| Draw::new(9, row, purpose).below(u64::MAX);
        assert_eq!(first(1, 0), first(1, 0));
        assert!(first(1, 0) != first(2, 0) && first(1, 0) != first(1, 1) && first(1, 0) != first(1 << 32, 0));
        assert!(key(1, &[2, 3]) != key(1, &[3, 2]) && tag("a") != tag("b"));
    }
}
