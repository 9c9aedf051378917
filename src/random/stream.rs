//! A stream, number after number.

use super::{philox::normals, words};

/// The numbers of one seed, purpose and row in their order; see [`super`].
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    seed: u64,
    purpose: u32,
    row: u64,
    /// The next block.
    index: u32,
    words: [u32; 4],
    left: usize,
    spare: Option<f64>,
}

impl Stream {
    pub(crate) fn new(seed: u64, purpose: u32, row: u64) -> Self {
        Self { seed, purpose, row, index: 0, words: [0; 4], left: 0, spare: None }
    }

    /// A uniform word.
    pub(crate) fn word(&mut self) -> u32 {
        if self.left == 0 {
            self.words = words(self.seed, self.purpose, self.row, self.index);
            self.index = self.index.wrapping_add(1);
            self.left = 4;
        }
        self.left -= 1;
        self.words[3 - self.left]
    }

    /// Two words, the first above the second.
    fn wide(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }

    /// Uniform in [0, 1), in 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.wide() >> 11) as f64 * (-53.0_f64).exp2()
    }

    /// A uniform whole number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.wide()) * u128::from(n)) >> 64) as u64
    }

    /// A standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (radius, angle) = (self.word(), self.word());
        let [normal, spare] = normals(radius, angle);
        self.spare = Some(spare);
        normal
    }

    /// `count` standard normals.
    pub(crate) fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }

    /// `k` different numbers below `n`, in random order; all of them where `k` is more.
    pub(crate) fn choose(&mut self, k: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k.min(n) {
            let j = i + self.below((n - i) as u64) as usize;
            all.swap(i, j);
        }
        all.truncate(k);
        all
    }

    /// A uniform direction of `d` dimensions, of length 1.
    pub(crate) fn direction(&mut self, d: usize) -> Vec<f64> {
        loop {
            let v = self.normals(d);
            let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > 1e-6 {
                return v.into_iter().map(|x| x / length).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distributed_as_they_should_be() {
        let mut stream = Stream::new(7, 4, 3);
        let n = 40_000;
        let normals = stream.normals(n);
        let n = n as f64;
        let mean = normals.iter().sum::<f64>() / n;
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / n;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let uniform = (0..40_000).map(|_| stream.uniform()).sum::<f64>() / n;
        assert!((uniform - 0.5).abs() < 0.01, "{uniform}");
        let mut chosen = stream.choose(5, 8);
        chosen.sort_unstable();
        chosen.dedup();
        assert!(chosen.len() == 5 && chosen.iter().all(|p| *p < 8));
        let length = stream.direction(5).iter().map(|v| v * v).sum::<f64>();
        assert!((length - 1.0).abs() < 1e-12);
    }

    #[test]
    fn streams_are_their_own() {
        let first = |row, purpose| Stream::new(9, purpose, row).below(u64::MAX);
        assert_eq!(first(1, 0), first(1, 0));
        assert!(first(1, 0) != first(2, 0) && first(1, 0) != first(1, 1) && first(1, 0) != first(1 << 32, 0));
    }

    /// Against the oracle's own generator.
    #[test]
    fn streams_are_those_of_the_reference() {
        use crate::reference::{normals, philox};
        let (seed, row) = (0x1234_5678_9abc_def0, 5 << 32 | 7);
        let blocks: Vec<[u32; 4]> = (0..3).map(|i| philox([7, i, 2, 5], seed)).collect();
        let mut stream = Stream::new(seed, 2, row);
        assert!(blocks.as_flattened().iter().all(|want| stream.word() == *want));
        let want: Vec<f64> = blocks.iter().flat_map(|words| normals(*words)).collect();
        assert_eq!(Stream::new(seed, 2, row).normals(12), want);
    }
}
