//! Element by element on the CPU.

use crate::contract::{Binary, Unary};
use crate::simd::math::simd;
use rayon::prelude::*;

const BLOCK: usize = 16 * 1024;

fn map(x: &[f32], f: impl Fn(f32) -> f32 + Sync + Send) -> Vec<f32> {
    let mut out = x.to_vec();
    out.par_chunks_mut(BLOCK).for_each(|block| {
        simd!(block.iter_mut().for_each(|v| *v = f(*v)));
    });
    out
}

/// `max(v, 0)`; NaN stays.
fn relu(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// An extreme of two numbers, which a NaN is never hidden by.
fn known(a: f32, b: f32, extreme: impl Fn(f32, f32) -> f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { extreme(a, b) }
}

/// `f` of each element.
pub(crate) fn unary(f: Unary, x: &[f32]) -> Vec<f32> {
    match f {
        Unary::Neg => map(x, |v| -v),
        Unary::Abs => map(x, f32::abs),
        Unary::Square => map(x, |v| v * v),
        Unary::Sqrt => map(x, f32::sqrt),
        Unary::Exp => map(x, f32::exp),
        Unary::Log => map(x, f32::ln),
        Unary::Tanh => map(x, f32::tanh),
        // e^-x may be infinite, and the result then 0.
        Unary::Sigmoid => map(x, |v| 1.0 / (1.0 + (-v).exp())),
        Unary::Softplus => map(x, |v| relu(v) + (-v.abs()).exp().ln_1p()),
        Unary::LogCosh => map(x, |v| v.abs() + (-2.0 * v.abs()).exp().ln_1p() - std::f32::consts::LN_2),
        Unary::Relu => map(x, relu),
        Unary::Sign => map(x, |v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                // 0, or NaN.
                v
            }
        }),
        Unary::Scale(a) => map(x, |v| a * v),
        Unary::Shift(a) => map(x, |v| a + v),
    }
}

fn zip(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync + Send) -> Vec<f32> {
    let mut out = x.to_vec();
    if y.is_empty() {
        return out;
    }
    // `y` is either as long as `x` or one row of it, repeated.
    let block = y.len() * (BLOCK / y.len()).max(1);
    out.par_chunks_mut(block).enumerate().for_each(|(i, block_of_x)| {
        simd!({
            if y.len() == x.len() {
                let start = i * block;
                let y = &y[start..start + block_of_x.len()];
                block_of_x.iter_mut().zip(y).for_each(|(a, b)| *a = f(*a, *b));
            } else {
                for row in block_of_x.chunks_mut(y.len()) {
                    row.iter_mut().zip(y).for_each(|(a, b)| *a = f(*a, *b));
                }
            }
        });
    });
    out
}

/// The expression with `$g` as the function of two numbers that `$f` names; compiled for each.
macro_rules! with_function {
    ($f:expr, $g:ident => $e:expr) => {
        match $f {
            Binary::Add => with_function!(@ $g = |a: f32, b: f32| a + b; $e),
            Binary::Sub => with_function!(@ $g = |a: f32, b: f32| a - b; $e),
            Binary::Mul => with_function!(@ $g = |a: f32, b: f32| a * b; $e),
            Binary::Div => with_function!(@ $g = |a: f32, b: f32| a / b; $e),
            Binary::Max => with_function!(@ $g = |a: f32, b: f32| known(a, b, f32::max); $e),
            Binary::Min => with_function!(@ $g = |a: f32, b: f32| known(a, b, f32::min); $e),
        }
    };
    (@ $g:ident = $function:expr; $e:expr) => {{
        let $g = $function;
        $e
    }};
}

/// `f` of each pair; `y` is as long as `x` or one row of it.
pub(crate) fn binary(f: Binary, x: &[f32], y: &[f32]) -> Vec<f32> {
    with_function!(f, g => zip(x, y, g))
}

/// `f` of each element of `x` `[rows, columns]` and its row's value in `y` `[rows]`.
pub(crate) fn by_row(f: Binary, x: &[f32], columns: usize, y: &[f32]) -> Vec<f32> {
    let mut out = x.to_vec();
    with_function!(f, g => super::for_each_row(&mut out, columns, |i, row| {
        let b = y[i];
        simd!(row.iter_mut().for_each(|a| *a = g(*a, b)));
    }));
    out
}
