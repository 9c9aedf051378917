//! Element by element on the GPU.

use super::{Dispatch, Matrix, parameters};
use crate::{
    Result,
    contract::{Binary, Unary},
};

/// See [`crate::ops::unary`].
pub(crate) fn unary(f: Unary, x: &Matrix) -> Result<Matrix> {
    let (code, constant) = match f {
        Unary::Neg => (0, 0.0),
        Unary::Abs => (1, 0.0),
        Unary::Square => (2, 0.0),
        Unary::Sqrt => (3, 0.0),
        Unary::Exp => (4, 0.0),
        Unary::Log => (5, 0.0),
        Unary::Tanh => (6, 0.0),
        Unary::Relu => (7, 0.0),
        Unary::Sign => (8, 0.0),
        Unary::Scale(a) => (9, a),
        Unary::Shift(a) => (10, a),
        Unary::Sigmoid => (11, 0.0),
        Unary::Softplus => (12, 0.0),
        Unary::LogCosh => (13, 0.0),
    };
    run("unary", x, None, code, constant)
}

fn code(f: Binary) -> u32 {
    match f {
        Binary::Add => 0,
        Binary::Sub => 1,
        Binary::Mul => 2,
        Binary::Div => 3,
        Binary::Max => 4,
        Binary::Min => 5,
    }
}

/// See [`crate::ops::binary`]. The shapes agree.
pub(crate) fn binary(f: Binary, x: &Matrix, y: &Matrix) -> Result<Matrix> {
    run("binary", x, Some(y), code(f), 0.0)
}

/// See [`crate::ops::by_row`]. There are as many values as rows.
pub(crate) fn by_row(f: Binary, x: &Matrix, y: &Matrix) -> Result<Matrix> {
    run("by_row", x, Some(y), code(f), 0.0)
}

fn run(kernel: &'static str, x: &Matrix, y: Option<&Matrix>, code: u32, constant: f32) -> Result<Matrix> {
    let (rows, columns, width) = (x.rows(), x.columns(), x.width4());
    let out = Matrix::new(x.context(), "an elementwise result", rows, columns)?;
    let y_width = y.map_or(0, |y| if y.rows() == 1 { 0 } else { width });
    let mut buffers = vec![x.buffer()];
    buffers.extend(y.map(Matrix::buffer));
    buffers.push(out.buffer());
    x.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Elementwise {
            rows: rows as u32,
            columns: columns as u32,
            width: width as u32,
            function: code,
            constant,
            y_width: y_width as u32,
        },
        buffers: &buffers,
        groups: (rows * width).div_ceil(64),
        trips: 1,
        work: (rows * columns) as f64,
    })?;
    Ok(out)
}
