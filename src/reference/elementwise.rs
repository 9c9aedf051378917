//! Element by element.

use super::reduce::known;
use crate::contract::{Binary, Unary};

/// `f(x)`.
pub fn unary(f: Unary, x: f64) -> f64 {
    match f {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Square => x * x,
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => known(x, 0.0, f64::max) + (-x.abs()).exp().ln_1p(),
        Unary::LogCosh => x.abs() + (-2.0 * x.abs()).exp().ln_1p() - std::f64::consts::LN_2,
        Unary::Relu => known(x, 0.0, f64::max),
        Unary::Sign => {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                // 0, or NaN.
                x
            }
        }
        Unary::Scale(a) => f64::from(a) * x,
        Unary::Shift(a) => f64::from(a) + x,
    }
}

/// `f(x, y)`.
pub fn binary(f: Binary, x: f64, y: f64) -> f64 {
    match f {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max => known(x, y, f64::max),
        Binary::Min => known(x, y, f64::min),
    }
}
