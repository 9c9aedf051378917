//! Banks of generated patterns: prefixes, devices, moments; the scan against the reference over stored rows.

use super::common::*;
use attractor::{
    Device,
    ops::{Bank, Ensemble},
    reference,
};

fn bank(ensemble: Ensemble, n: u64, d: usize) -> Bank {
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
