//! How matrices enter a product.

/// Which operand of a product `C = A B` is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `A [m, k]`, `B [k, n]`.
    NN,
    /// `A [m, k]`, `B [n, k]`: all pairs of rows, as in `queries patterns^T`.
    NT,
    /// `A [k, m]`, `B [k, n]`: sums over rows, as in `patterns^T patterns`.
    TN,
}
