//! Rows brought to a common scale, on the GPU.

use super::{Dispatch, Matrix, parameters, softmax::by_rows};
use crate::{Result, contract::Normalization};

/// See [`crate::contract::normalize`].
pub(crate) fn normalize(x: &Matrix, how: Normalization) -> Result<Matrix> {
    let (rows, width) = (x.rows(), x.width4());
    let out = Matrix::new(x.context(), "normalised rows", rows, x.columns())?;
    let (centre, eps) = match how {
        Normalization::Layer { eps } => (1, eps),
        Normalization::L2 => (0, 0.0),
    };
    let kernels = ("normalize.serial", "normalize.group");
    let (kernel, groups, trips) = by_rows(x.context(), kernels, rows, width, (3, 2));
    x.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Normalize {
            rows: rows as u32,
            columns: x.columns() as u32,
            width: width as u32,
            centre,
            eps,
        },
        buffers: &[x.buffer(), out.buffer()],
        groups,
        trips,
        work: 6.0 * rows as f64 * x.columns() as f64,
    })?;
    Ok(out)
}
