//! Rows to rows, and to one value each.

use super::*;
use attractor::{
    Error, Tensor,
    ops::{self, Axis, Normalization, Reduction},
    reference,
};

/// Rows up to and beyond what a workgroup takes at a time.
fn shape() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![(size(9), size(130)), (some(130), some(9)), (some(2), some(4100))]
}

fn sizes(row: &[f64]) -> f64 {
    row.iter().map(|v| v.abs()).sum()
}

#[test]
fn reductions() {
    let how = [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min];
    let strategy =
        (shape(), fill(&Kind::ALL), prop::sample::select(how.to_vec()), any::<bool>(), any::<usize>());
    property("reductions", 80, strategy, |((rows, columns), values, how, over_rows, pick)| {
        let x = Matrix { data: wide(&values.flat(rows * columns)), rows, columns };
        let (count, axis) = if over_rows { (rows, Axis::Rows) } else { (columns, Axis::Columns) };
        let lines = if over_rows { x.transposed() } else { x.clone() };
        let values =
            if over_rows { reference::reduce_columns(&x, how) } else { reference::reduce_rows(&x, how) };
        let want: Vec<Want> = lines
            .iter()
            .zip(&values)
            .map(|(line, value)| {
                let all = sizes(line);
                let share = if how == Reduction::Mean { count as f64 } else { 1.0 };
                let bound = EPS * (4.0 + (count as f64).sqrt()) * all / share + count as f64 * TINY;
                match how {
                    Reduction::Max | Reduction::Min if value.is_nan() => Want::Nan,
                    // An infinity is its own extreme.
                    Reduction::Max | Reduction::Min if value.is_infinite() => Want::NotFinite,
                    Reduction::Max | Reduction::Min => Want::Near(*value, TINY),
                    _ => Want::sum(*value, all, bound),
                }
            })
            .collect();
        let data: Vec<f32> = x.data.iter().map(|v| *v as f32).collect();
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &data, &[rows, columns]).unwrap();
                (name, ops::reduce(&t, how, axis))
            })
            .collect();
        assert_eq!(same_errors(&results), count == 0 && how != Reduction::Sum);
        for (name, result) in results.iter().filter_map(|(name, r)| Some((name, r.as_ref().ok()?))) {
            assert_all(&format!("{name} {how:?} {axis:?}"), &result.to_vec().unwrap(), &want);
        }
    });
}

#[test]
fn softmax_and_its_logarithm() {
    let beta = prop::sample::select(vec![1e-3_f32, 1.0, 30.0, 1e30]);
    let strategy = (shape(), fill(&Kind::ALL), beta, any::<usize>());
    property("softmax", 80, strategy, |((rows, columns), values, beta, pick)| {
        let z = values.flat(rows * columns);
        for (name, device) in some_devices(pick) {
            let t = Tensor::from_flat(&device, &z, &[rows, columns]).unwrap();
            let (p, lse) = (ops::softmax(&t, beta), ops::log_sum_exp(&t, beta));
            if columns == 0 {
                assert!(matches!(p, Err(Error::InvalidParameter { .. })), "{name}");
                assert!(matches!(lse, Err(Error::InvalidParameter { .. })), "{name}");
                continue;
            }
            let (p, lse) = (p.unwrap().to_vec().unwrap(), lse.unwrap().to_vec().unwrap());
            let beta = f64::from(beta);
            for ((z, p), lse) in z.chunks(columns).zip(p.chunks(columns)).zip(&lse) {
                let z = wide(z);
                let what = format!("{name} beta {beta} of {z:?}");
                let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let of_row = reference::softmax(&z, beta);
                // Differences of scores are rounded, and count where the weight is not nothing.
                let near = |v: &f64| (largest - v) * beta < 110.0;
                let scale = z.iter().filter(|v| near(v)).fold(0.0, |m: f64, v| m.max(v.abs()));
                let spread = z.iter().filter(|v| near(v)).fold(0.0, |m: f64, v| m.max(largest - v));
                let sharp = EPS * beta * spread;
                let bound = |w: f64| w * (sharp * 4.0 + EPS * (40.0 + (columns as f64).sqrt())) + TINY;
                let want: Vec<Want> = of_row.iter().map(|w| Want::of(*w, bound(*w) + 2e-38)).collect();
                assert_all(&what, p, &want);
                let exact = reference::log_sum_exp(&z, beta);
                let close = EPS * (2.0 * scale + (16.0 + (columns as f64).sqrt()) / beta) + TINY;
                let want = if of_row[0].is_nan() { Want::Nan } else { Want::of(exact, close) };
                assert_all(&what, &[*lse], &[want]);
            }
        }
    });
}

#[test]
fn normalised_rows() {
    let how = [
        Normalization::L2,
        Normalization::Layer { eps: 1e-5 },
        Normalization::Layer { eps: 0.0 },
        Normalization::Layer { eps: 3.0 },
    ];
    let strategy = (shape(), fill(&Kind::ALL), prop::sample::select(how.to_vec()), any::<usize>());
    property("normalised rows", 80, strategy, |((rows, columns), values, how, pick)| {
        let x = values.flat(rows * columns);
        for (name, device) in some_devices(pick) {
            let t = Tensor::from_flat(&device, &x, &[rows, columns]).unwrap();
            let got = ops::normalize(&t, how).unwrap().to_vec().unwrap();
            assert_eq!(got.len(), x.len());
            for (x, got) in x.chunks(columns.max(1)).zip(got.chunks(columns.max(1))) {
                let x = wide(x);
                let n = x.len() as f64;
                let all = sizes(&x);
                let (centre, eps) = match how {
                    Normalization::L2 => (0.0, 0.0),
                    Normalization::Layer { eps } => (all / n, f64::from(eps)),
                };
                let mean = if centre == 0.0 { 0.0 } else { x.iter().sum::<f64>() / n };
                let squares = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
                let square = if how == Normalization::L2 { squares } else { squares / n + eps };
                let what = format!("{name} {how:?} of {x:?}");
                // The mean is off by roundings of its size, each value less it by another.
                let off = EPS * (2.0 + n.sqrt()) * centre;
                let least = 4.0 * (n * TINY + off * off);
                if all.is_finite() && all > 0.99 * MOST && centre > 0.0 && squares < 1.01 * MOST {
                    // The mean may leave f32 on the way.
                    assert!(got.iter().all(|v| *v == 0.0 || !v.is_finite()), "{what}: {got:?}");
                } else if !squares.is_finite() {
                    assert_all(&what, got, &vec![Want::NotFinite; got.len()]);
                } else if squares > 0.99 * MOST {
                    // At the border, one or the other.
                    let want = if squares > 1.01 * MOST { Want::NotFinite } else { continue };
                    assert_all(&what, got, &vec![want; got.len()]);
                } else if square < 0.5 * TINY && off == 0.0 {
                    assert_all(&what, got, &vec![Want::Near(0.0, 0.0); got.len()]);
                } else if square > least {
                    let spread = square.sqrt();
                    let want: Vec<Want> = reference::normalize(&x, how)
                        .iter()
                        .map(|w| {
                            let bound =
                                w.abs() * (EPS * (8.0 + n.sqrt()) + off / spread) + 2.0 * off / spread;
                            Want::of(*w, bound + TINY)
                        })
                        .collect();
                    assert_all(&what, got, &want);
                } else {
                    // Between these lie rows that have vanished but for their roundings.
                    assert!(got.iter().all(|v| v.is_finite()), "{what}: {got:?}");
                }
            }
        }
    });
}

#[test]
fn appended_rows_are_copies() {
    let strategy = ((size(4), size(5), size(40)), fill(&Kind::ALL), any::<usize>());
    property("appended rows", 30, strategy, |((g, n, d), values, pick)| {
        let (x, row) = (values.flat(g * n * d), Fill(values.0, values.1 ^ 1).flat(d));
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let x = Tensor::from_flat(&device, &x, &[g, n, d]).unwrap();
                let row = Tensor::from_flat(&device, &row, &[d]).unwrap();
                (name, ops::append_row(&x, &row).map(|t| t.to_vec().unwrap()))
            })
            .collect();
        assert_eq!(same_errors(&results), n * d == 0);
        for (name, got) in results.iter().filter_map(|(name, r)| Some((name, r.as_ref().ok()?))) {
            let want: Vec<f32> = x.chunks((n * d).max(1)).flat_map(|m| [m, &row[..]].concat()).collect();
            let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(got), bits(&want), "{name}");
        }
    });
}
