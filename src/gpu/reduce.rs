//! Reductions on the GPU.

use super::{Dispatch, Matrix, parameters, softmax::by_rows};
use crate::{
    Result,
    contract::{Axis, Reduction},
};

/// Rows that one invocation of `reduce_columns` takes.
const SLICE: usize = 256;

fn code(how: Reduction) -> u32 {
    match how {
        Reduction::Sum => 0,
        Reduction::Mean => 1,
        Reduction::Max => 2,
        Reduction::Min => 3,
    }
}

/// See [`crate::contract::reduce`]. There is something to reduce.
pub(crate) fn reduce(x: &Matrix, how: Reduction, over: Axis) -> Result<Matrix> {
    match over {
        Axis::Columns => rows(x, how),
        Axis::Rows => columns(x, how),
    }
}

/// One value per row.
fn rows(x: &Matrix, how: Reduction) -> Result<Matrix> {
    let (rows, width) = (x.rows(), x.width4());
    let out = Matrix::new(x.context(), "a reduction", 1, rows)?;
    let (kernel, groups, trips) =
        by_rows(x.context(), ("reduce.serial", "reduce.group"), rows, width, (1, 3));
    x.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Reduce {
            rows: rows as u32,
            columns: x.columns() as u32,
            width: width as u32,
            how: code(how),
        },
        buffers: &[x.buffer(), out.buffer()],
        groups,
        trips,
        work: (rows * x.columns()) as f64,
    })?;
    Ok(out)
}

/// One value per column, in rounds of slices.
fn columns(x: &Matrix, how: Reduction) -> Result<Matrix> {
    let mut done = round(x, how, x.rows())?;
    while done.rows() > 1 {
        done = round(&done, how, x.rows())?;
    }
    Ok(done)
}

fn round(x: &Matrix, how: Reduction, all: usize) -> Result<Matrix> {
    let (rows, width) = (x.rows(), x.width4());
    let slices = rows.div_ceil(SLICE);
    let out = Matrix::new(x.context(), "a reduction", slices, x.columns())?;
    let factor = if slices == 1 && how == Reduction::Mean { 1.0 / all as f32 } else { 1.0 };
    x.context().dispatch(&Dispatch {
        kernel: "reduce_columns",
        parameters: &parameters::ReduceColumns {
            rows: rows as u32,
            width: width as u32,
            how: code(how),
            factor,
        },
        buffers: &[x.buffer(), out.buffer()],
        groups: (slices * width).div_ceil(64),
        trips: SLICE,
        work: (rows * x.columns()) as f64,
    })?;
    Ok(out)
}
