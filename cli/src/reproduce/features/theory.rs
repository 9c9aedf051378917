//! What the variances of the feature map say about the errors of energies and gradients: the lines beside the measured points.

use attractor::Rows;

/// Queries that a mean of theory goes over.
const ASKED: usize = 30;
/// Mean of the magnitude of a normal number of standard deviation 1.
const MAGNITUDE: f64 = 0.797_884_560_802_865_4;

/// Factors of `m^-1/2` in the mean errors of the energy and of its gradient at queries, from their patterns (laws L1 to L3):
/// energies are off by the standard deviation of the estimated sum of kernels over `beta` times that sum, which is
/// `sum_kl [k(xi_k - xi_l) + k(2 x - xi_k - xi_l) - 2 k(x - xi_k) k(x - xi_l)] / 2 m`; gradients by `sqrt(d sum_kl k(xi_k - xi_l) / 2 beta m)`
/// over it. Queries that see no more than noise at `m` frequencies have no such error; `None` where most do not.
pub(super) fn laws(patterns: &Rows<'_>, queries: &Rows<'_>, beta: f64, m: usize) -> Option<[f64; 2]> {
    let (d, n) = (patterns.columns(), patterns.rows());
    let dot =
        |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let kernel = |squared: f64| (-0.5 * beta * squared).exp();
    let lengths: Vec<f64> = patterns.iter().map(|x| dot(x, x)).collect();
    let products: Vec<f64> = patterns.iter().flat_map(|x| patterns.iter().map(move |y| dot(x, y))).collect();
    let pairs: f64 =
        (0..n * n).map(|at| kernel(lengths[at / n] + lengths[at % n] - 2.0 * products[at])).sum();
    let mut sums = [0.0; 2];
    let mut seen = 0_usize;
    for x in queries.iter().take(ASKED) {
        let (square, with): (f64, Vec<f64>) = (dot(x, x), patterns.iter().map(|y| dot(x, y)).collect());
        let u: f64 = (0..n).map(|k| kernel(square + lengths[k] - 2.0 * with[k])).sum();
        let mirrored: f64 = (0..n * n)
            .map(|at| {
                let (k, l) = (at / n, at % n);
                let ends = lengths[k] + lengths[l] + 2.0 * products[at];
                kernel(4.0 * square + ends - 4.0 * (with[k] + with[l]))
            })
            .sum();
        let variance = 0.5 * (pairs + mirrored - 2.0 * u * u).max(0.0);
        if (variance / m as f64).sqrt() < 0.5 * u {
            seen += 1;
            sums[0] += MAGNITUDE * variance.sqrt() / (beta * u);
            sums[1] += (0.5 * d as f64 * pairs / beta).sqrt() / u;
        }
    }
    (2 * seen >= queries.rows().min(ASKED)).then(|| sums.map(|sum| sum / seen as f64))
}
