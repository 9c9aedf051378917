//! Losses of pairs on the CPU: products of blocks of rows through `gemm`, exponentials in place.

use super::matmul::{Operand, Real, matmul};
use crate::contract::{Layout, MASKED, RowStats, Weighing};
use crate::simd::math::{self, simd};
use rayon::prelude::*;
use std::{
    cmp::Ordering,
    ops::{Add, AddAssign, Mul, Sub},
};

/// Rows of a block, which is one task.
const ROWS: usize = 64;
/// Rows that it is multiplied with at a time; the products stay in the cache.
const COLUMNS: usize = 512;
/// Independent sums and maxima.
const LANES: usize = 16;

/// Numbers that losses are worked out in.
pub(crate) trait Number:
    Real + Send + Sync + PartialOrd + AddAssign + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    const MASKED: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    /// `e^x` for `x` at most about 0.
    fn exp(self) -> Self;
}

impl Number for f32 {
    const MASKED: Self = MASKED;

    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        math::exp_nonpositive(self)
    }
}

impl Number for f64 {
    const MASKED: Self = -1e30;

    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp(self) -> Self {
        math::exp_nonpositive_f64(self)
    }
}

#[inline(always)]
fn maximum<T: Number>(values: &[T]) -> T {
    let mut lanes = [T::MASKED; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            lanes[l] = if block[l] > lanes[l] { block[l] } else { lanes[l] };
        }
    }
    lanes.iter().chain(rest).fold(T::MASKED, |a, b| if *b > a { *b } else { a })
}

/// Whether there is a NaN or an infinity.
#[inline(always)]
fn unknown<T: Number>(values: &[T]) -> bool {
    values
        .iter()
        .fold(false, |unknown, v| unknown | ((*v * T::ZERO).partial_cmp(&T::ZERO) != Some(Ordering::Equal)))
}

/// `sum exp(sharp (v - largest))`
#[inline(always)]
fn exponentials<T: Number>(values: &[T], sharp: T, largest: T) -> f64 {
    let mut lanes = [T::ZERO; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            lanes[l] += (sharp * (block[l] - largest)).exp();
        }
    }
    let rest: f64 = rest.iter().map(|v| (sharp * (*v - largest)).exp().wide()).sum();
    lanes.iter().fold(rest, |sum, lane| sum + lane.wide())
}

/// Calls `f(first row, number of rows, first column, products [rows, columns])` for one block of rows with all rows.
fn tiles<T: Number>(phi: &[T], d: usize, first: usize, mut f: impl FnMut(usize, usize, &mut [T])) {
    let n = phi.len() / d;
    let rows = ROWS.min(n - first);
    let mut products = vec![T::ZERO; rows * COLUMNS.min(n)];
    for column in (0..n).step_by(COLUMNS) {
        let columns = COLUMNS.min(n - column);
        let products = &mut products[..rows * columns];
        let a = Operand::new(&phi[first * d..], rows, d);
        let b = Operand::new(&phi[column * d..], columns, d);
        matmul(products, a, b, Layout::NT, false, 1);
        f(column, columns, products);
    }
}

/// What is known of each row of `phi` `[M, d]`; see [`RowStats`].
pub(crate) fn stats<T: Number>(phi: &[T], d: usize, tau: f64) -> Vec<RowStats> {
    let (n, sharp) = (phi.len() / d, tau.recip());
    let block = |first: usize| {
        let mut stats = vec![(T::MASKED, 0.0_f64); ROWS.min(n - first)];
        tiles(phi, d, first, |column, columns, products| {
            for (i, (row, (largest, sum))) in products.chunks_exact_mut(columns).zip(&mut stats).enumerate() {
                if let Some(own) = (first + i).checked_sub(column).and_then(|own| row.get_mut(own)) {
                    *own = T::MASKED;
                }
                let (here, unknown) = simd!((maximum(row), unknown(row)));
                if unknown || largest.wide().is_nan() {
                    *largest = T::of(f64::NAN);
                    continue;
                }
                if here > *largest {
                    *sum *= (sharp * (*largest - here).wide()).exp();
                    *largest = here;
                }
                *sum += simd!(exponentials(row, T::of(sharp), *largest));
            }
        });
        stats.into_iter().map(|(largest, sum)| RowStats { largest: largest.wide(), log_sum: sum.ln() })
    };
    let firsts: Vec<usize> = (0..n).step_by(ROWS).collect();
    firsts.into_par_iter().flat_map_iter(block).collect()
}

/// The gradient `[M, d]` of a loss by the rows of `phi`, added to zeros.
pub(crate) fn gradient<T: Number>(phi: &[T], d: usize, weighing: &Weighing, tau: f64, gradient: &mut [T]) {
    let (terms, factor) = match weighing {
        Weighing::Terms { terms, factor } => (terms, T::of(*factor)),
        Weighing::Nearest { row, factor } => return nearest(phi, d, *row, T::of(*factor), gradient),
    };
    let sharp = T::of(tau.recip());
    let largest: Vec<T> = terms.iter().map(|t| T::of(t.largest)).collect();
    let logs: Vec<T> = terms.iter().map(|t| T::of(t.log_sum)).collect();
    gradient.par_chunks_mut(ROWS * d).enumerate().for_each(|(block, gradient)| {
        let first = block * ROWS;
        tiles(phi, d, first, |column, columns, products| {
            let (largest_there, logs_there) = (&largest[column..][..columns], &logs[column..][..columns]);
            for (i, row) in products.chunks_exact_mut(columns).enumerate() {
                weigh(row, sharp, (largest[first + i], logs[first + i]), (largest_there, logs_there));
                if let Some(own) = (first + i).checked_sub(column).and_then(|own| row.get_mut(own)) {
                    *own = T::ZERO;
                }
            }
            let rows = products.len() / columns;
            let a = Operand::new(products, rows, columns);
            matmul(gradient, a, Operand::new(&phi[column * d..], columns, d), Layout::NN, true, 1);
        });
        gradient.iter_mut().for_each(|g| *g = factor * *g);
    });
}

/// A row of products to the weights of its pairs.
fn weigh<T: Number>(row: &mut [T], sharp: T, (largest, log): (T, T), (largests, logs): (&[T], &[T])) {
    let n = row.len();
    let (largests, logs) = (&largests[..n], &logs[..n]);
    simd!(for j in 0..n {
        let s = row[j];
        row[j] = (sharp * (s - largest) - log).exp() + (sharp * (s - largests[j]) - logs[j]).exp();
    });
}

/// The gradient where only a row and its nearest count.
fn nearest<T: Number>(phi: &[T], d: usize, row: usize, factor: T, gradient: &mut [T]) {
    let own = &phi[row * d..(row + 1) * d];
    let product = |other: &[T]| own.iter().zip(other).map(|(a, b)| a.wide() * b.wide()).sum::<f64>();
    let mut best = (f64::MIN, row);
    for (j, other) in phi.chunks_exact(d).enumerate().filter(|(j, _)| *j != row) {
        let s = product(other);
        if s > best.0 {
            best = (s, j);
        }
    }
    let mut set = |at: usize, from: usize| {
        let values = phi[from * d..(from + 1) * d].iter();
        gradient[at * d..(at + 1) * d].iter_mut().zip(values).for_each(|(g, v)| *g = factor * *v);
    };
    set(row, best.1);
    set(best.1, row);
}
