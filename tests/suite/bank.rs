//! Banks of generated patterns: prefixes, devices, moments; the scan against the reference over stored rows.

use super::common::*;
use attractor::{
    Device, Rows,
    ops::{Bank, Ensemble, Scan, ScanOptions},
    reference,
};
use std::ops::ControlFlow;

pub(crate) fn bank(ensemble: Ensemble, n: u64, d: usize) -> Bank {
    Bank::new(ensemble, 42, n, d).unwrap()
}

#[test]
fn patterns_are_those_of_the_reference() {
    // Around the border of the counter's first word, whole counters and broken ones.
    for ensemble in Ensemble::ALL {
        for d in [1, 2, 3, 4, 7, 16, 63, 64, 65, 128, 130, 200, 260] {
            let bank = bank(ensemble, 1 << 40, d);
            for first in [0, 5, (1 << 32) - 9, (1 << 33) + 1] {
                let rows = bank.rows(first..first + 37).unwrap();
                for (i, row) in rows.iter().enumerate() {
                    let want = reference::bank_row(ensemble, 42, first + i as u64, d);
                    assert_close(&format!("{ensemble} {d} {first} {i}"), row, &want, 3e-6);
                }
                if ensemble == Ensemble::Bipolar {
                    let bits = bank.bits(&Device::cpu(), first..first + 37).unwrap();
                    assert!((0..37).all(|i| bits.row(i) == rows.row(i)), "{d} {first}");
                }
            }
        }
    }
}

#[test]
fn a_bank_is_a_prefix_of_larger_ones() {
    for ensemble in Ensemble::ALL {
        for d in [3, 64, 129] {
            let small = bank(ensemble, 300, d).rows(0..300).unwrap();
            let large = bank(ensemble, 5000, d).rows(0..5000).unwrap();
            assert_eq!(small.as_slice(), &large.as_slice()[..300 * d], "{ensemble} {d}");
            let other = Bank::new(ensemble, 43, 300, d).unwrap().rows(0..300).unwrap();
            assert_ne!(small, other, "{ensemble} {d}: another seed");
        }
    }
}

#[test]
fn ensembles_have_their_moments() {
    for ensemble in Ensemble::ALL {
        let (n, d) = (20_000_u64, 24);
        let rows = bank(ensemble, n, d).rows(0..n).unwrap();
        let second = if ensemble == Ensemble::Sphere { 1.0 / d as f64 } else { 1.0 };
        // Of a coordinate: E x = 0, E x^2, E x^4; of two: E x y = 0.
        let fourth = match ensemble {
            Ensemble::Sphere => 3.0 / (d * (d + 2)) as f64,
            Ensemble::Bipolar => 1.0,
            Ensemble::Gaussian => 3.0,
        };
        let mean = |f: &dyn Fn(&[f32]) -> f64| rows.iter().map(f).sum::<f64>() / n as f64;
        for i in 0..d {
            let j = (i + 1) % d;
            let x = |row: &[f32], i: usize| f64::from(row[i]);
            let sigma = (fourth / n as f64).sqrt();
            assert!(mean(&|r| x(r, i)).abs() < 5.0 * (second / n as f64).sqrt(), "{ensemble} {i}");
            assert!((mean(&|r| x(r, i).powi(2)) - second).abs() < 5.0 * sigma, "{ensemble} {i}");
            assert!(
                (mean(&|r| x(r, i).powi(4)) - fourth).abs() < 0.1 * fourth + 5.0 * sigma,
                "{ensemble} {i}"
            );
            assert!(mean(&|r| x(r, i) * x(r, j)).abs() < 5.0 * sigma, "{ensemble} {i}");
        }
    }
}

#[test]
fn what_is_no_bank_is_refused() {
    for (made, message) in [
        (Bank::new(Ensemble::Sphere, 1, 0, 8), "number of patterns is 0; it must be at least 1"),
        (Bank::new(Ensemble::Sphere, 1, 8, 0), "columns of patterns is 0; it must be 1 to 65535"),
    ] {
        assert_eq!(made.unwrap_err().to_string(), message);
    }
    let bank = bank(Ensemble::Sphere, 8, 3);
    let message = "range of patterns is 5..9; it must be within 0..8";
    assert_eq!(bank.rows(5..9).unwrap_err().to_string(), message);
    assert!(bank.gather(&[8]).is_err() && bank.prefix(9).is_err() && bank.prefix(0).is_err());
    let message = "ensemble of bits is sphere; it must be bipolar";
    assert_eq!(bank.bits(&Device::cpu(), 0..1).unwrap_err().to_string(), message);
}

/// Queries near some patterns of a bank, and which they are.
fn cues(bank: &Bank, count: usize, random: &mut Random) -> (Rows<'static>, Vec<u64>) {
    let targets: Vec<u64> = (0..count).map(|_| random.below(bank.n() as usize) as u64).collect();
    let mut values = bank.gather(&targets).unwrap().into_vec();
    for v in &mut values {
        if bank.ensemble() == Ensemble::Bipolar {
            *v *= if random.uniform() < 0.3 { -1.0 } else { 1.0 };
        } else {
            *v += (0.5 * random.normal()) as f32 / (bank.d() as f32).sqrt();
        }
    }
    (Rows::new(values, bank.d()).unwrap(), targets)
}

/// Compares a scan with the oracle's: numbers of patterns exactly where scores are exact, else only where no score is near.
fn assert_scans(what: &str, got: &[Scan], want: &[Scan], exact: bool, scale: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let close = 2e-6 * scale;
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let what = format!("{what}, query {i}: {g:?}, want {w:?}");
        assert_eq!(g.count, w.count, "{what}");
        if exact {
            assert_eq!((g.best, g.second, g.index, g.ties), (w.best, w.second, w.index, w.ties), "{what}");
        } else {
            let near = |a: f64, b: f64| a == b || (a - b).abs() <= close;
            assert!(near(g.best, w.best) && near(g.second, w.second), "{what}");
            assert!(g.index == w.index || w.best - w.second <= close, "{what}");
        }
        let relative = |a: f64, b: f64| (a / b - 1.0).abs();
        let bound = 2e-5 + 2.0 * g.beta * if exact { 0.0 } else { close };
        assert!((g.log_sum_exp() - w.log_sum_exp()).abs() < bound, "{what}");
        assert!(relative(g.participation(), w.participation()) < 2.0 * bound, "{what}");
        match (g.target, w.target) {
            (None, None) => {}
            (Some(g), Some(w)) => {
                assert_eq!(g.index, w.index, "{what}");
                assert!((g.score - w.score).abs() <= if exact { 0.0 } else { close }, "{what}");
                // A score that rounding moves past the target's is the rare exception.
                let slack = u64::from(!exact);
                assert!(g.above.abs_diff(w.above) <= slack && g.equal.abs_diff(w.equal) <= slack, "{what}");
            }
            _ => panic!("{what}"),
        }
        if let Some(state) = g.state() {
            assert_close(
                &what,
                &state,
                &w.moments.iter().map(|m| m / w.sum).collect::<Vec<_>>(),
                2.0 * bound,
            );
        }
    }
}

pub(crate) fn check_scan(device: &Device, what: &str, bank: &Bank, q: usize, beta: f32, chunk: usize) {
    let (queries, targets) = cues(bank, q, &mut Random::new(bank.n() ^ bank.d() as u64));
    let options = ScanOptions { chunk, update: true, ..ScanOptions::default() };
    let rows = bank.rows(0..bank.n()).unwrap();
    let want = reference::scan(&matrix(&rows), &matrix(&queries), &targets, beta.into());
    let got = bank.scan(&queries, &targets, beta, device, &options).unwrap();
    let (ensemble, n, d) = (bank.ensemble(), bank.n(), bank.d());
    let length =
        queries.iter().map(|x| x.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt()).fold(0.0, f64::max);
    let scale = match ensemble {
        Ensemble::Sphere => length,
        _ => length * (d as f64).sqrt(),
    };
    let exact = ensemble == Ensemble::Bipolar;
    assert_scans(&format!("{what} {ensemble} n {n} d {d} q {q} chunk {chunk}"), &got, &want, exact, scale);
}

#[test]
fn a_scan_agrees_with_the_reference_over_stored_rows() {
    for (name, device) in devices() {
        // The GPU here is a slow one.
        let n = if name == "cpu" { [1, 2, 63, 511, 513, 5000, 40_000] } else { [1, 2, 63, 64, 65, 300, 700] };
        for ensemble in Ensemble::ALL {
            for (i, n) in n.into_iter().enumerate() {
                let (d, q) = ([1, 2, 3, 7, 64, 129, 20][i], [1, 2, 3, 65, 9, 5, 1][i]);
                check_scan(&device, name, &bank(ensemble, n, d), q, 1.5, 0);
            }
            // Around the borders of chunks.
            for chunk in [256, 257, 10_000] {
                check_scan(&device, name, &bank(ensemble, 513, 8), 3, 4.0, chunk);
            }
        }
    }
}

#[test]
fn equal_patterns_tie() {
    // A unit vector in one dimension is -1 or 1; signs in two dimensions are one of four.
    for (name, device) in devices() {
        for (ensemble, d, share) in
            [(Ensemble::Sphere, 1, 2), (Ensemble::Bipolar, 1, 2), (Ensemble::Bipolar, 2, 4)]
        {
            let bank = bank(ensemble, 400, d);
            let (queries, targets) = (bank.gather(&[17, 399]).unwrap(), [17, 399]);
            let got = bank.scan(&queries, &targets, 1.0, &device, &ScanOptions::default()).unwrap();
            let rows = bank.rows(0..400).unwrap();
            for (i, scan) in got.iter().enumerate() {
                let same = rows.iter().filter(|row| *row == queries.row(i)).count() as u64;
                let target = scan.target.unwrap();
                assert_eq!((target.above, target.equal), (0, same - 1), "{name} {ensemble} {d}");
                assert_eq!((scan.ties, scan.second), (same - 1, scan.best), "{name} {ensemble} {d}");
                let first = rows.iter().position(|row| row == queries.row(i)).unwrap() as u64;
                assert_eq!(scan.index, first, "{name} {ensemble} {d}");
                assert!(same > 400 / share / 2, "{name} {ensemble} {d}: {same}");
            }
        }
    }
}

#[test]
fn ranges_merge_to_the_whole() {
    for (name, device) in devices() {
        for ensemble in Ensemble::ALL {
            let bank = bank(ensemble, 900, 12);
            let (queries, targets) = cues(&bank, 4, &mut Random::new(3));
            let options = ScanOptions { update: true, ..ScanOptions::default() };
            let whole = bank.scan(&queries, &targets, 2.0, &device, &options).unwrap();
            // In any order.
            let ranges = [300..301, 301..900, 0..300];
            let mut parts = ranges
                .map(|range| bank.scan_range(range, &queries, &targets, 2.0, &device, &options).unwrap());
            let (first, rest) = parts.split_first_mut().unwrap();
            for part in rest {
                first.iter_mut().zip(part).for_each(|(a, b)| a.merge(b).unwrap());
            }
            assert_scans(&format!("{name} {ensemble}"), first, &whole, true, 1.0);
        }
    }
}

#[test]
fn numbers_beyond_32_bits_are_met() {
    let middle = 1_u64 << 32;
    for (name, device) in devices() {
        for ensemble in Ensemble::ALL {
            let bank = bank(ensemble, 1 << 40, 130);
            let targets = [middle - 3, middle + 5];
            let queries = bank.gather(&targets).unwrap();
            let range = middle - 100..middle + 60;
            let got =
                bank.scan_range(range, &queries, &targets, 1.0, &device, &ScanOptions::default()).unwrap();
            for (scan, target) in got.iter().zip(targets) {
                assert_eq!((scan.index, scan.count), (target, 160), "{name} {ensemble}");
                assert_eq!(scan.target.map(|t| (t.above, t.equal)), Some((0, 0)), "{name} {ensemble}");
            }
        }
    }
}

#[test]
fn real_queries_look_at_signs_too() {
    for (name, device) in devices() {
        let bank = bank(Ensemble::Bipolar, 300, 20);
        let queries = Random::new(5).rows(3, 20, 1.0);
        let rows = bank.rows(0..300).unwrap();
        let want = reference::scan(&matrix(&rows), &matrix(&queries), &[], 1.0);
        let got = bank.scan(&queries, &[], 1.0, &device, &ScanOptions::default()).unwrap();
        assert_scans(name, &got, &want, false, 20.0);
    }
}

#[test]
fn scans_tell_how_far_they_are_and_refuse_what_is_wrong() {
    let bank = bank(Ensemble::Sphere, 1000, 4);
    let queries = bank.gather(&[1, 2]).unwrap();
    let cpu = Device::cpu();
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |done, total| {
        told.lock().unwrap().push((done, total));
        ControlFlow::Continue(())
    };
    let options = ScanOptions { chunk: 400, progress: Some(&progress), ..ScanOptions::default() };
    bank.scan(&queries, &[], 1.0, &cpu, &options).unwrap();
    assert_eq!(*told.lock().unwrap(), [(800, 2000), (1600, 2000), (2000, 2000)]);
    let plain = ScanOptions::default();
    let none = Rows::empty(4);
    assert!(bank.scan(&none, &[], 1.0, &cpu, &plain).unwrap().is_empty());
    assert_eq!(bank.scan_range(5..5, &queries, &[], 1.0, &cpu, &plain).unwrap()[0].count, 0);
    for (result, message) in [
        (bank.scan(&queries, &[1], 1.0, &cpu, &plain), "targets (one per query, or none): got 1, want 2"),
        (bank.scan(&queries, &[1, 1000], 1.0, &cpu, &plain), "target is 1000; it must be below 1000"),
        (bank.scan(&queries, &[], 0.0, &cpu, &plain), "beta is 0; it must be a positive, finite number"),
        (
            bank.scan(&Rows::new(vec![0.0; 3], 3).unwrap(), &[], 1.0, &cpu, &plain),
            "columns of queries: got 3, want 4",
        ),
        (
            bank.scan_range(0..1001, &queries, &[], 1.0, &cpu, &plain),
            "range of patterns is 0..1001; it must be within 0..1000",
        ),
    ] {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
    let mut a = bank.scan(&queries, &[1, 2], 1.0, &cpu, &plain).unwrap();
    let b = bank.scan(&queries, &[1, 2], 2.0, &cpu, &plain).unwrap();
    assert_eq!(a[0].merge(&b[0]).unwrap_err().to_string(), "beta of a scan is 2; it must be 1");
    let other = a[1].clone();
    assert!(a[0].merge(&other).is_err(), "another target");
}
