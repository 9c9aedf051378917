//! Separations on the GPU.

use super::{
    Dispatch, Matrix, parameters,
    softmax::{by_rows, check_trips},
};
use crate::{Result, contract::Separation};

/// Halvings that bring a threshold between -1 and 0 to the last bit of f32.
const HALVINGS: u32 = 24;
/// Halvings of its logarithm that do the same for one that may be as near to 0 as f32 knows.
const FINE: u32 = 32;
/// Bits of a score.
const DIGITS: u32 = 32;

/// See [`crate::ops::separate`]: weights and summary.
pub(crate) fn separate(z: &Matrix, beta: f32, kind: Separation) -> Result<(Matrix, Matrix)> {
    let (rows, columns, width) = (z.rows(), z.columns(), z.width4());
    let n = columns as f32;
    // Code, scale, exponents of mass and weight, upper end, target, halvings, order.
    let (code, scale, mass, weight, high, target, halvings, order) = match kind {
        Separation::Softmax => (0, beta, 1.0, 1.0, 0.0, 1.0, 0, 1.0),
        Separation::Entmax(alpha) => {
            let e = (alpha - 1.0).recip();
            let high = -n.powf(1.0 - alpha).max(f32::MIN_POSITIVE);
            (1, beta * (alpha - 1.0), e, e, high, 1.0, if e < 1.0 { FINE } else { HALVINGS }, alpha)
        }
        Separation::Normmax(gamma) => {
            let (mass, weight) = (gamma / (gamma - 1.0), (gamma - 1.0).recip());
            (2, beta, mass, weight, -n.powf((1.0 - gamma) / gamma), 1.0, HALVINGS, gamma)
        }
        Separation::KSubsets(k) => (3, beta, 1.0, 1.0, 0.0, k as f32, HALVINGS, 2.0),
        Separation::Epanechnikov => (4, beta, 1.0, 1.0, 0.0, 1.0, 0, 1.0),
    };
    let weights = Matrix::new(z.context(), "weights", rows, columns)?;
    let summary = Matrix::new(z.context(), "a summary of weights", rows, 4)?;
    let digits = if matches!(kind, Separation::KSubsets(_)) { DIGITS } else { 0 };
    let passes = (halvings + digits) as usize + 3;
    let kernels = ("separate.serial", "separate.group");
    let (kernel, groups, trips) = by_rows(z.context(), kernels, rows, width, (passes, passes + 7));
    check_trips(trips, columns)?;
    z.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Separate {
            rows: rows as u32,
            columns: columns as u32,
            width: width as u32,
            kind: code,
            beta,
            scale,
            mass_exponent: mass,
            exponent: weight,
            high,
            target_mass: target,
            halvings,
            order,
            digits,
        },
        buffers: &[z.buffer(), weights.buffer(), summary.buffer()],
        groups,
        trips,
        work: 8.0 * passes as f64 * rows as f64 * columns as f64,
    })?;
    Ok((weights, summary))
}
