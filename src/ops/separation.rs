//! Separations: from scores to weights.

use super::{Layout, Separation, check_beta, matmul};
use crate::{
    Error, Result, Tensor, cpu, gpu,
    tensor::{Pair, Place},
};

/// What [`separate`] gives.
#[derive(Clone, Debug)]
pub struct Separated {
    /// Weights `[b, n]`.
    pub weights: Tensor,
    /// `[b, 4]`: the potential, the entropy of the weights (in nats, of the weights over their sum), the number of weights that are not 0, and the
    /// largest weight. The potential is `(1/beta) Omega*(beta z)`, whose gradient the weights are; for the Epanechnikov kernel
    /// `(1/beta) log sum_k max(0, 1 + beta z_k)`, -1e30 where no pattern is in reach.
    pub summary: Tensor,
}

/// Weights of each row of scores `[b, n]` at an inverse temperature. Scores at or below -5e29 are those of hidden patterns, which get
/// no weight; where a row has no others (for k-subsets: fewer than `k`), those that it has get at most 1, and its potential is -1e30
/// where there are none. Of a row with a NaN or plus infinity, weights and summary are NaN.
///
/// No sort: thresholds are found by Newton steps or bisection (24 to 48 halvings on a GPU).
///
/// # Errors
/// [`Error::InvalidParameter`] where `beta <= 0`, a row is empty, or a parameter of the separation is out of its range.
///
/// ```
/// use attractor::{Device, Tensor, ops::{separate, Separation}};
/// let z = Tensor::new(&Device::cpu(), &[[1.2, 0.4, -1.2]])?;
/// let p = separate(&z, 1.0, Separation::Entmax(2.0))?.weights.to_vec()?;
/// assert!((p[0] - 0.9).abs() < 1e-6 && p[2] == 0.0);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn separate(z: &Tensor, beta: f32, kind: Separation) -> Result<Separated> {
    check_beta(beta)?;
    let (rows, columns) = z.matrix_shape();
    if columns == 0 {
        return Err(Error::parameter("columns of the separation", 0, "at least 1"));
    }
    kind.check(columns)?;
    let kind = if kind == Separation::Entmax(1.0) { Separation::Softmax } else { kind };
    let (weights, summary) = match z.place() {
        Place::Cpu(v) => {
            let (weights, summary) = cpu::separation::separate(v, columns, beta, kind);
            (Tensor::on_cpu(weights, z.shape())?, Tensor::on_cpu(summary, &[rows, 4])?)
        }
        // Weights are high roots of differences then, of which the f32 of a GPU keeps too little.
        Place::Gpu(_) if matches!(kind, Separation::Entmax(alpha) if alpha > STEEP) => {
            let (weights, summary) = cpu::separation::separate(&z.to_vec()?, columns, beta, kind);
            let device = z.device();
            (
                Tensor::from_flat(&device, &weights, z.shape())?,
                Tensor::from_flat(&device, &summary, &[rows, 4])?,
            )
        }
        Place::Gpu(v) => {
            let (weights, summary) = gpu::separation::separate(v, beta, kind)?;
            (Tensor::on_gpu(weights, z.shape())?, Tensor::on_gpu(summary, &[rows, 4])?)
        }
    };
    Ok(Separated { weights, summary })
}

/// The largest `alpha` of entmax that a GPU computes by itself: its weights are good to about the cube root of f32's last place.
const STEEP: f32 = 4.0;

/// Rows `[n, v]` summed with each row of weights `[b, n]`: `[b, v]`. The product of [`matmul`](super::matmul), but on the CPU
/// rows without weight are not read where most are without: a value there that is not finite then does not show.
///
/// # Errors
/// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`].
///
/// ```
/// use attractor::{Device, Tensor, ops::weighted_sum};
/// let weights = Tensor::new(&Device::cpu(), &[[0.5, 0.0, 0.5]])?;
/// let rows = Tensor::new(&Device::cpu(), &[[2.0], [7.0], [4.0]])?;
/// assert_eq!(weighted_sum(&weights, &rows)?.to_vec()?, [3.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn weighted_sum(weights: &Tensor, rows: &Tensor) -> Result<Tensor> {
    let ((b, n), (nr, v)) = (weights.matrix_shape(), rows.matrix_shape());
    if n == nr
        && let Pair::Cpu(w, x) = Pair::new("weighted sum", weights, rows)?
        && let Some(sums) = cpu::separation::sparse_sum(w, x, n, v)
    {
        return Tensor::on_cpu(sums, &[b, v]);
    }
    matmul(weights, rows, Layout::NN)
}
