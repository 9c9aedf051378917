//! Squared lengths of rows: what scores can be made of.

use super::{Axis, Reduction, Unary, reduce, unary};
use crate::{Error, Result, Rows, Tensor, cpu, tensor::Place};
use rayon::prelude::*;

/// Refuses rows of which one has a value that is no number, or a squared length (`squared`, one a row) beyond `most`.
pub(crate) fn check_lengths(rows: &Rows<'_>, squared: &[f32], most: f64, what: &'static str) -> Result<()> {
    // A NaN or an infinity anywhere shows in its row's length; only then is it looked for.
    if squared.iter().any(|s| !s.is_finite()) {
        rows.check_finite(what)?;
    }
    let Some(row) = squared.iter().position(|s| f64::from(*s) > most) else { return Ok(()) };
    let length = rows.row(row).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let want = format!("at most {:e}, so that its scores fit f32; scale the data down", most.sqrt());
    Err(Error::parameter("length of a row", format!("{length:e} ({what}, row {row})"), want))
}

/// The largest squared length of the rows of a tensor; refuses rows as [`check_lengths`] does. It is worked out once for a tensor:
/// on a GPU the first time costs a wait.
pub(crate) fn longest(x: &Tensor, most: f64, what: &'static str) -> Result<f32> {
    let squared = largest(x)?;
    if f64::from(squared) <= most {
        return Ok(squared);
    }
    let columns = x.matrix_shape().1;
    let rows = Rows::new(x.to_vec()?, columns)?;
    let squared: Vec<f32> = rows.iter().map(cpu::similarity::squared).collect();
    check_lengths(&rows, &squared, most, what)?;
    // At the border, where the devices round differently.
    Ok(squared.into_iter().fold(0.0, f32::max))
}

/// The largest squared length; NaN where there is one. Worked out once for a tensor.
pub(super) fn largest(x: &Tensor) -> Result<f32> {
    if let Some(squared) = x.longest().get() {
        return Ok(*squared);
    }
    let squared = measured(x)?;
    // Another thread has found the same meanwhile.
    let _ = x.longest().set(squared);
    Ok(squared)
}

fn measured(x: &Tensor) -> Result<f32> {
    let (rows, columns) = x.matrix_shape();
    if rows * columns == 0 {
        return Ok(0.0);
    }
    match x.place() {
        Place::Cpu(values) => {
            let squared = values.par_chunks_exact(columns).map(cpu::similarity::squared);
            Ok(squared.reduce(|| 0.0, |a, b| if b.is_nan() || b > a { b } else { a }))
        }
        Place::Gpu(_) => {
            let squared = reduce(&unary(Unary::Square, x)?, Reduction::Sum, Axis::Columns)?;
            Ok(reduce(&squared, Reduction::Max, Axis::Columns)?.to_vec()?[0])
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::{Device, contract::LARGEST};

    #[test]
    fn a_row_that_is_too_long_is_named() {
        let of = |values: &[f32]| {
            let x = Tensor::from_flat(&Device::cpu(), values, &[values.len() / 2, 2]).unwrap();
            longest(&x, LARGEST, "patterns").map_err(|e| e.to_string())
        };
        assert_eq!(of(&[3.0, 4.0, 1.0, 0.0]), Ok(25.0));
        assert_eq!(of(&[]), Ok(0.0));
        assert!(of(&[1.0, 1.0, 1e20, 0.0]).unwrap_err().contains("patterns, row 1"));
        assert!(of(&[1.0, 1.0, 0.0, f32::NAN]).unwrap_err().contains("row 1, column 1 is NaN"));
        assert!(of(&[f32::NAN, 1.0, 0.0, 9.0]).unwrap_err().contains("row 0, column 0 is NaN"));
    }
}
