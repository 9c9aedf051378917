//! Looks at generated patterns.

use super::*;
use attractor::{
    Error,
    ops::{Bank, Ensemble, ScanOptions},
    reference,
};

#[test]
fn scans() {
    let kinds: &'static [Kind] = &[Kind::Normal, Kind::Equal, Kind::Tiny, Kind::Huge, Kind::Unknown];
    let strategy = (
        (size(9), 1..300_u64, some(40)),
        prop::sample::select(&Ensemble::ALL[..]),
        fill(kinds),
        prop::sample::select(vec![1e-3_f32, 1.0, 20.0, 1e30]),
        (0..100_usize, any::<usize>()),
    );
    property("scans", 50, strategy, |((q, n, d), ensemble, values, beta, (chunk, pick))| {
        let bank = Bank::new(ensemble, 9, n, d).unwrap();
        let queries = if q == 0 { Rows::empty(d) } else { values.rows(q, d) };
        let options = ScanOptions { chunk, ..ScanOptions::default() };
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| (name, bank.scan(&queries, &[], beta, &device, &options)))
            .collect();
        let squared = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let spoiled = queries.iter().position(|row| squared(row).is_nan() || squared(row) > 1e28);
        assert_eq!(same_errors(&results), spoiled.is_some());
        if let Some(row) = spoiled {
            match &results[0].1 {
                Err(Error::NonFinite { row: r, .. }) => {
                    assert!(queries.row(*r).iter().any(|v| !v.is_finite()))
                }
                Err(Error::InvalidParameter { value, .. }) => assert!(value.contains(&format!("row {row}"))),
                other => panic!("{other:?}"),
            }
            return;
        }
        let m = Matrix { data: wide(queries.as_slice()), rows: q, columns: d };
        let patterns: Vec<Vec<f64>> = (0..n).map(|i| reference::bank_row(ensemble, 9, i, d)).collect();
        for (name, scans) in &results {
            for (query, scan) in m.iter().zip(scans.as_ref().unwrap()) {
                let what = format!("{name} {ensemble} {n}x{d} beta {beta}");
                let scores: Vec<f64> =
                    patterns.iter().map(|p| p.iter().zip(query).map(|(a, b)| a * b).sum()).collect();
                let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                let length = query.iter().map(|v| v * v).sum::<f64>().sqrt() * (d as f64).sqrt() * 6.0;
                let bound = 4e-6 * length + d as f64 * TINY * 6.0;
                assert_eq!(scan.count, n, "{what}");
                assert!((scan.best - largest).abs() <= bound, "{what}: {} {largest}", scan.best);
                assert!(scores[scan.index as usize] >= largest - 2.0 * bound, "{what}");
                let sum: f64 = scores.iter().map(|s| (f64::from(beta) * (s - largest)).exp()).sum();
                let off = f64::from(beta) * 2.0 * bound;
                if off < 0.1 {
                    assert!((scan.sum / sum - 1.0).abs() < 2.0 * off + 1e-4, "{what}: {} {sum}", scan.sum);
                }
                assert!(scan.sum >= 1.0 - 1e-6 && scan.sum.is_finite(), "{what}: {}", scan.sum);
            }
        }
    });
}
