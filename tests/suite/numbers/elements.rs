//! Element by element.

use super::*;
use attractor::{
    Tensor,
    ops::{self, Axis, Binary, Reduction, Unary},
    reference,
};

const UNARY: [Unary; 14] = [
    Unary::Neg,
    Unary::Abs,
    Unary::Square,
    Unary::Sqrt,
    Unary::Exp,
    Unary::Log,
    Unary::Tanh,
    Unary::Relu,
    Unary::Sign,
    Unary::Scale(-1.5),
    Unary::Shift(0.25),
    Unary::Sigmoid,
    Unary::Softplus,
    Unary::LogCosh,
];
const BINARY: [Binary; 6] = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min];

/// A number, and 0 in its place where adapters may take it for that.
fn flushed(v: f64) -> Vec<f64> {
    if v != 0.0 && v.abs() < TINY { vec![v, 0.0] } else { vec![v] }
}

/// Fails unless a value is what the function makes of the operands, or of zeros in place of subnormal ones.
#[track_caller]
fn assert_one(what: &str, got: f32, wanted: &[f64], bound: impl Fn(f64) -> f64) {
    let meets = |w: &f64| match *w {
        w if w.is_infinite() => got == w as f32,
        w => Want::of(w, bound(w)).meets(got),
    };
    assert!(wanted.iter().any(meets), "{what} is {got:e}, want one of {wanted:?}");
}

#[test]
fn functions_of_one_number() {
    let strategy = (size(9), size(40), fill(&Kind::ALL), prop::sample::select(&UNARY[..]), any::<usize>());
    property("functions of one number", 150, strategy, |(rows, columns, values, f, pick)| {
        let x = values.flat(rows * columns);
        for (name, device) in some_devices(pick) {
            let t = Tensor::from_flat(&device, &x, &[rows, columns]).unwrap();
            let got = ops::unary(f, &t).unwrap();
            assert_eq!(got.shape(), [rows, columns]);
            for (got, x) in got.to_vec().unwrap().iter().zip(&x) {
                let wanted: Vec<f64> =
                    flushed(f64::from(*x)).into_iter().map(|x| reference::unary(f, x)).collect();
                // WGSL promises exp to 3 + 2|x| ulp, log to 2^-21 near 1 and tanh to 1e-5.
                let bound = |w: f64| match f {
                    Unary::Tanh => 1e-5,
                    Unary::Exp => EPS * (4.0 + 2.0 * f64::from(x.abs()).min(128.0)) * w.abs() + TINY,
                    Unary::Log => 5e-7 + 3.0 * EPS * w.abs(),
                    Unary::Softplus | Unary::LogCosh => 5e-7 + 3.0 * EPS * w.abs(),
                    Unary::Sigmoid => 3.0 * EPS,
                    _ => 3.0 * EPS * w.abs() + TINY,
                };
                assert_one(&format!("{name} {f:?} of {x:e}"), *got, &wanted, bound);
            }
        }
    });
}

#[test]
fn functions_of_two_numbers() {
    let strategy = (
        (some(9), some(40)),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(&BINARY[..]),
        0..3_usize,
        any::<usize>(),
    );
    property("functions of two numbers", 150, strategy, |((rows, columns), (a, b), f, how, pick)| {
        let x = a.flat(rows * columns);
        // As many rows, one row, or one value a row.
        let y = b.flat([rows * columns, columns, rows][how]);
        for (name, device) in some_devices(pick) {
            let t = Tensor::from_flat(&device, &x, &[rows, columns]).unwrap();
            let got = match how {
                0 => ops::binary(f, &t, &Tensor::from_flat(&device, &y, &[rows, columns]).unwrap()),
                1 => ops::binary(f, &t, &Tensor::from_flat(&device, &y, &[columns]).unwrap()),
                _ => ops::by_row(f, &t, &Tensor::from_flat(&device, &y, &[rows]).unwrap()),
            };
            for (i, got) in got.unwrap().to_vec().unwrap().iter().enumerate() {
                let (a, b) = (x[i], y[[i, i % columns, i / columns][how]]);
                let pairs = flushed(a.into())
                    .into_iter()
                    .flat_map(|a| flushed(b.into()).into_iter().map(move |b| reference::binary(f, a, b)));
                let wanted: Vec<f64> = pairs.collect();
                let bound = |w: f64| 4.0 * EPS * w.abs() + TINY;
                assert_one(&format!("{name} {f:?} of {a:e} and {b:e}"), *got, &wanted, bound);
            }
        }
    });
}

#[test]
fn powers() {
    let strategy = (some(40), fill(&Kind::ALL), 1..60_u32, any::<usize>());
    property("powers", 40, strategy, |(count, values, n, pick)| {
        let x = values.flat(count);
        for (name, device) in some_devices(pick) {
            let t = Tensor::from_flat(&device, &x, &[count]).unwrap();
            for (got, x) in ops::power(&t, n).unwrap().to_vec().unwrap().iter().zip(&x) {
                let want = f64::from(*x).powi(n as i32);
                let bound = |w: f64| 2.0 * f64::from(n) * EPS * w.abs() + TINY;
                assert_one(&format!("{name} {x:e}^{n}"), *got, &[want], bound);
            }
        }
    });
}

/// A NaN that an operation has made on the device is one for the next: compilers may assume that there are none.
#[test]
fn what_leaves_f32_is_never_hidden() {
    for (name, device) in devices() {
        let x = Tensor::from_flat(&device, &[1e38, -1e38, 2.0, 0.0, 1.0], &[1, 5]).unwrap();
        let infinite = ops::unary(Unary::Scale(10.0), &x).unwrap();
        let unknown = ops::binary(Binary::Sub, &infinite, &infinite).unwrap();
        let at = |t: &Tensor| t.to_vec().unwrap();
        assert_eq!(at(&infinite), [f32::INFINITY, f32::NEG_INFINITY, 20.0, 0.0, 10.0], "{name}");
        let nan = |t: &Tensor| at(t).iter().map(|v| v.is_nan()).collect::<Vec<_>>();
        let first_two = [true, true, false, false, false];
        assert_eq!(nan(&unknown), first_two, "{name}");
        for f in UNARY {
            assert_eq!(nan(&ops::unary(f, &unknown).unwrap()), first_two, "{name} {f:?}");
        }
        for f in BINARY.into_iter().filter(|f| *f != Binary::Div) {
            assert_eq!(nan(&ops::binary(f, &unknown, &x).unwrap()), first_two, "{name} {f:?}");
            assert_eq!(nan(&ops::binary(f, &x, &unknown).unwrap()), first_two, "{name} {f:?}");
        }
        for how in [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min] {
            assert_eq!(nan(&ops::reduce(&unknown, how, Axis::Columns).unwrap()), [true], "{name} {how:?}");
            let columns = ops::reduce(&unknown, how, Axis::Rows).unwrap();
            assert_eq!(nan(&columns), first_two, "{name} {how:?}");
        }
        assert!(nan(&ops::softmax(&unknown, 1.0).unwrap()).iter().all(|n| *n), "{name}");
        assert!(nan(&ops::log_sum_exp(&unknown, 1.0).unwrap())[0], "{name}");
        for how in [ops::Normalization::L2, ops::Normalization::Layer { eps: 1.0 }] {
            assert!(nan(&ops::normalize(&unknown, how).unwrap()).iter().all(|n| *n), "{name} {how:?}");
        }
    }
}
