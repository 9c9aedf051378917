//! One more row for each of several matrices, on the CPU.

/// Each `length` values of `x`, and `row` after them.
pub(crate) fn append_row(x: &[f32], length: usize, row: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len() + x.len() / length.max(1) * row.len());
    for matrix in x.chunks_exact(length.max(1)) {
        out.extend_from_slice(matrix);
        out.extend_from_slice(row);
    }
    out
}
