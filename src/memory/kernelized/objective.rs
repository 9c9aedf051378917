//! The loss of separation training as a function of a map's parameters.

use super::{FeatureTransform, map::normals};
use crate::{
    Device, Result, Tensor,
    cpu::matmul::{Operand, matmul},
    ops::{Layout, SeparationLoss, by_rows, separation_loss, separation_loss_f64, unit_rows},
};

/// Memories up to which the loss is worked out in f64 on the CPU whatever the device: a GPU would wait for the host.
const SMALL: usize = 512;
/// The same on the CPU itself.
const EXACT: usize = 4096;
/// Noisy copies of each memory.
const COPIES: usize = 4;
/// How short the features of a memory may get, beside what the map makes of the others (see [`vanishing`]). The losses see directions
/// alone: without a floor they would shrink a memory to nothing where that turns it a little more, and leave its direction to rounding
/// errors of the map and to noise.
pub(super) const FLOOR: f64 = 1e-3;

/// `tau` times a loss of the features of memories, all or those of a batch.
pub(super) struct Objective<'a> {
    pub(super) memories: &'a [f64],
    pub(super) loss: SeparationLoss,
    pub(super) tau: f64,
    /// Standard deviation of noise on queries, and the seed of what is drawn.
    pub(super) noise: Option<(f64, u64)>,
    pub(super) device: &'a Device,
    pub(super) exact: Option<bool>,
}

impl Objective<'_> {
    /// The loss of unit rows and its gradient by them, in f64 where that is affordable.
    pub(super) fn loss_of(&self, unit: &[f64], columns: usize) -> Result<(f64, Vec<f64>)> {
        let rows = unit.len() / columns;
        let most = if *self.device == Device::Cpu { EXACT } else { SMALL };
        if self.exact.unwrap_or(rows <= most) {
            return separation_loss_f64(unit, columns, self.loss, self.tau);
        }
        let narrow: Vec<f32> = unit.iter().map(|v| *v as f32).collect();
        let phi = Tensor::from_flat(self.device, &narrow, &[rows, columns])?;
        let (value, gradient) = separation_loss(&phi, self.loss, self.tau as f32)?;
        Ok((value, gradient.to_vec()?.into_iter().map(f64::from).collect()))
    }

    /// The value and the gradient by the parameters of a map.
    pub(super) fn at(&self, map: &dyn FeatureTransform, gradient: &mut [f64]) -> Result<f64> {
        let columns = map.features();
        let (unit, lengths) = unit_rows(&map.apply(self.memories), columns)?;
        let (mut value, mut slopes) = self.loss_of(&unit, columns)?;
        if let Some((deviation, seed)) = self.noise.filter(|n| n.0 > 0.0) {
            let copies = COPIES as f64;
            for copy in 0..COPIES as u64 {
                let noise = normals(seed ^ (copy << 40), self.memories.len() / map.dim(), map.dim());
                let moved: Vec<f64> =
                    self.memories.iter().zip(noise).map(|(v, n)| v + deviation * n).collect();
                let (noisy, noisy_lengths) = unit_rows(&map.apply(&moved), columns)?;
                let (more, mut by_noisy, by_unit) = noisy_entropy(&noisy, &unit, columns, self.tau);
                value += more / copies;
                slopes.iter_mut().zip(by_unit).for_each(|(s, g)| *s += g / copies);
                by_rows(&mut by_noisy, &noisy, &noisy_lengths, self.tau / copies);
                let part = map.pull_back(&moved, &by_noisy);
                if copy == 0 {
                    gradient.fill(0.0);
                }
                gradient.iter_mut().zip(part).for_each(|(g, p)| *g += p);
            }
        } else {
            gradient.fill(0.0);
        }
        by_rows(&mut slopes, &unit, &lengths, self.tau);
        let relative = relative_lengths(map, self.memories, &lengths);
        let (more, by_lengths) = vanishing(&relative);
        if more > 0.0 {
            let rows = slopes.chunks_exact_mut(columns).zip(unit.chunks_exact(columns));
            for ((slope, phi), (by, (length, relative))) in
                rows.zip(by_lengths.iter().zip(lengths.iter().zip(&relative)))
            {
                let factor = by * relative / length;
                slope.iter_mut().zip(phi).for_each(|(s, p)| *s += factor * p);
            }
        }
        let part = map.pull_back(self.memories, &slopes);
        gradient.iter_mut().zip(part).for_each(|(g, p)| *g += p);
        Ok(self.tau * value + more)
    }
}

/// Lengths of features over those that a map without any preference would give: the lengths of the memories themselves for a linear map;
/// with a bias, or where the map is not linear, small memories count like those of mean length.
pub(super) fn relative_lengths(map: &dyn FeatureTransform, memories: &[f64], lengths: &[f64]) -> Vec<f64> {
    let homogeneous = map.as_linear().is_some_and(|linear| linear.bias().is_empty());
    let own: Vec<f64> =
        memories.chunks_exact(map.dim()).map(|x| x.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
    let mean = root_mean_square(&own);
    let of = |own: f64| if homogeneous { own / mean } else { (own / mean).max(1.0) };
    lengths.iter().zip(own).map(|(length, own)| length / of(own)).collect()
}

/// The root of the mean square.
pub(super) fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// `sum_i max(0, ln(FLOOR H / h_i))^2` with the root mean square `H` of the lengths `h`, and its gradient by them: 0 while none is below
/// its floor.
fn vanishing(h: &[f64]) -> (f64, Vec<f64>) {
    let root = root_mean_square(h);
    let below: Vec<f64> = h.iter().map(|h| (FLOOR * root / h).ln().max(0.0)).collect();
    let total: f64 = below.iter().sum();
    let common = total / (h.len() as f64 * root * root);
    let gradient = h.iter().zip(&below).map(|(h, below)| 2.0 * (common * h - below / h)).collect();
    (below.iter().map(|v| v * v).sum(), gradient)
}

/// `mean_i [ln sum_j exp(q_i . phi_j / tau) - q_i . phi_i / tau]` for queries that belong to the memories of the same number, and its
/// gradients by queries and memories.
fn noisy_entropy(queries: &[f64], phi: &[f64], columns: usize, tau: f64) -> (f64, Vec<f64>, Vec<f64>) {
    const ROWS: usize = 128;
    let n = phi.len() / columns;
    let (mut by_queries, mut by_phi) = (vec![0.0; phi.len()], vec![0.0; phi.len()]);
    let mut value = 0.0;
    let factor = 1.0 / (n as f64 * tau);
    let threads = rayon::current_num_threads();
    for first in (0..n).step_by(ROWS) {
        let rows = ROWS.min(n - first);
        let part = Operand::new(&queries[first * columns..], rows, columns);
        let all = Operand::new(phi, n, columns);
        let mut s = vec![0.0; rows * n];
        matmul(&mut s, part, all, Layout::NT, false, threads);
        for (i, row) in (first..).zip(s.chunks_exact_mut(n)) {
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            let own = row[i];
            row.iter_mut().for_each(|v| *v = ((*v - largest) / tau).exp());
            let total: f64 = row.iter().sum();
            value += (largest - own) / tau + total.ln();
            row.iter_mut().for_each(|v| *v *= factor / total);
            row[i] -= factor;
        }
        let weights = Operand::new(&s, rows, n);
        matmul(&mut by_queries[first * columns..], weights, all, Layout::NN, false, threads);
        matmul(&mut by_phi, weights, part, Layout::TN, true, threads);
    }
    (value / n as f64, by_queries, by_phi)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::LinearMap, *};
    use crate::Rows;

    #[test]
    fn the_gradient_by_weights_is_the_worked_one() {
        let memories = [1.0, 0.0, 0.0, 0.8, 0.6, 0.0, 0.0, 0.0, 1.0];
        let map =
            LinearMap::given(&Rows::new(vec![1.0, 2.0, 0.0, 0.0, 1.0, -1.0], 3).unwrap(), None).unwrap();
        let mut objective = objective(&memories, SeparationLoss::Pair, None);
        objective.tau = 0.5;
        let mut gradient = vec![0.0; 6];
        let value = objective.at(&map, &mut gradient).unwrap() / 0.5;
        assert!((value - 1.0241575382).abs() < 1e-9, "{value}");
        let want = [0.06564256, 0.04923192, 0.36846836, 0.00897638, -0.16410641, 0.0];
        for (g, w) in gradient.iter().zip(want) {
            assert!((g / 0.5 - w).abs() < 1e-8, "{gradient:?}");
        }
        let along: f64 = gradient.iter().zip(map.weights()).map(|(g, w)| g * w).sum();
        assert!(along.abs() < 1e-12, "{along}");
    }

    fn objective<'a>(memories: &'a [f64], loss: SeparationLoss, noise: Option<f64>) -> Objective<'a> {
        let noise = noise.map(|n| (n, 3));
        Objective { memories, loss, tau: 0.2, noise, device: &Device::Cpu, exact: None }
    }

    #[test]
    fn features_that_vanish_are_held_by_a_slope_that_is_right() {
        // The third memory is the sum of the others; at a right angle to both, and with nothing left of it, the gap would be 1.
        let memories = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let weights = Rows::new(vec![1.0, -1.0, 1e-4, 1e-4], 2).unwrap();
        for bias in [None, Some(&[0.0_f32, 0.0][..])] {
            let mut map = LinearMap::given(&weights, bias).unwrap();
            let (_, lengths) = unit_rows(&map.apply(&memories), 2).unwrap();
            let held = vanishing(&relative_lengths(&map, &memories, &lengths)).0;
            // 2e-4 beside sqrt(2), its own length, over the root mean square of 1, 1 and that.
            let relative = if bias.is_some() { 2e-4 / (1.5_f64).sqrt() } else { 2e-4 / 2.0_f64.sqrt() };
            let root = ((2.0 + relative * relative) / 3.0_f64).sqrt();
            assert!((held - (1e-3 * root / relative).ln().powi(2)).abs() < 1e-6 * held, "{held}");
            let objective = objective(&memories, SeparationLoss::Pair, None);
            let size = map.parameters().len();
            let mut gradient = vec![0.0; size];
            objective.at(&map, &mut gradient).unwrap();
            for (i, got) in gradient.iter().enumerate() {
                let mut at = |h: f64| {
                    map.parameters_mut()[i] += h;
                    let value = objective.at(&map, &mut vec![0.0; size]).unwrap();
                    map.parameters_mut()[i] -= h;
                    value
                };
                let want = (at(1e-8) - at(-1e-8)) / 2e-8;
                assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "{i}: {got} {want}");
            }
        }
    }

    #[test]
    fn gradients_by_parameters_are_differences() {
        let memories = normals(5, 7, 4);
        for loss in SeparationLoss::ALL {
            for noise in [None, Some(0.3)] {
                let objective = objective(&memories, loss, noise);
                let mut map = LinearMap::random(4, 3, true, 6).unwrap();
                map.parameters_mut()[12..].copy_from_slice(&[0.1, -0.2, 0.3]);
                let mut gradient = vec![0.0; 15];
                objective.at(&map, &mut gradient).unwrap();
                for (i, got) in gradient.iter().enumerate() {
                    let mut at = |h: f64| {
                        map.parameters_mut()[i] += h;
                        let value = objective.at(&map, &mut [0.0; 15]).unwrap();
                        map.parameters_mut()[i] -= h;
                        value
                    };
                    let want = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!((got - want).abs() < 1e-7, "{loss} {noise:?} {i}: {got} {want}");
                }
            }
        }
    }
}
