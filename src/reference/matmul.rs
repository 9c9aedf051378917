//! Matrix products.

use super::Matrix;
use crate::contract::Layout;

/// The product of `a` and `b` in a [`Layout`]: `C_ij = sum_k A_ik B_kj`, with `A` or `B` transposed
/// as the layout says.
///
/// # Panics
/// Where the inner sizes differ.
pub fn matmul(a: &Matrix, b: &Matrix, layout: Layout) -> Matrix {
    let (a, b) = match layout {
        Layout::NN => (a.clone(), b.clone()),
        Layout::NT => (a.clone(), b.transposed()),
        Layout::TN => (a.transposed(), b.clone()),
    };
    assert_eq!(a.columns, b.rows, "inner sizes");
    Matrix::from_fn(a.rows, b.columns, |i, j| (0..a.columns).map(|k| a.at(i, k) * b.at(k, j)).sum())
}
