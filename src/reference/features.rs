//! Dense associative memory through random features: B. Hoover et al., "Dense Associative Memory Through the Lens of
//! Random Features", `NeurIPS` 2024 (arXiv 2410.24153). The numbers behind the frequencies: J. Salmon et al., "Parallel
//! Random Numbers: As Easy as 1, 2, 3", SC 2011 (Philox4x32-10).

use super::Matrix;
use crate::contract::{FeatureMap, Projection};
use std::f64::consts::TAU;

/// The third word of the counter: which numbers of a seed are meant.
const NORMALS: u32 = 0;
const PHASES: u32 = 1;
/// The first of three.
const SIGNS: u32 = 2;
/// Bits of generated patterns of -1 and 1.
pub(super) const SIGN_BITS: u32 = 5;

/// Philox4x32-10: four random words of a counter and a key.
pub fn philox(counter: [u32; 4], key: u64) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = counter;
    let (mut low, mut high) = (key as u32, (key >> 32) as u32);
    for _ in 0..10 {
        let x = 0xD251_1F53_u64 * u64::from(a);
        let y = 0xCD9E_8D57_u64 * u64::from(c);
        (a, b, c, d) = ((y >> 32) as u32 ^ b ^ low, y as u32, (x >> 32) as u32 ^ d ^ high, x as u32);
        low = low.wrapping_add(0x9E37_79B9);
        high = high.wrapping_add(0xBB67_AE85);
    }
    [a, b, c, d]
}

/// Four standard normals of four words, by Box and Muller: radii from words 0 and 2, angles from words 1 and 3.
pub fn normals([a, b, c, d]: [u32; 4]) -> [f64; 4] {
    let unit = |w: u32| f64::from(w >> 8) * (-24.0_f64).exp2();
    let radius = |w| (-2.0 * (unit(w) + (-24.0_f64).exp2()).ln()).sqrt();
    let (r, s, t, u) = (radius(a), radius(c), TAU * unit(b), TAU * unit(d));
    [r * t.cos(), r * t.sin(), s * u.cos(), s * u.sin()]
}

/// The frequencies `[count, d]` of a seed.
pub fn frequencies(projection: Projection, seed: u64, count: usize, d: usize) -> Matrix {
    let gaussian = Matrix::from_fn(count, d, |j, i| {
        normals(philox([j as u32, (i / 4) as u32, NORMALS, 0], seed))[i % 4]
    });
    match projection {
        Projection::Gaussian => gaussian,
        Projection::Orthogonal => {
            let mut all = gaussian;
            for block in all.data.chunks_mut(d * d) {
                orthogonalise(block, d);
            }
            all
        }
        Projection::Structured => {
            let wide = d.next_power_of_two();
            let of_block: Vec<Matrix> =
                (0..count.div_ceil(wide)).map(|block| structured(seed, block, wide)).collect();
            Matrix::from_fn(count, d, |j, i| of_block[j / wide].at(j % wide, i))
        }
    }
}

/// Makes rows orthogonal by Gram and Schmidt, each against those before it, with the lengths that they had.
fn orthogonalise(rows: &mut [f64], d: usize) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for row in rows.chunks_exact_mut(d) {
        let mut axis = row.to_vec();
        // The second time for the rounding errors of the first.
        for _ in 0..2 {
            for other in &axes {
                let share = dot(&axis, other);
                axis.iter_mut().zip(other).for_each(|(a, b)| *a -= share * b);
            }
        }
        let (wanted, left) = (dot(row, row).sqrt(), dot(&axis, &axis).sqrt());
        axis.iter_mut().for_each(|a| *a /= left);
        row.iter_mut().zip(&axis).for_each(|(v, a)| *v = wanted * a);
        axes.push(axis);
    }
}

/// `sqrt(d) H D1 H D2 H D3` with `H` the normalised Hadamard matrix of `d` rows, a power of two, and diagonals of random signs.
fn structured(seed: u64, block: usize, d: usize) -> Matrix {
    let sign = |which: u32, i: usize| {
        let word = philox([block as u32, (i / 4) as u32, SIGNS + which, 0], seed)[i % 4];
        if word >> 31 == 1 { -1.0 } else { 1.0 }
    };
    let hadamard = |i: usize, j: usize| {
        let sign = if (i & j).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
        sign / (d as f64).sqrt()
    };
    let factor = |which: u32| Matrix::from_fn(d, d, |i, j| hadamard(i, j) * sign(which, j));
    let product = |a: &Matrix, b: &Matrix| super::matmul(a, b, crate::contract::Layout::NN);
    let mut all = product(&product(&factor(0), &factor(1)), &factor(2));
    all.data.iter_mut().for_each(|v| *v *= (d as f64).sqrt());
    all
}

/// The phases of a seed in turns (1 is 2 pi), `[count]`.
pub fn phases(seed: u64, count: usize) -> Vec<f64> {
    let word = |j: usize| philox([(j / 4) as u32, 0, PHASES, 0], seed)[j % 4];
    (0..count).map(|j| f64::from(word(j) >> 8) * (-24.0_f64).exp2()).collect()
}

/// A memory through random features.
#[derive(Clone, Debug)]
pub struct FeatureModel {
    /// Which features.
    pub map: FeatureMap,
    /// Frequencies `[m, d]`.
    pub frequencies: Matrix,
    /// Phases `[m]` in turns; only [`FeatureMap::Cos`] looks at them.
    pub phases: Vec<f64>,
    /// Inverse temperature.
    pub beta: f64,
}

impl FeatureModel {
    /// `z_j = sqrt(beta) omega_j . x`
    fn z(&self, x: &[f64]) -> Vec<f64> {
        let dot = |omega: &[f64]| omega.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        self.frequencies.iter().map(|omega| self.beta.sqrt() * dot(omega)).collect()
    }

    /// `phi(x)`, with all of the first half before all of the second.
    pub fn features(&self, x: &[f64]) -> Vec<f64> {
        let (z, m) = (self.z(x), self.frequencies.rows as f64);
        let n2: f64 = self.beta * x.iter().map(|v| v * v).sum::<f64>();
        let each = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            z.iter().enumerate().map(|(j, z)| f(j, *z)).collect()
        };
        match self.map {
            FeatureMap::SinCos => {
                [each(&|_, z| z.cos() / m.sqrt()), each(&|_, z| z.sin() / m.sqrt())].concat()
            }
            FeatureMap::Cos => each(&|j, z| (2.0 / m).sqrt() * (z + TAU * self.phases[j]).cos()),
            FeatureMap::Exp => each(&|_, z| (z - n2).exp() / m.sqrt()),
            FeatureMap::ExpExp => {
                let scale = (2.0 * m).sqrt();
                [each(&|_, z| (z - n2).exp() / scale), each(&|_, z| (-z - n2).exp() / scale)].concat()
            }
            FeatureMap::DotExp => each(&|_, z| (z - n2 / 2.0).exp() / m.sqrt()),
        }
    }

    /// The memory `T = sum_k phi(xi_k)` of patterns `[k, d]`.
    pub fn encode(&self, patterns: &Matrix) -> Vec<f64> {
        let mut t = vec![0.0; self.map.length(self.frequencies.rows)];
        for row in patterns.iter() {
            t.iter_mut().zip(self.features(row)).for_each(|(t, phi)| *t += phi);
        }
        t
    }

    /// `u(x) = phi(x) . T`, which estimates the sum of kernels.
    pub fn sum(&self, x: &[f64], t: &[f64]) -> f64 {
        self.features(x).iter().zip(t).map(|(a, b)| a * b).sum()
    }

    /// The gradient of `u` at `x`, `[d]`.
    pub fn sum_gradient(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (m, root, phi) = (self.frequencies.rows, self.beta.sqrt(), self.features(x));
        let z = self.z(x);
        // The derivative of u by z_j.
        let by_z = |j: usize| match self.map {
            FeatureMap::SinCos => (-z[j].sin() * t[j] + z[j].cos() * t[m + j]) / (m as f64).sqrt(),
            FeatureMap::Cos => -(z[j] + TAU * self.phases[j]).sin() * t[j] * (2.0 / m as f64).sqrt(),
            FeatureMap::Exp | FeatureMap::DotExp => phi[j] * t[j],
            FeatureMap::ExpExp => phi[j] * t[j] - phi[m + j] * t[m + j],
        };
        // The derivative of the factor exp(-c |x|^2) is -2 c x times it.
        let pull = match self.map {
            FeatureMap::SinCos | FeatureMap::Cos => 0.0,
            FeatureMap::Exp | FeatureMap::ExpExp => 2.0 * self.beta * self.sum(x, t),
            FeatureMap::DotExp => self.beta * self.sum(x, t),
        };
        let column = |i: usize| (0..m).map(|j| by_z(j) * self.frequencies.at(j, i)).sum::<f64>();
        x.iter().enumerate().map(|(i, x)| root * column(i) - pull * x).collect()
    }

    /// `E(x) = -(1/beta) log max(u(x), epsilon)`.
    pub fn energy(&self, x: &[f64], t: &[f64], epsilon: f64) -> f64 {
        -self.sum(x, t).max(epsilon).ln() / self.beta
    }

    /// The gradient of the energy, `[d]`: 0 where `u(x) <= epsilon`.
    pub fn gradient(&self, x: &[f64], t: &[f64], epsilon: f64) -> Vec<f64> {
        let u = self.sum(x, t);
        let scale = if u > epsilon { -1.0 / (self.beta * u) } else { 0.0 };
        self.sum_gradient(x, t).iter().map(|g| scale * g).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors for philox4x32-10 that come with the authors' implementation, Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        for (counter, key, want) in [
            ([0; 4], 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], u64::MAX, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                0x299f_31d0_a409_3822,
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), want);
        }
    }

    #[test]
    fn orthogonal_rows_keep_their_lengths() {
        let mut rows = [3.0, 4.0, 1.0, 1.0];
        orthogonalise(&mut rows, 2);
        let want = [3.0, 4.0, 0.8 * 2.0_f64.sqrt(), -0.6 * 2.0_f64.sqrt()];
        assert!(rows.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-15), "{rows:?}");
    }
}
