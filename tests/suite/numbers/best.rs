//! The largest entries, and the nearest patterns: a ranking that is the same everywhere.

use super::*;
use attractor::{
    Error, Tensor,
    ops::{self, Similarity},
    reference,
};

/// The `k` best of a row, or the column at which it has none.
fn best_of(row: &[f32], k: usize) -> Result<Vec<(f32, u32)>, usize> {
    let finite = row.iter().filter(|v| v.is_finite()).count();
    if finite < k || k > 0 && row.contains(&f32::INFINITY) {
        return Err(row.iter().position(|v| !v.is_finite()).unwrap());
    }
    // NaN and minus infinity lose to all others.
    let known: Vec<f64> =
        row.iter().map(|v| if v.is_nan() { f64::NEG_INFINITY } else { f64::from(*v) }).collect();
    Ok(reference::top_k(&known, k).into_iter().map(|(i, _)| (row[i], i as u32)).collect())
}

#[test]
fn the_best_of_rows() {
    let strategy = (
        prop_oneof![(size(9), size(130)), (some(3), some(4100))],
        prop_oneof![Just(0_usize), Just(1), 1..=20_usize, 60..=70_usize, Just(usize::MAX)],
        fill(&Kind::ALL),
        any::<usize>(),
    );
    property("the best of rows", 120, strategy, |((rows, columns), k, values, pick)| {
        let x = values.flat(rows * columns);
        // All of a long row is a matter of the CPU's on any device.
        let k = if k == usize::MAX { columns.min(1025) } else { k };
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &x, &[rows, columns]).unwrap();
                (name, ops::top_k(&t, k))
            })
            .collect();
        let failed = same_errors(&results);
        if k > columns {
            assert!(matches!(results[0].1, Err(Error::InvalidParameter { name: "k", .. })));
            return;
        }
        let want: Vec<_> = x.chunks(columns.max(1)).map(|row| best_of(row, k)).collect();
        match want.iter().position(Result::is_err) {
            Some(of) => match &results[0].1 {
                Err(Error::NonFinite { row, column, .. }) => {
                    assert_eq!((*row, Err(*column)), (of, want[of].clone().map(|_| ())));
                }
                other => panic!("{other:?}"),
            },
            None => {
                assert!(!failed);
                let want: Vec<(f32, u32)> = want.into_iter().flatten().flatten().collect();
                for (name, result) in results {
                    let (values, indices) = result.unwrap();
                    let got: Vec<(f32, u32)> = values.into_iter().zip(indices).collect();
                    assert_eq!(got, want, "{name} {rows}x{columns} k {k}");
                }
            }
        }
    });
}

/// Every order of NaN, infinities, zeros of both signs and the border of f32, with lists of each length.
#[test]
fn the_order_of_odd_values() {
    let row = [f32::NAN, -0.0, 0.0, f32::MIN, 1e-45, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::NAN, -1e-45];
    for turn in 0..row.len() {
        let mut turned = row;
        turned.rotate_left(turn);
        for (name, device) in devices() {
            let x = Tensor::from_flat(&device, &turned, &[1, row.len()]).unwrap();
            for k in 0..=row.len() {
                let got = ops::top_k(&x, k);
                match best_of(&turned, k) {
                    Ok(want) => {
                        let (values, indices) = got.unwrap();
                        let got: Vec<(f32, u32)> = values.into_iter().zip(indices).collect();
                        assert_eq!(got, want, "{name} turn {turn} k {k}");
                    }
                    Err(at) => assert!(
                        matches!(got, Err(Error::NonFinite { row: 0, column, .. }) if column == at),
                        "{name} turn {turn} k {k}: {got:?}"
                    ),
                }
            }
        }
    }
}

#[test]
fn the_nearest_patterns() {
    let strategy = (
        prop_oneof![
            (size(9), size(130), size(20)),
            (some(70), some(40), some(9)),
            (some(2), some(2100), some(5))
        ],
        prop_oneof![Just(0_usize), Just(1), 1..=20_usize, 60..=70_usize],
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(&Similarity::ALL[..]),
        any::<usize>(),
    );
    property("the nearest patterns", 90, strategy, |((b, n, d), k, (q, x), kind, pick)| {
        let (q, x) = (q.flat(b * d), x.flat(n * d));
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let q = Tensor::from_flat(&device, &q, &[b, d]).unwrap();
                let x = Tensor::from_flat(&device, &x, &[n, d]).unwrap();
                (name, ops::nearest(&q, &x, k, kind))
            })
            .collect();
        if d == 0 || k > n || !q.iter().chain(&x).all(|v| v.is_finite()) {
            // Lengths of rows are looked at before the nearest are.
            assert!(same_errors(&results), "{b}x{n}x{d} k {k}");
            return;
        }
        let of_row = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let longest = q.chunks(d).chain(x.chunks(d)).map(of_row).fold(0.0, f64::max);
        if longest > 0.99 * MOST {
            if longest > 1.01 * MOST {
                assert!(same_errors(&results));
            }
            return;
        }
        for (name, result) in &results {
            let (values, indices) = match result {
                Ok(found) => found,
                // Distances may leave f32 where lengths do not.
                Err(Error::NonFinite { what, .. }) if what == "similarities" && longest > 0.1 * MOST => {
                    continue;
                }
                Err(error) => panic!("{name}: {error}"),
            };
            assert_eq!((values.len(), indices.len()), (b * k, b * k), "{name}");
            for (i, q) in q.chunks(d).enumerate().filter(|_| k > 0) {
                let q = wide(q);
                let (values, indices) = (&values[i * k..(i + 1) * k], &indices[i * k..(i + 1) * k]);
                let what = format!("{name} {kind} {b}x{n}x{d} k {k} query {i}");
                let all: Vec<Want> = x.chunks(d).map(|x| products::of_pair(&q, &wide(x), kind)).collect();
                for (place, (value, index)) in values.iter().zip(indices).enumerate() {
                    assert!(
                        all[*index as usize].meets(*value),
                        "{what}: {value:e} {:?}",
                        all[*index as usize]
                    );
                    if place > 0 {
                        let before = (values[place - 1], indices[place - 1]);
                        // Equal in f32: by number, or by what f64 tells apart.
                        let exact = |index: u32| match all[index as usize] {
                            Want::Near(value, _) | Want::NearOrNotFinite(value, _) => value,
                            _ => f64::NAN,
                        };
                        let (first, second) = (exact(before.1), exact(*index));
                        let tie = before.1 < *index || first >= second - 1e-12 * (1.0 + second.abs());
                        assert!(before.0 > *value || before.0 == *value && tie, "{what}: order");
                    }
                }
                // No pattern that is left out is surely better than the last that is in.
                let last = f64::from(values[k - 1]);
                for (j, want) in all.iter().enumerate().filter(|(j, _)| !indices.contains(&(*j as u32))) {
                    if let Want::Near(value, bound) = want {
                        assert!(
                            value - bound <= last,
                            "{what}: {j} of {value:e} +- {bound:e} above {last:e}"
                        );
                    }
                }
            }
        }
    });
}

/// A similarity that is no number must not be passed over: the pattern may be the nearest of all.
#[test]
fn what_cannot_be_compared_is_an_error() {
    for (name, device) in devices() {
        let of = |values: &[f32]| Tensor::from_flat(&device, values, &[values.len() / 2, 2]).unwrap();
        let good = of(&[1.0, 0.0, 0.0, 1.0]);
        for kind in Similarity::ALL {
            let far = of(&[0.0, 0.0, 1e20, 0.0]);
            let error = ops::nearest(&good, &far, 1, kind).unwrap_err().to_string();
            assert!(error.contains("patterns, row 1"), "{name} {kind}: {error}");
            let error = ops::nearest(&far, &good, 1, kind).unwrap_err().to_string();
            assert!(error.contains("queries, row 1"), "{name} {kind}: {error}");
            let odd = of(&[0.0, 0.0, 0.5, f32::NAN]);
            let error = ops::nearest(&good, &odd, 1, kind).unwrap_err().to_string();
            assert!(error.contains("patterns: row 1, column 1 is NaN"), "{name} {kind}: {error}");
        }
    }
}
