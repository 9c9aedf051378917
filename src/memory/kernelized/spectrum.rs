//! Singular values of a matrix, and a cap on their ratio.

/// Sweeps of rotations; a handful brings columns at right angles to rounding.
const SWEEPS: usize = 40;

/// Columns of `a` `[rows, columns]` turned to right angles by rotations from the right (one-sided Jacobi), and these `[columns, columns]`.
/// Both are kept column after column.
fn orthogonalised(a: &[f64], rows: usize, columns: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut u: Vec<Vec<f64>> =
        (0..columns).map(|j| (0..rows).map(|i| a[i * columns + j]).collect()).collect();
    let mut v: Vec<Vec<f64>> =
        (0..columns).map(|j| (0..columns).map(|i| f64::from(u8::from(i == j))).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..SWEEPS {
        let mut turned = false;
        for j in 1..columns {
            for i in 0..j {
                let (p, q, r) = (dot(&u[i], &u[i]), dot(&u[j], &u[j]), dot(&u[i], &u[j]));
                if r.abs() <= 1e-15 * (p * q).sqrt() {
                    continue;
                }
                turned = true;
                let zeta = (q - p) / (2.0 * r);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let (c, s) = (t.hypot(1.0).recip(), t / t.hypot(1.0));
                for all in [&mut u, &mut v] {
                    let (left, right) = all.split_at_mut(j);
                    for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                    }
                }
            }
        }
        if !turned {
            break;
        }
    }
    (u, v)
}

fn lengths(columns: &[Vec<f64>]) -> Vec<f64> {
    columns.iter().map(|c| c.iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
}

fn transposed(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|at| a[at % rows * columns + at / rows]).collect()
}

/// Largest over smallest of the `min(rows, columns)` singular values of `a` `[rows, columns]`; infinite where one vanishes.
pub(super) fn condition(a: &[f64], rows: usize, columns: usize) -> f64 {
    if columns > rows {
        return condition(&transposed(a, rows, columns), columns, rows);
    }
    let values = lengths(&orthogonalised(a, rows, columns).0);
    let (least, most) = values.iter().fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
    // Smaller ones are no more than rounding.
    if least > 1e-15 * most { most / least } else { f64::INFINITY }
}

/// Raises the small singular values of `a` `[rows, columns]`, so that the largest is at most `most` times each; those that vanish stay.
pub(super) fn cap_condition(a: &mut [f64], rows: usize, columns: usize, most: f64) {
    if columns > rows {
        let mut turned = transposed(a, rows, columns);
        cap_condition(&mut turned, columns, rows, most);
        a.copy_from_slice(&transposed(&turned, columns, rows));
        return;
    }
    let (u, v) = orthogonalised(a, rows, columns);
    let values = lengths(&u);
    let floor = values.iter().copied().fold(0.0, f64::max) / most;
    // A = sum_k u_k v_k^T; only what is raised is added.
    for ((u, v), value) in u.iter().zip(&v).zip(values) {
        if value > 0.0 && value < floor {
            let more = floor / value - 1.0;
            for (row, u) in a.chunks_exact_mut(columns).zip(u) {
                row.iter_mut().zip(v).for_each(|(a, v)| *a += more * u * v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::map::normals, *};

    #[test]
    fn conditions_are_known_and_capped() {
        assert!((condition(&[3.0, 0.0, 0.0, 0.5], 2, 2) - 6.0).abs() < 1e-12);
        assert_eq!(
            condition(&[1.0, 1.0, 1.0, 1.0], 2, 2).max(1e12),
            f64::INFINITY.min(condition(&[1.0, 1.0, 1.0, 1.0], 2, 2))
        );
        for (rows, columns) in [(5, 5), (3, 8), (8, 3)] {
            let mut a = normals(4, rows, columns);
            a.iter_mut().step_by(columns).for_each(|v| *v *= 100.0);
            assert!(condition(&a, rows, columns) > 20.0);
            cap_condition(&mut a, rows, columns, 4.0);
            let after = condition(&a, rows, columns);
            assert!((after - 4.0).abs() < 1e-9, "{rows}x{columns}: {after}");
        }
    }
}
