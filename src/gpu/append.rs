//! One more row for each of several matrices, on the GPU.

use super::{Dispatch, Matrix, parameters};
use crate::Result;

/// See [`crate::ops::append_row`]: `x` has matrices of `n` rows one below the other.
pub(crate) fn append_row(x: &Matrix, n: usize, row: &Matrix) -> Result<Matrix> {
    let (rows, width) = (x.rows() / n * (n + 1), x.width4());
    let out = Matrix::new(x.context(), "appended rows", rows, x.columns())?;
    x.context().dispatch(&Dispatch {
        kernel: "append_row",
        parameters: &parameters::AppendRow { rows: rows as u32, n: n as u32, width: width as u32 },
        buffers: &[x.buffer(), row.buffer(), out.buffer()],
        groups: (rows * width).div_ceil(64),
        trips: 1,
        work: (rows * x.columns()) as f64,
    })?;
    Ok(out)
}
