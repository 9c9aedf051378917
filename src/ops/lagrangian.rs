//! Lagrangians of layers of neurons, their activations and energies.
//!
//! D. Krotov, J. Hopfield, "Large Associative Memory Problem in Neurobiology and Machine Learning", ICLR 2021; the
//! list follows HAMUX (B. Hoover et al.). Shapes: states `x` `[rows, columns]`, one state of the layer a row.

use super::{
    Axis, Binary, Lagrangian, Reduction, Unary, binary, by_row, log_sum_exp, power, reduce, softmax, unary,
};
use crate::{Result, Tensor};

fn scaled(x: &Tensor, by: f32) -> Result<Tensor> {
    if by == 1.0 { Ok(x.clone()) } else { unary(Unary::Scale(by), x) }
}

fn sum(x: &Tensor) -> Result<Tensor> {
    reduce(x, Reduction::Sum, Axis::Columns)
}

/// `f(beta x)`, summed over each row, over `beta`.
fn sum_of(f: Unary, x: &Tensor, beta: f32) -> Result<Tensor> {
    scaled(&sum(&unary(f, &scaled(x, beta)?)?)?, beta.recip())
}

/// `x - mean x` and `s` of [`Lagrangian::LayerNorm`].
fn centred(x: &Tensor, epsilon: f32) -> Result<(Tensor, Tensor)> {
    let off = by_row(Binary::Sub, x, &reduce(x, Reduction::Mean, Axis::Columns)?)?;
    let variance = reduce(&unary(Unary::Square, &off)?, Reduction::Mean, Axis::Columns)?;
    Ok((off, unary(Unary::Sqrt, &unary(Unary::Shift(epsilon), &variance)?)?))
}

/// `s` of [`Lagrangian::Spherical`].
fn length(x: &Tensor, epsilon: f32) -> Result<Tensor> {
    unary(Unary::Sqrt, &unary(Unary::Shift(epsilon), &sum(&unary(Unary::Square, x)?)?)?)
}

/// `a / s` for each row's `s`.
fn over(a: f32, s: &Tensor) -> Result<Tensor> {
    let a = Tensor::from_flat(&s.device(), &vec![a; s.shape()[0]], s.shape())?;
    binary(Binary::Div, &a, s)
}

/// Values `[rows]` of a Lagrangian at states `[rows, columns]`.
///
/// # Errors
/// [`Error::InvalidParameter`](crate::Error::InvalidParameter), [`Error::DimensionMismatch`](crate::Error::DimensionMismatch) for parameters that do not fit; those of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::{lagrangian, Lagrangian}};
/// let x = Tensor::new(&Device::cpu(), &[[3.0, -4.0]])?;
/// assert_eq!(lagrangian(&Lagrangian::Identity, &x)?.to_vec()?, [12.5]);
/// assert_eq!(lagrangian(&Lagrangian::RELU, &x)?.to_vec()?, [4.5]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn lagrangian(kind: &Lagrangian, x: &Tensor) -> Result<Tensor> {
    let columns = x.matrix_shape().1;
    kind.check(columns)?;
    match kind {
        Lagrangian::Identity => scaled(&sum(&unary(Unary::Square, x)?)?, 0.5),
        Lagrangian::Repu { power: n } => {
            scaled(&sum(&power(&unary(Unary::Relu, x)?, *n)?)?, (*n as f32).recip())
        }
        Lagrangian::Exp { beta } => sum_of(Unary::Exp, x, *beta),
        Lagrangian::RectifiedExp { beta } => {
            let rectified = unary(Unary::Relu, x)?;
            binary(Binary::Sub, &sum_of(Unary::Exp, &rectified, *beta)?, &sum(&rectified)?)
        }
        Lagrangian::Tanh { beta } => sum_of(Unary::LogCosh, x, *beta),
        Lagrangian::Sigmoid { beta } => sum_of(Unary::Softplus, x, *beta),
        Lagrangian::Softmax { beta } => log_sum_exp(x, *beta),
        Lagrangian::LayerNorm { gain, shift, epsilon } => {
            let own = scaled(&centred(x, *epsilon)?.1, gain * columns as f32)?;
            if shift.is_empty() {
                return Ok(own);
            }
            let shift = Tensor::from_flat(&x.device(), shift, &[columns])?;
            binary(Binary::Add, &own, &sum(&binary(Binary::Mul, x, &shift)?)?)
        }
        Lagrangian::Spherical { gain, epsilon } => scaled(&length(x, *epsilon)?, *gain),
        Lagrangian::Ghostmax => unary(Unary::Softplus, &log_sum_exp(x, 1.0)?),
    }
}

/// Activations `g = dL/dx`, `[rows, columns]`, at states `[rows, columns]`.
///
/// # Errors
/// As [`lagrangian()`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{activation, Lagrangian}};
/// let x = Tensor::new(&Device::cpu(), &[[3.0, -4.0]])?;
/// assert_eq!(activation(&Lagrangian::RELU, &x)?.to_vec()?, [3.0, 0.0]);
/// let unit = Lagrangian::Spherical { gain: 1.0, epsilon: 1e-12 };
/// assert_eq!(activation(&unit, &x)?.to_vec()?, [0.6, -0.8]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn activation(kind: &Lagrangian, x: &Tensor) -> Result<Tensor> {
    let columns = x.matrix_shape().1;
    kind.check(columns)?;
    match kind {
        Lagrangian::Identity => Ok(x.clone()),
        Lagrangian::Repu { power: n } => power(&unary(Unary::Relu, x)?, n - 1),
        Lagrangian::Exp { beta } => unary(Unary::Exp, &scaled(x, *beta)?),
        Lagrangian::RectifiedExp { beta } => {
            unary(Unary::Shift(-1.0), &unary(Unary::Exp, &scaled(&unary(Unary::Relu, x)?, *beta)?)?)
        }
        Lagrangian::Tanh { beta } => unary(Unary::Tanh, &scaled(x, *beta)?),
        Lagrangian::Sigmoid { beta } => unary(Unary::Sigmoid, &scaled(x, *beta)?),
        Lagrangian::Softmax { beta } => softmax(x, *beta),
        Lagrangian::LayerNorm { gain, shift, epsilon } => {
            let (off, s) = centred(x, *epsilon)?;
            let own = scaled(&by_row(Binary::Div, &off, &s)?, *gain)?;
            if shift.is_empty() {
                return Ok(own);
            }
            binary(Binary::Add, &own, &Tensor::from_flat(&x.device(), shift, &[columns])?)
        }
        Lagrangian::Spherical { gain, epsilon } => {
            scaled(&by_row(Binary::Div, x, &length(x, *epsilon)?)?, *gain)
        }
        // 1 + sum e^x = e^lse (1 + e^-lse).
        Lagrangian::Ghostmax => {
            by_row(Binary::Mul, &softmax(x, 1.0)?, &unary(Unary::Sigmoid, &log_sum_exp(x, 1.0)?)?)
        }
    }
}

/// Energies of a layer, `x.g - L(x)`, `[rows]`, at states `x` with activations `g`, both `[rows, columns]`. Where
/// the difference would lose what it is about, in another form: `1/2 sum x^2` for the identity, `-d gain epsilon / s`
/// for the layer norm, ...
///
/// # Errors
/// As [`lagrangian()`]; [`Error::DeviceMismatch`](crate::Error::DeviceMismatch).
///
/// ```
/// use attractor::{Device, Tensor, ops::{activation, layer_energy, Lagrangian}};
/// let x = Tensor::new(&Device::cpu(), &[[3.0, -4.0]])?;
/// let g = activation(&Lagrangian::RELU, &x)?;
/// assert_eq!(layer_energy(&Lagrangian::RELU, &x, &g)?.to_vec()?, [4.5]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn layer_energy(kind: &Lagrangian, x: &Tensor, g: &Tensor) -> Result<Tensor> {
    kind.check(x.matrix_shape().1)?;
    let columns = x.matrix_shape().1 as f32;
    match kind {
        Lagrangian::Identity => lagrangian(kind, x),
        Lagrangian::Repu { power } => scaled(&lagrangian(kind, x)?, (power - 1) as f32),
        Lagrangian::Exp { beta } => sum(&binary(Binary::Mul, g, &unary(Unary::Shift(-beta.recip()), x)?)?),
        Lagrangian::RectifiedExp { beta } => {
            // e^(beta r) (r - 1/beta) with r = max(x, 0).
            let off = unary(Unary::Shift(-beta.recip()), &unary(Unary::Relu, x)?)?;
            sum(&binary(Binary::Mul, &unary(Unary::Shift(1.0), g)?, &off)?)
        }
        Lagrangian::LayerNorm { gain, epsilon, .. } => {
            over(-columns * gain * epsilon, &centred(x, *epsilon)?.1)
        }
        Lagrangian::Spherical { gain, epsilon } => over(-gain * epsilon, &length(x, *epsilon)?),
        Lagrangian::Tanh { .. }
        | Lagrangian::Sigmoid { .. }
        | Lagrangian::Softmax { .. }
        | Lagrangian::Ghostmax => {
            binary(Binary::Sub, &sum(&binary(Binary::Mul, x, g)?)?, &lagrangian(kind, x)?)
        }
    }
}
