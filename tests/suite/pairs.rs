//! Losses of pairs: the specification's worked numbers, and the three implementations against each other.

use super::common::*;
use attractor::{
    Device, Rows, Tensor,
    ops::{SeparationLoss, separation_loss, separation_loss_f64},
    reference::{self, Matrix},
};

/// Loss, then its value at a temperature of 0.5 and of 0.1, of points at 0, 60 and 180 degrees.
const GOLDEN: [(SeparationLoss, [f64; 2]); 5] = [
    (SeparationLoss::Pair, [0.0712337309, 3.9014334161]),
    (SeparationLoss::CrossEntropy, [0.2471529206, 0.0044771036]),
    (SeparationLoss::SelfFree, [0.4962590167, 1.6689203511]),
    (SeparationLoss::Average, [-1.9287662691, -6.0985665839]),
    (SeparationLoss::Max, [-1.0, -5.0]),
];

fn three() -> Vec<f64> {
    [0.0, 60.0, 180.0_f64].iter().flat_map(|a| [a.to_radians().cos(), a.to_radians().sin()]).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// Random unit rows.
fn unit(random: &mut Random, rows: usize, columns: usize) -> Matrix {
    let mut all = Matrix::from_fn(rows, columns, |_, _| random.normal());
    for row in all.data.chunks_exact_mut(columns) {
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v = f64::from((*v / length) as f32));
    }
    all
}

#[test]
fn losses_are_the_worked_ones_on_every_device() {
    let phi = three();
    // What is left of the gradient of the pair loss at right angles to the rows, at 0.5.
    let want = [0.0, 1.461495, 1.094399, -0.631852, 0.0, 0.197792];
    let tangential = |gradient: &[f64]| -> Vec<f64> {
        let rows = gradient.chunks_exact(2).zip(phi.chunks_exact(2));
        rows.flat_map(|(g, x)| {
            let along = g[0] * x[0] + g[1] * x[1];
            [g[0] - along * x[0], g[1] - along * x[1]]
        })
        .collect()
    };
    for (loss, values) in GOLDEN {
        for (tau, want) in [0.5, 0.1].into_iter().zip(values) {
            let got = separation_loss_f64(&phi, 2, loss, tau).unwrap().0;
            assert!((got - want).abs() < 1e-8, "{loss} {tau}: {got}");
            for (name, device) in varied() {
                let x = Tensor::from_flat(&device, &narrow(&phi), &[3, 2]).unwrap();
                let got = separation_loss(&x, loss, tau as f32).unwrap().0;
                assert!((got - want).abs() < 1e-5, "{name} {loss} {tau}: {got}, want {want}");
            }
        }
    }
    let exact = separation_loss_f64(&phi, 2, SeparationLoss::Pair, 0.5).unwrap().1;
    assert!(tangential(&exact).iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{exact:?}");
    for (name, device) in varied() {
        let x = Tensor::from_flat(&device, &narrow(&phi), &[3, 2]).unwrap();
        let gradient = separation_loss(&x, SeparationLoss::Pair, 0.5).unwrap().1.to_vec().unwrap();
        let wide: Vec<f64> = gradient.iter().map(|g| f64::from(*g)).collect();
        assert_close(name, &narrow(&tangential(&wide)), &want, 1e-5);
    }
}

#[test]
fn odd_shapes_agree_with_the_reference() {
    let taus = [1.0, 0.1, 0.003];
    cases(&varied(), &[(2, 1), (2, 3), (5, 4), (63, 17), (66, 5), (130, 3)], &taus);
    // Lavapipe takes long.
    cases(&varied()[..2], &[(521, 9)], &taus);
}

pub(crate) fn cases(devices: &[(&'static str, Device)], shapes: &[(usize, usize)], taus: &[f64]) {
    let mut random = Random::new(7);
    for &(rows, columns) in shapes {
        let phi = unit(&mut random, rows, columns);
        let narrowed = narrow(&phi.data);
        for loss in SeparationLoss::ALL {
            for &tau in taus {
                let (value, gradient) = reference::separation_loss(&phi, loss, tau);
                let (got, of) = separation_loss_f64(&phi.data, columns, loss, tau).unwrap();
                let what = format!("{loss} {rows}x{columns} tau {tau}");
                let largest = 1.0 + scale(&gradient.data);
                assert!((got - value).abs() < 1e-12 * (1.0 + tau.recip()), "{what}: {got} {value}");
                let error = |(a, b): (&f64, &f64)| (a - b).abs() / largest;
                let worst = of.iter().zip(&gradient.data).map(error).fold(0.0, f64::max);
                assert!(worst < 1e-11 / tau, "{what}: gradient off by {worst}");
                for (name, device) in devices {
                    let x = Tensor::from_flat(device, &narrowed, &[rows, columns]).unwrap();
                    let (got, of) = separation_loss(&x, loss, tau as f32).unwrap();
                    // A product is off by a few roundings, which 1/tau multiplies in exponents.
                    let off = (columns as f64).sqrt() * 4.0 * EPS / tau + 8.0 * EPS;
                    assert!((got - value).abs() < off * (1.0 + value.abs()), "{name} {what}: {got} {value}");
                    let bound = 4.0 * off * largest;
                    assert_close(&format!("{name} {what}"), &of.to_vec().unwrap(), &gradient.data, bound);
                }
            }
        }
    }
}

#[test]
fn rows_that_coincide_or_oppose_stay_finite() {
    let phi = [1.0, 0.0, 1.0, 0.0, -1.0, 0.0];
    for loss in SeparationLoss::ALL {
        for tau in [1.0, 1e-4] {
            let (want, _) = separation_loss_f64(&phi, 2, loss, tau).unwrap();
            assert!(want.is_finite(), "{loss} {tau}");
            for (name, device) in varied() {
                let x = Tensor::from_flat(&device, &narrow(&phi), &[3, 2]).unwrap();
                let (got, gradient) = separation_loss(&x, loss, tau as f32).unwrap();
                assert!((got - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {loss} {tau}: {got} {want}");
                assert!(gradient.to_vec().unwrap().iter().all(|g| g.is_finite()), "{name} {loss} {tau}");
            }
        }
    }
}

#[test]
fn what_is_no_loss_is_refused() {
    let x = Tensor::new(&Device::cpu(), &Rows::new(vec![1.0, 0.0], 2).unwrap()).unwrap();
    assert!(separation_loss(&x, SeparationLoss::Pair, 1.0).unwrap_err().to_string().contains("at least 2"));
    for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = separation_loss_f64(&[1.0, 0.0, 0.0, 1.0], 2, SeparationLoss::Pair, tau).unwrap_err();
        assert!(error.to_string().contains("tau"), "{error}");
    }
    assert!(separation_loss_f64(&[1.0, 0.0, 0.0], 2, SeparationLoss::Pair, 1.0).is_err());
    assert!("nothing".parse::<SeparationLoss>().is_err());
}
