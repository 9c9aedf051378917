//! Functions of single numbers, and of two.

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `x^2`
    Square,
    /// Square root.
    Sqrt,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function, `1 / (1 + e^-x)`.
    Sigmoid,
    /// `log(1 + e^x)` as `max(x, 0) + log(1 + e^-|x|)`, which does not overflow.
    Softplus,
    /// `log cosh x` as `|x| + log(1 + e^-2|x|) - log 2`, which does not overflow.
    LogCosh,
    /// `max(x, 0)`
    Relu,
    /// -1, 0 or 1.
    Sign,
    /// `a x`
    Scale(f32),
    /// `x + a`
    Shift(f32),
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `x + y`
    Add,
    /// `x - y`
    Sub,
    /// `x y`
    Mul,
    /// `x / y`
    Div,
    /// The larger.
    Max,
    /// The smaller.
    Min,
}
