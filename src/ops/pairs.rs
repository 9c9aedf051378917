//! Losses of pairs: how near to each other the rows of a matrix lie on the unit sphere.
//!
//! D. Wu et al., "Uniform Memory Retrieval with Larger Capacity for Modern Hopfield Models" (U-Hop), ICML 2024; J. Hu et al.,
//! "Provably Optimal Memory Capacity for Modern Hopfield Models" (U-Hop+), `NeurIPS` 2024 (arXiv 2410.23126).

use super::matmul::zeros;
use super::{RowStats, SeparationLoss};
use crate::{Error, Result, Tensor, cpu, gpu, tensor::Place};

fn check(rows: usize, columns: usize, tau: f64) -> Result<()> {
    if !(tau > 0.0 && tau.is_finite() && tau.recip().is_finite()) {
        return Err(Error::parameter("tau", tau, "a positive, finite number"));
    }
    if rows < 2 {
        return Err(Error::parameter("number of rows of a separation loss", rows, "at least 2"));
    }
    if columns == 0 {
        return Err(Error::parameter("columns of a separation loss", 0, "at least 1"));
    }
    Ok(())
}

/// Refuses rows with products that are not finite; `phi` gives the values of all rows.
fn known(
    rows: Vec<RowStats>,
    columns: usize,
    phi: impl FnOnce() -> Result<Vec<f64>>,
) -> Result<Vec<RowStats>> {
    let Some(row) = rows.iter().position(|r| r.largest.is_nan()) else { return Ok(rows) };
    let phi = phi()?;
    let own = &phi[row * columns..(row + 1) * columns];
    let product = |other: &[f64]| own.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() as f32;
    let products: Vec<f32> = phi.chunks_exact(columns).map(product).collect();
    // Partial sums may have left f32 where the whole does not.
    let column = products.iter().position(|s| !s.is_finite()).unwrap_or(row);
    let what = "products of rows of a separation loss".into();
    Err(Error::NonFinite { what, row, column, value: products[column] })
}

/// The loss of unit rows `phi` `[M, D]` at a temperature, and its gradient by the rows `[M, D]` as if these were free. On the sphere
/// the gradient is what is left of it at right angles to the row.
///
/// Products of pairs are made in tiles, twice; nothing of size `M x M` is stored. The diagonal is left out before any exponential. Cost:
/// `6 M^2 D` operations and `3 M^2` exponentials. Products carry rounding errors of f32, so the loss is known to about `1e-7 / tau`.
///
/// # Errors
/// [`Error::InvalidParameter`] where `tau` is not positive and finite, or there are fewer than two rows or no columns;
/// [`Error::NonFinite`] naming the first row that has a product with another (or itself) that is not finite; faults of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::{SeparationLoss, separation_loss}};
/// let phi = Tensor::new(&Device::cpu(), &[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])?;
/// let (loss, gradient) = separation_loss(&phi, SeparationLoss::Pair, 0.5)?;
/// assert!((loss - ((1.0 + 1.0 + (-2.0_f64).exp()) / 3.0).ln()).abs() < 1e-6);
/// assert_eq!(gradient.shape(), [3, 2]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn separation_loss(phi: &Tensor, loss: SeparationLoss, tau: f32) -> Result<(f64, Tensor)> {
    let (rows, columns) = phi.matrix_shape();
    let tau = f64::from(tau);
    check(rows, columns, tau)?;
    let wide = || Ok(phi.to_vec()?.into_iter().map(f64::from).collect());
    match phi.place() {
        Place::Cpu(v) => {
            let (value, weighing) = loss.of(&known(cpu::pairs::stats(v, columns, tau), columns, wide)?, tau);
            let mut gradient = zeros("a gradient", rows, columns)?;
            cpu::pairs::gradient(v, columns, &weighing, tau, &mut gradient);
            Ok((value, Tensor::on_cpu(gradient, &[rows, columns])?))
        }
        Place::Gpu(v) => {
            let (value, weighing) = loss.of(&known(gpu::pairs::stats(v, tau)?, columns, wide)?, tau);
            let gradient = gpu::pairs::gradient(v, &weighing, tau)?;
            Ok((value, Tensor::on_gpu(gradient, &[rows, columns])?))
        }
    }
}

/// [`separation_loss`] on the CPU in f64: for the small temperatures at which f32 no longer tells the nearest pairs apart. `phi` is
/// row-major with `columns` columns.
///
/// # Errors
/// As there; [`Error::DimensionMismatch`] where `phi` is not made of whole rows.
///
/// ```
/// use attractor::ops::{SeparationLoss, separation_loss_f64};
/// let (loss, gradient) = separation_loss_f64(&[1.0, 0.0, 0.0, 1.0], 2, SeparationLoss::SelfFree, 0.1)?;
/// assert_eq!((loss, gradient), (0.0, vec![0.0, 10.0, 10.0, 0.0]));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn separation_loss_f64(
    phi: &[f64],
    columns: usize,
    loss: SeparationLoss,
    tau: f64,
) -> Result<(f64, Vec<f64>)> {
    let rows = phi.len().checked_div(columns).unwrap_or(0);
    check(rows, columns, tau)?;
    if rows * columns != phi.len() {
        return Err(Error::dimension("values of rows of a separation loss", phi.len(), rows * columns));
    }
    let (value, weighing) =
        loss.of(&known(cpu::pairs::stats(phi, columns, tau), columns, || Ok(phi.to_vec()))?, tau);
    let mut gradient = vec![0.0; phi.len()];
    cpu::pairs::gradient(phi, columns, &weighing, tau, &mut gradient);
    Ok((value, gradient))
}

/// Rows of features at length 1, and their lengths.
///
/// # Errors
/// [`Error::ZeroNorm`] naming the memory without a direction.
pub(crate) fn unit_rows(features: &[f64], columns: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let length = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>().sqrt();
    let lengths: Vec<f64> = features.chunks_exact(columns).map(length).collect();
    if let Some(row) = lengths.iter().position(|l| l.is_nan() || *l <= f64::from(f32::MIN_POSITIVE)) {
        return Err(Error::ZeroNorm { what: "features of patterns", row });
    }
    let rows = features.chunks_exact(columns).zip(&lengths);
    Ok((rows.flat_map(|(row, l)| row.iter().map(move |v| v / l)).collect(), lengths))
}

/// Gradients by rows of features, times a factor, from those by the rows at length 1.
pub(crate) fn by_rows(gradient: &mut [f64], unit: &[f64], lengths: &[f64], factor: f64) {
    let columns = unit.len() / lengths.len();
    let rows = gradient.chunks_exact_mut(columns).zip(unit.chunks_exact(columns));
    for ((g, phi), length) in rows.zip(lengths) {
        let along: f64 = g.iter().zip(phi).map(|(g, p)| g * p).sum();
        g.iter_mut().zip(phi).for_each(|(g, p)| *g = factor * (*g - along * p) / length);
    }
}
