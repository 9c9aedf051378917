//! Losses of pairs: how near to each other points on a sphere lie.

use super::{Matrix, log_sum_exp};
use crate::contract::SeparationLoss;

/// The loss of unit rows `phi` `[M, D]` at a temperature, and its gradient by these rows as if they were free `[M, D]`: see
/// [`crate::ops::separation_loss`].
///
/// # Panics
/// For fewer than two rows.
pub fn separation_loss(phi: &Matrix, loss: SeparationLoss, tau: f64) -> (f64, Matrix) {
    let n = phi.rows;
    let s = |i: usize, j: usize| phi.row(i).iter().zip(phi.row(j)).map(|(a, b)| a * b).sum::<f64>();
    let others = |i: usize| (0..n).filter(move |j| *j != i);
    let pairs = 0.5 * (n * (n - 1)) as f64;
    // The loss, and the derivative by each ordered product.
    let all: Vec<f64> = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| s(i, j)).collect();
    let whole = log_sum_exp(&all, tau.recip()) / tau;
    let by_row = |i: usize| {
        let mut row: Vec<f64> = others(i).map(|j| s(i, j)).collect();
        if loss == SeparationLoss::CrossEntropy {
            row.push(1.0);
        }
        log_sum_exp(&row, tau.recip()) / tau
    };
    let rows: Vec<f64> = (0..n).map(by_row).collect();
    let mean = rows.iter().sum::<f64>() / n as f64;
    let nearest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = (0..n).flat_map(|i| (0..i).map(move |j| (j, i))).find(|(i, j)| s(*i, *j) == nearest);
    let value = match loss {
        SeparationLoss::Average => whole - pairs.ln() - tau.recip(),
        SeparationLoss::Max => (nearest - 1.0) / tau,
        SeparationLoss::Pair => whole - pairs.ln(),
        SeparationLoss::CrossEntropy => mean - tau.recip(),
        SeparationLoss::SelfFree => mean,
    };
    let weight = |i: usize, j: usize| {
        let scaled = s(i, j) / tau;
        match loss {
            SeparationLoss::Average | SeparationLoss::Pair => (scaled - whole).exp() / tau,
            SeparationLoss::Max if first == Some((i.min(j), i.max(j))) => tau.recip(),
            SeparationLoss::Max => 0.0,
            _ => ((scaled - rows[i]).exp() + (scaled - rows[j]).exp()) / (n as f64 * tau),
        }
    };
    let gradient =
        Matrix::from_fn(n, phi.columns, |i, k| others(i).map(|j| weight(i, j) * phi.at(j, k)).sum());
    (value, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points at 0, 60 and 180 degrees.
    fn three() -> Matrix {
        Matrix::from_fn(3, 2, |i, k| {
            let angle = [0.0, 60.0, 180.0_f64][i].to_radians();
            if k == 0 { angle.cos() } else { angle.sin() }
        })
    }

    #[test]
    fn losses_are_the_worked_ones() {
        for (tau, pair, entropy, free, average) in [
            (0.5, 0.0712337309, 0.2471529206, 0.4962590167, -1.9287662691),
            (0.1, 3.9014334161, 0.0044771036, 1.6689203511, -6.0985665839),
        ] {
            for (loss, want) in [
                (SeparationLoss::Pair, pair),
                (SeparationLoss::CrossEntropy, entropy),
                (SeparationLoss::SelfFree, free),
                (SeparationLoss::Average, average),
                (SeparationLoss::Max, -0.5 / tau),
            ] {
                let got = separation_loss(&three(), loss, tau).0;
                assert!((got - want).abs() < 1e-9, "{loss} {tau}: {got}, want {want}");
            }
        }
    }

    #[test]
    fn gradients_are_differences() {
        let phi = three();
        for loss in SeparationLoss::ALL {
            for tau in [0.5, 0.1] {
                let gradient = separation_loss(&phi, loss, tau).1;
                for at in 0..6 {
                    let moved = |h: f64| {
                        let mut phi = phi.clone();
                        phi.data[at] += h;
                        separation_loss(&phi, loss, tau).0
                    };
                    let want = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    assert!((gradient.data[at] - want).abs() < 1e-7, "{loss} {tau} {at}");
                }
            }
        }
    }
}
