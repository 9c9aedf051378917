//! Losses over all pairs of rows.

use super::*;
use attractor::{
    Error, Tensor,
    ops::{SeparationLoss, separation_loss},
    reference,
};

#[test]
fn losses_of_unit_rows() {
    let strategy = (
        (size(130), size(20)),
        any::<u64>(),
        prop::sample::select(&SeparationLoss::ALL[..]),
        prop::sample::select(vec![0.0_f32, 0.05, 0.5, 10.0]),
        any::<usize>(),
    );
    property("losses of pairs", 40, strategy, |((n, d), seed, loss, tau, pick)| {
        let mut phi = Fill(Kind::Normal, seed).flat(n * d);
        for row in phi.chunks_mut(d.max(1)) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &phi, &[n, d]).unwrap();
                (name, separation_loss(&t, loss, tau).map(|(l, g)| (l, g.to_vec().unwrap())))
            })
            .collect();
        assert_eq!(same_errors(&results), n < 2 || d == 0 || tau == 0.0);
        let (want, gradient) = match results[0].1 {
            Ok(_) => reference::separation_loss(
                &Matrix { data: wide(&phi), rows: n, columns: d },
                loss,
                tau.into(),
            ),
            Err(_) => return,
        };
        let sharp = f64::from(tau).recip();
        for (name, result) in &results {
            let (value, got) = result.as_ref().unwrap();
            let what = format!("{name} {loss} {tau} {n}x{d}");
            // Products of unit rows are known to a few roundings, and are divided by tau.
            assert!((value - want).abs() < 8.0 * EPS * (1.0 + sharp) + 2e-6, "{what}: {value} {want}");
            if loss != SeparationLoss::Max {
                let bound = sharp * (16.0 * EPS * sharp + 1e-5);
                let wanted: Vec<Want> = gradient.data.iter().map(|w| Want::Near(*w, bound)).collect();
                assert_all(&what, got, &wanted);
            }
        }
    });
}

#[test]
fn products_that_leave_f32_are_named() {
    let strategy = ((2..70_usize, some(9)), fill(&[Kind::Huge, Kind::Unknown]), any::<usize>());
    property("odd pairs", 40, strategy, |((n, d), values, pick)| {
        let phi = values.flat(n * d);
        let m = Matrix { data: wide(&phi), rows: n, columns: d };
        let all = |i: usize, j: usize| m.row(i).iter().zip(m.row(j)).map(|(a, b)| (a * b).abs()).sum::<f64>();
        let bad = |i: usize| (0..n).any(|j| all(i, j).is_nan() || all(i, j) > MOST);
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &phi, &[n, d]).unwrap();
                (name, separation_loss(&t, SeparationLoss::Pair, 1.0).map(drop))
            })
            .collect();
        // Sums that cancel may pass, or not, by their order.
        let surely = (0..n).find(|i| {
            (0..n).any(|j| {
                !((d == 1 || i == &j) && all(*i, j) < MOST) && all(*i, j) > 9.0 * MOST || all(*i, j).is_nan()
            })
        });
        if (0..n).all(|i| !bad(i)) {
            assert!(!same_errors(&results));
        } else if let Some(row) = surely.filter(|row| (0..*row).all(|i| !bad(i))) {
            for (name, result) in &results {
                assert!(
                    matches!(result, Err(Error::NonFinite { row: r, .. }) if *r == row),
                    "{name}: {result:?} {row}"
                );
            }
        }
    });
}
