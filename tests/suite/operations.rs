//! Every operation on every device against its f64 reference, on awkward shapes.

use super::common::*;
use attractor::{
    Device, Error, Tensor,
    ops::{self, Axis, Binary, Divergence, Layout, Normalization, Reduction, Similarity, Unary},
    reference,
};

/// Sizes around 1, a vector, a register tile and a staged tile.
const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 5, 3),
    (2, 3, 4),
    (7, 9, 5),
    (8, 8, 16),
    (9, 65, 17),
    (63, 31, 33),
    (65, 66, 70),
    (3, 130, 260),
];

pub(crate) fn product_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(1);
    for (m, n, k) in SHAPES {
        for layout in [Layout::NN, Layout::NT, Layout::TN] {
            let a = if layout == Layout::TN { random.rows(k, m, 1.0) } else { random.rows(m, k, 1.0) };
            let b = if layout == Layout::NT { random.rows(n, k, 1.0) } else { random.rows(k, n, 1.0) };
            let want = reference::matmul(&matrix(&a), &matrix(&b), layout);
            // Rounding errors of k products and sums of order one.
            let bound = 8.0 * EPS * (k as f64).sqrt() * (1.0 + scale(&want.data));
            for (name, device) in devices {
                let got = ops::matmul(&tensor(device, &a), &tensor(device, &b), layout).unwrap();
                assert_eq!(got.shape(), [m, n]);
                assert_close(
                    &format!("{name} {layout:?} {m}x{n}x{k}"),
                    &got.to_vec().unwrap(),
                    &want.data,
                    bound,
                );
            }
        }
    }
}

pub(crate) fn batched_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(8);
    for (m, n, k) in SHAPES {
        let g = 3;
        for layout in [Layout::NN, Layout::NT, Layout::TN] {
            let (ar, ac) = if layout == Layout::TN { (k, m) } else { (m, k) };
            let (br, bc) = if layout == Layout::NT { (n, k) } else { (k, n) };
            let (a, b) = (random.rows(g * ar, ac, 1.0), random.rows(g * br, bc, 1.0));
            let one = |i: usize| {
                let (a, b) = (a.slice(i * ar..(i + 1) * ar), b.slice(i * br..(i + 1) * br));
                reference::matmul(&matrix(&a), &matrix(&b), layout).data
            };
            let want: Vec<f64> = (0..g).flat_map(one).collect();
            // As for a single product.
            let bound = 8.0 * EPS * (k as f64).sqrt() * (1.0 + scale(&want));
            for (name, device) in devices {
                let a = Tensor::from_flat(device, a.as_slice(), &[g, ar, ac]).unwrap();
                let b = Tensor::from_flat(device, b.as_slice(), &[g, br, bc]).unwrap();
                let got = ops::batched_matmul(&a, &b, layout).unwrap();
                assert_eq!(got.shape(), [g, m, n]);
                assert_close(
                    &format!("{name} {layout:?} {g}x{m}x{n}x{k}"),
                    &got.to_vec().unwrap(),
                    &want,
                    bound,
                );
            }
        }
    }
}

pub(crate) fn normalize_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(9);
    for (rows, columns) in [(1, 1), (1, 7), (3, 4), (65, 33), (2, 1000), (130, 64), (5, 4099)] {
        // Far from zero, so that a variance as a difference of squares would be seen.
        let x: Vec<f32> = random.rows(rows, columns, 2.0).as_slice().iter().map(|v| v + 20.0).collect();
        let x = attractor::Rows::new(x, columns).unwrap();
        for how in [Normalization::Layer { eps: 1e-5 }, Normalization::Layer { eps: 0.5 }, Normalization::L2]
        {
            let want: Vec<f64> = matrix(&x).iter().flat_map(|row| reference::normalize(row, how)).collect();
            // The mean of values about 20 is off by a rounding error or two, and so is each value less it;
            // the division by a spread of at least sqrt(1e-5) enlarges that. Single columns are exact.
            let spread = if columns > 4 { 1.0 } else { 0.1 };
            let bound = 4.0 * EPS * (20.0 / spread + scale(&want));
            for (name, device) in devices {
                let got = ops::normalize(&tensor(device, &x), how).unwrap();
                let what = format!("{name} {how:?} {rows}x{columns}");
                assert_close(&what, &got.to_vec().unwrap(), &want, bound);
            }
        }
    }
}

pub(crate) fn append_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(10);
    for (g, n, d) in [(1, 1, 1), (2, 3, 4), (5, 7, 9), (3, 1, 130)] {
        let (x, row) = (random.rows(g * n, d, 1.0), random.rows(1, d, 1.0));
        let want = reference::append_row(&matrix(&x), n, matrix(&row).row(0));
        for (name, device) in devices {
            let x = Tensor::from_flat(device, x.as_slice(), &[g, n, d]).unwrap();
            let got = ops::append_row(&x, &tensor(device, &row)).unwrap();
            assert_eq!(got.shape(), [g, n + 1, d]);
            // Copies are exact.
            assert_close(&format!("{name} {g}x{n}x{d}"), &got.to_vec().unwrap(), &want.data, 0.0);
        }
    }
}

pub(crate) fn similarity_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(2);
    for (b, n, d) in SHAPES {
        let (q, x) = (random.rows(b, d, 1.0), random.rows(n, d, 1.0));
        for kind in Similarity::ALL {
            let want = reference::similarity(&matrix(&q), &matrix(&x), kind);
            // The L2 form is a difference of terms of order |x|^2 <= ~4 d.
            let bound = 8.0 * EPS * (d as f64).sqrt() * (2.0 + (d as f64).sqrt() + scale(&want.data));
            for (name, device) in devices {
                let got = ops::similarity(&tensor(device, &q), &tensor(device, &x), kind).unwrap();
                assert_close(
                    &format!("{name} {kind} {b}x{n}x{d}"),
                    &got.to_vec().unwrap(),
                    &want.data,
                    bound,
                );
            }
        }
    }
}

pub(crate) fn row_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(3);
    for (rows, columns) in [(1, 1), (1, 7), (3, 4), (65, 33), (2, 1000), (130, 64), (5, 4099)] {
        for beta in [0.1_f32, 1.0, 30.0] {
            let z = random.rows(rows, columns, 3.0);
            let m = matrix(&z);
            let p: Vec<f64> = m.iter().flat_map(|row| reference::softmax(row, f64::from(beta))).collect();
            let lse: Vec<f64> = m.iter().map(|row| reference::log_sum_exp(row, f64::from(beta))).collect();
            for (name, device) in devices {
                let t = tensor(device, &z);
                let what = format!("{name} {rows}x{columns} beta {beta}");
                // Scores beta z up to ~12 beta are rounded to f32 before the exponential.
                let bound = EPS * (12.0 + 12.0 * f64::from(beta));
                assert_close(
                    &format!("softmax {what}"),
                    &ops::softmax(&t, beta).unwrap().to_vec().unwrap(),
                    &p,
                    bound,
                );
                let got = ops::log_sum_exp(&t, beta).unwrap();
                assert_eq!(got.shape(), [rows]);
                assert_close(
                    &format!("lse {what}"),
                    &got.to_vec().unwrap(),
                    &lse,
                    bound.max(20.0 * EPS / f64::from(beta)),
                );
            }
        }
        let z = random.rows(rows, columns, 1.0);
        let m = matrix(&z);
        for how in [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min] {
            let (of_rows, of_columns) = (reference::reduce_rows(&m, how), reference::reduce_columns(&m, how));
            for (name, device) in devices {
                let t = tensor(device, &z);
                // A sum of k values passes partial sums of up to its own size.
                let bound = |k: usize, want: &[f64]| EPS * (k as f64).sqrt() * (1.0 + scale(want));
                let got = ops::reduce(&t, how, Axis::Columns).unwrap().to_vec().unwrap();
                let what = format!("{name} {how:?} {rows}x{columns}");
                assert_close(&format!("rows {what}"), &got, &of_rows, bound(columns, &of_rows));
                let got = ops::reduce(&t, how, Axis::Rows).unwrap().to_vec().unwrap();
                assert_close(&format!("columns {what}"), &got, &of_columns, bound(rows, &of_columns));
            }
        }
    }
}

pub(crate) fn top_k_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(4);
    for (rows, columns) in [(1, 1), (3, 5), (66, 70), (2, 3000)] {
        // Few distinct values: ties are the rule.
        let coarse: Vec<f32> = (0..rows * columns).map(|_| random.below(7) as f32 - 3.0).collect();
        // Ascending: every value enters the list.
        let ascending: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        for data in [coarse, ascending] {
            let z = attractor::Rows::new(data, columns).unwrap();
            for k in [0, 1, 3, 17, 1100, columns] {
                if k > columns {
                    continue;
                }
                let want: Vec<(usize, f64)> =
                    matrix(&z).iter().flat_map(|row| reference::top_k(row, k)).collect();
                for (name, device) in devices {
                    let (values, indices) = ops::top_k(&tensor(device, &z), k).unwrap();
                    let got: Vec<(usize, f64)> =
                        indices.iter().zip(&values).map(|(i, v)| (*i as usize, f64::from(*v))).collect();
                    assert_eq!(got, want, "{name} {rows}x{columns} k {k}");
                }
            }
        }
    }
}

pub(crate) fn elementwise_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(5);
    let x = random.rows(7, 13, 2.0);
    let positive =
        attractor::Rows::new(x.as_slice().iter().map(|v| v.abs() + 0.1).collect::<Vec<_>>(), 13).unwrap();
    let y = attractor::Rows::new(
        random.rows(7, 13, 1.0).as_slice().iter().map(|v| v + 3.0).collect::<Vec<_>>(),
        13,
    )
    .unwrap();
    let functions = [
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
    for (name, device) in devices {
        for f in functions {
            let x = if matches!(f, Unary::Sqrt | Unary::Log) { &positive } else { &x };
            let want: Vec<f64> = x.as_slice().iter().map(|v| reference::unary(f, f64::from(*v))).collect();
            // WGSL promises exp to 3 + 2|x| ulp, log to 2^-21 near 1 and tanh to 1e-5.
            let bound = match f {
                Unary::Tanh => 1e-5,
                Unary::Exp => 20.0 * EPS * scale(&want),
                Unary::Log | Unary::Softplus | Unary::LogCosh => 5e-7,
                _ => 3.0 * EPS * scale(&want),
            };
            let got = ops::unary(f, &tensor(device, x)).unwrap().to_vec().unwrap();
            assert_close(&format!("{name} {f:?}"), &got, &want, bound);
        }
        for f in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min] {
            for rows in [7, 1] {
                let y = y.slice(0..rows);
                let want: Vec<f64> = (0..7 * 13)
                    .map(|i| {
                        reference::binary(f, x.as_slice()[i].into(), y.as_slice()[i % (rows * 13)].into())
                    })
                    .collect();
                let got = ops::binary(f, &tensor(device, &x), &tensor(device, &y)).unwrap().to_vec().unwrap();
                assert_close(&format!("{name} {f:?}"), &got, &want, 4.0 * EPS * (1.0 + scale(&want)));
            }
            let of_rows: Vec<f32> = (0..7).map(|i| y[(i, 0)]).collect();
            let want: Vec<f64> = (0..7 * 13)
                .map(|i| reference::binary(f, x.as_slice()[i].into(), of_rows[i / 13].into()))
                .collect();
            let of_rows = Tensor::from_flat(device, &of_rows, &[7]).unwrap();
            let got = ops::by_row(f, &tensor(device, &x), &of_rows).unwrap().to_vec().unwrap();
            assert_close(&format!("{name} {f:?} by row"), &got, &want, 4.0 * EPS * (1.0 + scale(&want)));
        }
        // Far out, where the plain formulas overflow.
        let far = Tensor::from_flat(device, &[-1e4, -100.0, 100.0, 1e4], &[1, 4]).unwrap();
        let at = |f| ops::unary(f, &far).unwrap().to_vec().unwrap();
        assert_close(name, &at(Unary::Sigmoid), &[0.0, 0.0, 1.0, 1.0], EPS);
        assert_close(name, &at(Unary::Softplus), &[0.0, 0.0, 100.0, 1e4], EPS);
        let ln2 = std::f64::consts::LN_2;
        let want = [1e4 - ln2, 100.0 - ln2, 100.0 - ln2, 1e4 - ln2];
        assert_close(name, &at(Unary::LogCosh), &want, 1e4 * EPS);
    }
}

/// Distributions `[rows, d]`, about a third of their entries 0.
fn distributions(random: &mut Random, rows: usize, d: usize) -> attractor::Rows<'static> {
    let mut data = Vec::new();
    for _ in 0..rows {
        let kept: Vec<f64> = (0..d)
            .map(|i| if i > 0 && random.below(3) == 0 { 0.0 } else { random.uniform() + 1e-4 })
            .collect();
        let sum: f64 = kept.iter().sum();
        data.extend(kept.iter().map(|v| (v / sum) as f32));
    }
    attractor::Rows::new(data, d).unwrap()
}

pub(crate) fn divergence_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(8);
    for (b, n, d) in SHAPES {
        let (q, p) = (distributions(&mut random, b, d), distributions(&mut random, n, d));
        for kind in Divergence::ALL {
            let want = reference::divergence(&matrix(&q), &matrix(&p), kind);
            // A sum of d terms a log r with sum a = 1: log r is up to 69 at zeros, its error there relative, else
            // that of log by WGSL, 2^-21.
            let bound = 5e-7 + 8.0 * EPS * (d as f64).sqrt().min(8.0) * (1.0 + scale(&want.data));
            for (name, device) in devices {
                let got = ops::divergence(&tensor(device, &q), &tensor(device, &p), kind).unwrap();
                assert_eq!(got.shape(), [b, n]);
                let what = format!("{name} {kind:?} {b}x{n}x{d}");
                assert_close(&what, &got.to_vec().unwrap(), &want.data, bound);
            }
        }
    }
}

fn step_cases(devices: &[(&'static str, Device)]) {
    for shape in [(1, 1, 1), (1, 700, 5), (3, 50, 16), (9, 333, 7), (66, 70, 65), (2, 5000, 12)] {
        for kind in Similarity::ALL {
            for beta in [0.2_f32, 4.0] {
                step_case(devices, shape, kind, beta);
            }
        }
    }
}

pub(crate) fn step_case(
    devices: &[(&'static str, Device)],
    (b, n, d): (usize, usize, usize),
    kind: Similarity,
    beta: f32,
) {
    let mut random = Random::new(6);
    let (q, x) = (random.rows(b, d, 1.0), random.rows(n, d, 1.0));
    let model =
        reference::DenseModel { patterns: matrix(&x), similarity: kind, beta: beta.into(), mask: None };
    let steps: Vec<_> = matrix(&q).iter().map(|row| model.step(row)).collect();
    let state: Vec<f64> = steps.iter().flat_map(|s| s.state.clone()).collect();
    // The operation leaves out the constants of the dot energy.
    let largest = matrix(&x).iter().map(|r| r.iter().map(|v| v * v).sum::<f64>()).fold(0.0, f64::max);
    let constant =
        if kind == Similarity::Dot { (n as f64).ln() / f64::from(beta) + 0.5 * largest } else { 0.0 };
    let energy: Vec<f64> = steps.iter().map(|s| s.energy - constant).collect();
    for (name, device) in devices {
        let (s, e) = ops::step(&tensor(device, &q), &tensor(device, &x), beta, kind).unwrap();
        assert_eq!((s.shape(), e.shape()), (&[b, d][..], &[b][..]));
        let what = format!("{name} {kind} {b}x{n}x{d} beta {beta}");
        // beta * score is rounded at about beta (d + |x|^2): an error of the exponent.
        let exponent = EPS * f64::from(beta) * (2.0 * d as f64 + 8.0);
        assert_close(
            &format!("state {what}"),
            &s.to_vec().unwrap(),
            &state,
            (4.0 * exponent + 8.0 * EPS) * 4.0,
        );
        let bound = (exponent + 20.0 * EPS) / f64::from(beta) + 8.0 * EPS * scale(&energy);
        assert_close(&format!("energy {what}"), &e.to_vec().unwrap(), &energy, bound);
    }
}

#[test]
fn products_match() {
    product_cases(&devices());
}

#[test]
fn batched_products_match() {
    batched_cases(&devices());
}

#[test]
fn appended_rows_match() {
    append_cases(&devices());
}

#[test]
fn normalized_rows_match() {
    normalize_cases(&devices());
}

#[test]
fn similarities_match() {
    similarity_cases(&devices());
}

#[test]
fn softmax_and_reductions_match() {
    row_cases(&devices());
}

#[test]
fn top_k_matches_with_ties() {
    top_k_cases(&devices());
}

#[test]
fn elementwise_matches() {
    elementwise_cases(&devices());
}

/// A pattern that contradicts the query in a thousandth of its mass is infinitely far: farther than one that contradicts it nowhere, however
/// unlike it is.
#[test]
fn infinite_divergences_come_after_all_finite_ones() {
    let q = attractor::Rows::new(vec![0.499_f32, 0.5, 0.001], 3).unwrap();
    let p =
        attractor::Rows::new(vec![0.5_f32, 0.5, 0.0, 0.98, 0.01, 0.01, 1e-20, 1e-20, 1.0, 0.0, 0.5, 0.5], 3);
    let p = p.unwrap();
    for (name, device) in devices() {
        let near = |kind, q: &attractor::Rows<'_>, p: &attractor::Rows<'_>| {
            ops::divergence(&tensor(&device, q), &tensor(&device, p), kind).unwrap().to_vec().unwrap()
        };
        let kl = near(Divergence::Kl, &q, &p);
        assert!(kl[1] < kl[2] && kl[2] < kl[0] && kl[0] < kl[3], "{name}: {kl:?}");
        let turned = near(Divergence::ReverseKl, &p, &q);
        assert!(
            turned[1] < turned[2] && turned[2] < turned[0] && turned[0] < turned[3],
            "{name}: {turned:?}"
        );
        assert!(near(Divergence::JensenShannon, &q, &p).iter().all(|js| *js < 0.7), "{name}");
    }
}

#[test]
fn divergences_match() {
    divergence_cases(&devices());
}

/// Worked by hand: halves against quarters, and distributions that exclude each other.
#[test]
fn divergences_have_their_known_values() {
    let ln2 = std::f64::consts::LN_2;
    let q = attractor::Rows::new(vec![0.5_f32, 0.5, 0.0], 3).unwrap();
    let p = attractor::Rows::new(vec![0.5_f32, 0.5, 0.0, 0.25, 0.25, 0.5, 0.0, 0.0, 1.0], 3).unwrap();
    // A zero counts as 1e-30, and what is infinite has 128 on top.
    let shut = 1e30_f64.ln();
    let infinite = f64::from(ops::INFINITE);
    let h = |v: &[f64]| -v.iter().map(|x| x * x.ln()).sum::<f64>();
    let cases = [
        (Divergence::Kl, [0.0, ln2, shut - ln2 + infinite]),
        (
            Divergence::ReverseKl,
            [0.0, 0.5 * 0.5_f64.ln() + 0.5 * (shut + 0.5_f64.ln()) + infinite, shut + infinite],
        ),
        // H(m) - (H(q) + H(p)) / 2 with m = (3/8, 3/8, 1/4).
        (Divergence::JensenShannon, [0.0, h(&[0.375, 0.375, 0.25]) - 0.5 * (ln2 + 1.5 * ln2), ln2]),
    ];
    for (name, device) in devices() {
        for (kind, want) in cases {
            let oracle = reference::divergence(&matrix(&q), &matrix(&p), kind);
            for (o, w) in oracle.data.iter().zip(want) {
                assert!((o - w).abs() < 1e-6, "{kind:?}: {:?}, want {want:?}", oracle.data);
            }
            let got = ops::divergence(&tensor(&device, &q), &tensor(&device, &p), kind).unwrap();
            assert_close(
                &format!("{name} {kind:?}"),
                &got.to_vec().unwrap(),
                &want,
                2e-7 * (1.0 + scale(&want)),
            );
        }
    }
}

#[test]
fn steps_match() {
    step_cases(&devices());
}

/// The kernels as wgpu would run untrusted code: a fault that its checks hide or reveal shows here.
#[test]
fn checked_kernels_agree() {
    let devices = checked_gpus();
    product_cases(devices);
    step_cases(devices);
    let devices = differing(devices);
    batched_cases(&devices);
    append_cases(&devices);
    normalize_cases(&devices);
    similarity_cases(&devices);
    row_cases(&devices);
    top_k_cases(&devices);
    elementwise_cases(&devices);
    divergence_cases(&devices);
}

/// Beyond the trips that one invocation may make, work is cut.
#[test]
fn long_inner_dimensions_are_cut() {
    let (products, rows) = (["direct", "small", "medium", "large"], ["direct", "medium"]);
    for (name, device) in gpus().iter().filter(|(name, _)| products.contains(name)) {
        let k = 4 * 32_768 + 5;
        let ones = attractor::Rows::new(vec![1.0_f32; k], 1).unwrap();
        let tall = tensor(device, &ones);
        let wide = Tensor::from_flat(device, ones.as_slice(), &[1, k]).unwrap();
        // Whole numbers below 2^24 add without error.
        assert_eq!(ops::matmul(&wide, &tall, Layout::NN).unwrap().to_vec().unwrap(), [k as f32], "{name}");
        assert_eq!(ops::matmul(&tall, &tall, Layout::TN).unwrap().to_vec().unwrap(), [k as f32], "{name}");
        assert_eq!(ops::matmul(&wide, &wide, Layout::NT).unwrap().to_vec().unwrap(), [k as f32], "{name}");
        if !rows.contains(name) {
            continue;
        }
        assert_eq!(ops::reduce(&wide, Reduction::Sum, Axis::Columns).unwrap().to_vec().unwrap(), [k as f32]);
        assert_eq!(ops::reduce(&tall, Reduction::Sum, Axis::Rows).unwrap().to_vec().unwrap(), [k as f32]);
        // Twice as dense on one half and nothing on the other: log 2.
        let flat = vec![1.0 / k as f32; k];
        let half: Vec<f32> = (0..k).map(|i| if i < k / 2 { 2.0 / k as f32 } else { 0.0 }).collect();
        let on = |values: &[f32]| Tensor::from_flat(device, values, &[1, k]).unwrap();
        let got = ops::divergence(&on(&half), &on(&flat), Divergence::Kl).unwrap().to_vec().unwrap();
        // Blocks of up to 64 terms, and up to 256 of them to a sum.
        assert_close(name, &got, &[std::f64::consts::LN_2], 64.0 * EPS);
    }
}

#[test]
fn empty_tensors_are_fine() {
    for (_, device) in devices() {
        let none = Tensor::from_flat(&device, &[], &[0, 4]).unwrap();
        let some = Tensor::from_flat(&device, &[1.0; 8], &[2, 4]).unwrap();
        assert_eq!(ops::matmul(&none, &some, Layout::NT).unwrap().shape(), [0, 2]);
        assert_eq!(ops::matmul(&none, &none, Layout::TN).unwrap().to_vec().unwrap(), [0.0; 16]);
        assert_eq!(ops::unary(Unary::Neg, &none).unwrap().to_vec().unwrap(), Vec::<f32>::new());
        assert_eq!(ops::reduce(&none, Reduction::Sum, Axis::Rows).unwrap().to_vec().unwrap(), [0.0; 4]);
        assert!(ops::reduce(&none, Reduction::Max, Axis::Rows).is_err());
        assert_eq!(ops::normalize(&none, Normalization::L2).unwrap().shape(), [0, 4]);
        let none = Tensor::from_flat(&device, &[], &[2, 0, 3]).unwrap();
        assert_eq!(ops::batched_matmul(&none, &none, Layout::TN).unwrap().to_vec().unwrap(), [0.0; 18]);
        let none = Tensor::from_flat(&device, &[], &[0, 4]).unwrap();
        assert!(matches!(ops::step(&some, &none, 1.0, Similarity::L2), Err(Error::EmptyMemory)));
        let flat = Tensor::from_flat(&device, &[], &[3, 0]).unwrap();
        assert_eq!(ops::similarity(&flat, &flat, Similarity::Cosine).unwrap().to_vec().unwrap(), [0.0; 9]);
        assert_eq!(ops::reduce(&flat, Reduction::Sum, Axis::Columns).unwrap().to_vec().unwrap(), [0.0; 3]);
        assert!(ops::step(&flat, &flat, 1.0, Similarity::L2).is_err());
        let infinite =
            Tensor::from_flat(&device, &[f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY], &[1, 3]).unwrap();
        assert_eq!(ops::argmax(&infinite).unwrap(), [1]);
        assert!(ops::top_k(&infinite, 3).is_err());
    }
}

/// What one operation leaves in the padding of its result must not show in the next.
#[test]
fn operations_chain_on_odd_shapes() {
    let mut random = Random::new(7);
    let (q, x) = (random.rows(5, 3, 1.0), random.rows(7, 3, 1.0));
    let scores = reference::similarity(&matrix(&q), &matrix(&x), Similarity::L2);
    let sums = reference::reduce_rows(&scores, Reduction::Sum);
    let total: f64 = sums.iter().sum();
    let gram = reference::matmul(&scores, &scores, Layout::NT);
    let lse: Vec<f64> = scores.iter().map(|row| reference::log_sum_exp(row, 1.0)).collect();
    let squares: f64 = lse.iter().map(|v| v * v).sum();
    let products = reference::matmul(&matrix(&q), &matrix(&x), Layout::NT);
    let gram_of_products = reference::matmul(&products, &products, Layout::NT);
    for (name, device) in devices() {
        // Dirty buffers wait in the pool.
        for size in [1, 3, 5, 7, 9, 35] {
            drop(ops::unary(Unary::Shift(-1e6), &tensor(&device, &random.rows(5, size, 1.0))).unwrap());
        }
        let s = ops::similarity(&tensor(&device, &q), &tensor(&device, &x), Similarity::L2).unwrap();
        let got = ops::reduce(&s, Reduction::Sum, Axis::Columns).unwrap();
        assert_close(&format!("{name} sums"), &got.to_vec().unwrap(), &sums, 1e-4);
        let got = ops::reduce(&got, Reduction::Sum, Axis::Columns).unwrap();
        assert_close(&format!("{name} total"), &got.to_vec().unwrap(), &[total], 1e-4);
        let got = ops::matmul(&s, &s, Layout::NT).unwrap();
        assert_close(&format!("{name} gram"), &got.to_vec().unwrap(), &gram.data, 1e-3);
        let p = ops::matmul(&tensor(&device, &q), &tensor(&device, &x), Layout::NT).unwrap();
        let got = ops::matmul(&p, &p, Layout::NT).unwrap();
        assert_close(
            &format!("{name} gram of products"),
            &got.to_vec().unwrap(),
            &gram_of_products.data,
            1e-4,
        );
        let l = ops::log_sum_exp(&s, 1.0).unwrap();
        let got = ops::matmul(&l, &l, Layout::NT).unwrap();
        assert_close(&format!("{name} squares"), &got.to_vec().unwrap(), &[squares], 1e-3);
    }
}

#[test]
fn misuse_is_an_error() {
    let cpu = Device::cpu();
    let a = Tensor::from_flat(&cpu, &[0.0; 6], &[2, 3]).unwrap();
    let b = Tensor::from_flat(&cpu, &[0.0; 8], &[2, 4]).unwrap();
    assert!(matches!(ops::matmul(&a, &b, Layout::NT), Err(Error::DimensionMismatch { got: 4, want: 3, .. })));
    assert!(ops::similarity(&a, &b, Similarity::Dot).is_err());
    assert!(ops::binary(Binary::Add, &a, &b).is_err());
    assert!(ops::batched_matmul(&a, &a, Layout::NT).is_err());
    assert!(ops::append_row(&a, &a).is_err());
    assert!(ops::normalize(&a, Normalization::Layer { eps: -1.0 }).is_err());
    assert!(ops::top_k(&a, 4).is_err());
    assert!(ops::softmax(&a, 0.0).is_err());
    assert!(ops::step(&a, &a, f32::NAN, Similarity::L2).is_err());
    let tall = Tensor::from_flat(&cpu, &[], &[1 << 40, 0]).unwrap();
    assert!(matches!(ops::matmul(&tall, &tall, Layout::NT), Err(Error::OutOfMemory { .. })));
    assert!(Tensor::from_flat(&cpu, &[0.0; 6], &[2, 2]).is_err());
    assert!(Tensor::from_flat(&cpu, &[0.0; 6], &[1, 1, 1, 1, 6]).is_err());
    for (_, gpu) in gpus() {
        let far = a.to_device(gpu).unwrap();
        assert!(matches!(ops::matmul(&a, &far, Layout::NT), Err(Error::DeviceMismatch { .. })));
    }
}

/// Small whole numbers: every product is exact, and there are many ties, which go to the lowest index.
#[test]
fn the_nearest_patterns_match_with_ties() {
    let mut random = Random::new(60);
    for (b, n, d) in [(1, 40, 3), (8, 700, 5), (9, 130, 4), (70, 300, 9), (3, 2500, 2)] {
        let mut whole = |rows: usize| {
            let values: Vec<f32> = (0..rows * d).map(|_| random.below(5) as f32 - 2.0).collect();
            attractor::Rows::new(values, d).unwrap()
        };
        let (q, x) = (whole(b), whole(n));
        for kind in [Similarity::Dot, Similarity::L2, Similarity::L1] {
            let similarities = reference::similarity(&matrix(&q), &matrix(&x), kind);
            for k in [1, 4, 10, 12, 13, 17, 40] {
                let mut want: (Vec<f64>, Vec<u32>) = Default::default();
                for row in similarities.iter() {
                    let best = reference::top_k(row, k);
                    want.0.extend(best.iter().map(|e| e.1));
                    want.1.extend(best.iter().map(|e| e.0 as u32));
                }
                // Lists of every length by kernels that differ in how they keep them, one length by all.
                for (name, device) in if k == 10 { devices() } else { varied() } {
                    let (q, x) = (tensor(&device, &q), tensor(&device, &x));
                    let (values, indices) = ops::nearest(&q, &x, k, kind).unwrap();
                    assert_eq!(indices, want.1, "{name} {b}x{n}x{d} {kind} {k}");
                    let values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
                    assert_eq!(values, want.0, "{name} {b}x{n}x{d} {kind} {k}");
                }
            }
        }
    }
}
