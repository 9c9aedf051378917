//! Matrix products, and what is made of all pairs of rows.

use super::*;
use attractor::{
    Tensor,
    ops::{self, Divergence, Layout, Similarity, UniversalSeparation, UniversalSimilarity},
    reference,
};

/// Shapes of products: about tiles on one side, long on another, empty on any.
fn shape() -> impl Strategy<Value = (usize, usize, usize)> {
    prop_oneof![
        3 => (size(20), size(70), size(40)),
        2 => (size(130), size(9), size(70)),
        1 => (some(3), some(5), some(1100)),
    ]
}

/// What the elements of a product must be.
fn wanted(a: &Matrix, b: &Matrix, layout: Layout) -> Vec<Want> {
    let sizes = |m: &Matrix| Matrix { data: m.data.iter().map(|v| v.abs()).collect(), ..m.clone() };
    let exact = reference::matmul(a, b, layout);
    let all = reference::matmul(&sizes(a), &sizes(b), layout);
    let k = if layout == Layout::TN { a.rows } else { a.columns } as f64;
    let of =
        |(value, all): (&f64, &f64)| Want::sum(*value, *all, EPS * (4.0 + 2.0 * k.sqrt()) * all + k * TINY);
    exact.data.iter().zip(&all.data).map(of).collect()
}

fn operands(m: usize, n: usize, k: usize, layout: Layout) -> [[usize; 2]; 2] {
    [if layout == Layout::TN { [k, m] } else { [m, k] }, if layout == Layout::NT { [n, k] } else { [k, n] }]
}

fn matrix_of(data: &[f32], [rows, columns]: [usize; 2]) -> Matrix {
    Matrix { data: wide(data), rows, columns }
}

#[test]
fn products() {
    let layouts = [Layout::NN, Layout::NT, Layout::TN];
    let strategy = (
        shape(),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(layouts.to_vec()),
        any::<usize>(),
    );
    property("products", 70, strategy, |((m, n, k), (a, b), layout, pick)| {
        let [sa, sb] = operands(m, n, k, layout);
        let (a, b) = (a.flat(m * k), b.flat(n * k));
        let want = wanted(&matrix_of(&a, sa), &matrix_of(&b, sb), layout);
        for (name, device) in some_devices(pick) {
            let a = Tensor::from_flat(&device, &a, &sa).unwrap();
            let b = Tensor::from_flat(&device, &b, &sb).unwrap();
            let got = ops::matmul(&a, &b, layout).unwrap();
            assert_eq!(got.shape(), [m, n]);
            assert_all(&format!("{name} {layout:?} {m}x{n}x{k}"), &got.to_vec().unwrap(), &want);
        }
    });
}

#[test]
fn batched_products() {
    let layouts = [Layout::NN, Layout::NT, Layout::TN];
    let strategy = (
        (size(4), size(34), size(34), size(20)),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(layouts.to_vec()),
        any::<usize>(),
    );
    property("batched products", 40, strategy, |((g, m, n, k), (a, b), layout, pick)| {
        let [sa, sb] = operands(m, n, k, layout);
        let (a, b) = (a.flat(g * m * k), b.flat(g * n * k));
        let one = |i: usize| {
            let (a, b) = (&a[i * m * k..(i + 1) * m * k], &b[i * n * k..(i + 1) * n * k]);
            wanted(&matrix_of(a, sa), &matrix_of(b, sb), layout)
        };
        let want: Vec<Want> = (0..g).flat_map(one).collect();
        for (name, device) in some_devices(pick) {
            let a = Tensor::from_flat(&device, &a, &[g, sa[0], sa[1]]).unwrap();
            let b = Tensor::from_flat(&device, &b, &[g, sb[0], sb[1]]).unwrap();
            let got = ops::batched_matmul(&a, &b, layout).unwrap();
            assert_eq!(got.shape(), [g, m, n]);
            assert_all(&format!("{name} {layout:?} {g}x{m}x{n}x{k}"), &got.to_vec().unwrap(), &want);
        }
    });
}

/// Few weights that are not 0 take another way on the CPU.
#[test]
fn weighted_sums() {
    let strategy = ((size(5), size(70), size(20)), fill(&Kind::TAME), any::<u64>(), any::<usize>());
    property("weighted sums", 30, strategy, |((b, n, v), rows, seed, pick)| {
        let mut random = Random::new(seed);
        let weight = |random: &mut Random| if random.below(30) == 0 { random.normal() as f32 } else { 0.0 };
        let weights: Vec<f32> = (0..b * n).map(|_| weight(&mut random)).collect();
        let rows = rows.flat(n * v);
        let want = wanted(&matrix_of(&weights, [b, n]), &matrix_of(&rows, [n, v]), Layout::NN);
        for (name, device) in some_devices(pick) {
            let weights = Tensor::from_flat(&device, &weights, &[b, n]).unwrap();
            let rows = Tensor::from_flat(&device, &rows, &[n, v]).unwrap();
            let got = ops::weighted_sum(&weights, &rows).unwrap();
            assert_all(&format!("{name} {b}x{n}x{v}"), &got.to_vec().unwrap(), &want);
        }
    });
}

/// What a similarity of two rows must be.
pub(super) fn of_pair(x: &[f64], xi: &[f64], kind: Similarity) -> Want {
    let d = x.len() as f64;
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(xi).map(|(a, b)| f(*a, *b)).sum::<f64>();
    let (a, b) = (sum(&|a, _| a * a), sum(&|_, b| b * b));
    let exact = reference::similarity(
        &Matrix { data: x.to_vec(), rows: 1, columns: x.len() },
        &Matrix { data: xi.to_vec(), rows: 1, columns: x.len() },
        kind,
    )
    .data[0];
    let c = EPS * (6.0 + 2.0 * d.sqrt());
    if !(a.is_finite() && b.is_finite()) {
        return Want::NotFinite;
    }
    match kind {
        Similarity::Dot => {
            let all = sum(&|a, b| (a * b).abs());
            Want::sum(exact, all, c * all + d * TINY)
        }
        Similarity::L1 => {
            let all = sum(&|a, b| a.abs() + b.abs());
            Want::sum(exact, all, c * all + d * TINY)
        }
        // A difference of lengths and products.
        Similarity::L2 => Want::sum(exact, 2.0 * (a + b), c * (a + b) + d * TINY),
        Similarity::Cosine if a.max(b) > 1.01 * MOST => Want::Nan,
        Similarity::Cosine if a.max(b) > 0.99 * MOST => Want::NearOrNotFinite(exact, c),
        // Squares near the least normal number lose digits, or vanish.
        Similarity::Cosine if a.min(b) > 1e6 * d * TINY || a.min(b) < 1e-6 * TINY => {
            Want::Near(exact, c + TINY)
        }
        Similarity::Cosine => Want::NearOrNotFinite(0.0, 1.1),
    }
}

#[test]
fn similarities() {
    let strategy = (
        (size(20), size(70), size(40)),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(&Similarity::ALL[..]),
        any::<usize>(),
    );
    property("similarities", 90, strategy, |((b, n, d), (q, x), kind, pick)| {
        let (q, x) = (q.flat(b * d), x.flat(n * d));
        let (qm, xm) = (matrix_of(&q, [b, d]), matrix_of(&x, [n, d]));
        let want: Vec<Want> = qm.iter().flat_map(|q| xm.iter().map(move |x| of_pair(q, x, kind))).collect();
        for (name, device) in some_devices(pick) {
            let q = Tensor::from_flat(&device, &q, &[b, d]).unwrap();
            let x = Tensor::from_flat(&device, &x, &[n, d]).unwrap();
            let got = ops::similarity(&q, &x, kind).unwrap();
            assert_eq!(got.shape(), [b, n]);
            assert_all(&format!("{name} {kind} {b}x{n}x{d}"), &got.to_vec().unwrap(), &want);
        }
    });
}

/// Long patterns are not hidden ones: a bias below the sentinel used to be taken for a mask.
#[test]
fn long_rows_are_not_hidden() {
    for (name, device) in devices() {
        let of = |values: &[f32]| Tensor::from_flat(&device, values, &[values.len() / 2, 2]).unwrap();
        let (q, x) = (of(&[1e16, 0.0]), of(&[0.0, 1.0, 1e16, 0.0, 3e16, 0.0]));
        let got = ops::similarity(&q, &x, Similarity::L2).unwrap().to_vec().unwrap();
        assert_close(name, &got, &[-5e31, 0.0, -2e32], 1e26);
        let (values, indices) = ops::nearest(&q, &x, 2, Similarity::L2).unwrap();
        assert_eq!(indices, [1, 0], "{name}");
        assert_close(name, &values, &[0.0, -5e31], 1e26);
    }
}

/// Rows that are distributions, with zeros among their values; some are huge or unknown.
fn distributions(values: Fill, rows: usize, d: usize) -> Vec<f32> {
    let mut flat = values.flat(rows * d);
    flat.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
    if matches!(values.0, Kind::Normal | Kind::Equal | Kind::Offset) {
        for row in flat.chunks_mut(d.max(1)) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum.max(1e-3));
        }
    }
    flat
}

#[test]
fn divergences() {
    let kinds: &'static [Kind] = &[Kind::Normal, Kind::Offset, Kind::Equal, Kind::Wide, Kind::Unknown];
    let strategy = (
        (size(9), size(20), size(40)),
        (fill(kinds), fill(kinds)),
        prop::sample::select(&Divergence::ALL[..]),
        any::<usize>(),
    );
    property("divergences", 60, strategy, |((b, n, d), (q, p), kind, pick)| {
        let (q, p) = (distributions(q, b, d), distributions(p, n, d));
        let (qm, pm) = (matrix_of(&q, [b, d]), matrix_of(&p, [n, d]));
        let exact = reference::divergence(&qm, &pm, kind);
        let want: Vec<Want> = (0..b * n)
            .map(|i| {
                let (q, p) = (qm.row(i / n), pm.row(i % n));
                let all = q.iter().chain(p);
                if all.clone().any(|v| v.is_nan()) {
                    return Want::NotFinite;
                }
                let largest = all.clone().fold(0.0_f64, |m, v| m.max(*v));
                let mass: f64 = all.filter(|v| v.is_finite()).sum();
                // Logarithms of up to 88 have the error of theirs, ratios that of a division.
                // Of what is infinite, the rounding of what is on top.
                let bound = mass * (90.0 * 4.0 * EPS + 1e-6) * (1.0 + (d as f64).sqrt() / 8.0)
                    + 2.0 * EPS * f64::from(ops::INFINITE);
                if largest > 3e8 {
                    Want::NearOrNotFinite(exact.data[i], bound)
                } else {
                    Want::Near(exact.data[i], bound)
                }
            })
            .collect();
        for (name, device) in some_devices(pick) {
            let q = Tensor::from_flat(&device, &q, &[b, d]).unwrap();
            let p = Tensor::from_flat(&device, &p, &[n, d]).unwrap();
            let got = ops::divergence(&q, &p, kind).unwrap().to_vec().unwrap();
            assert_all(&format!("{name} {kind:?} {b}x{n}x{d}"), &got, &want);
        }
    });
}

#[test]
fn divergences_show_what_is_no_number() {
    for (name, device) in devices() {
        let of = |values: &[f32]| Tensor::from_flat(&device, values, &[1, values.len()]).unwrap();
        for kind in Divergence::ALL {
            for spoiled in [f32::NAN, f32::INFINITY] {
                let (good, bad) = (of(&[0.25, 0.25, 0.5, 0.0, 0.0]), of(&[0.5, 0.0, 0.0, 0.0, spoiled]));
                let got = ops::divergence(&bad, &bad, kind).unwrap().to_vec().unwrap();
                assert!(!got[0].is_finite(), "{name} {kind:?} {spoiled}: {got:?}");
                let got = ops::divergence(&bad, &good, kind).unwrap().to_vec().unwrap();
                // No share of nothing, however large the other is.
                let none = kind == Divergence::ReverseKl && spoiled.is_infinite();
                assert!(none || !got[0].is_finite(), "{name} {kind:?} {spoiled}: {got:?}");
            }
        }
        // A ratio of 1e40.
        let got = ops::divergence(&of(&[1e10]), &of(&[0.0]), Divergence::Kl).unwrap().to_vec().unwrap();
        assert!(!got[0].is_finite(), "{name}: {got:?}");
    }
}

#[test]
fn universal_weights_and_their_errors() {
    let separations = [
        UniversalSeparation::Identity,
        UniversalSeparation::Sqrt,
        UniversalSeparation::Log,
        UniversalSeparation::Power(3),
        UniversalSeparation::Power(10),
        UniversalSeparation::Softmax,
        UniversalSeparation::Max,
    ];
    let strategy = (
        (size(5), size(20)),
        fill(&Kind::ALL),
        prop::sample::select(separations.to_vec()),
        any::<bool>(),
        any::<usize>(),
    );
    property("universal weights", 80, strategy, |((b, n), values, separation, positive, pick)| {
        let mut z = values.flat(b * n);
        if positive {
            z.iter_mut().for_each(|v| *v = v.abs());
        }
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &z, &[b, n]).unwrap();
                (name, ops::universal_weights(&t, separation, 1.0).map(|t| t.to_vec().unwrap()))
            })
            .collect();
        if same_errors(&results) {
            return;
        }
        let cpu = results[0].1.as_ref().unwrap();
        for (name, got) in &results {
            let want: Vec<Want> = cpu
                .iter()
                .map(|v| match f64::from(*v) {
                    v if v.is_nan() => Want::Nan,
                    v if v.is_infinite() => Want::NotFinite,
                    v => Want::Near(v, 1e-6 + 40.0 * EPS * v.abs()),
                })
                .collect();
            assert_all(&format!("{name} {separation}"), got.as_ref().unwrap(), &want);
        }
    });
}

#[test]
fn universal_similarities() {
    let strategy = (
        (size(5), size(9), size(20)),
        (fill(&Kind::TAME), fill(&Kind::TAME)),
        prop::sample::select(&UniversalSimilarity::ALL[..]),
        any::<usize>(),
    );
    property("universal similarities", 40, strategy, |((b, n, d), (q, p), kind, pick)| {
        let (q, p) = (distributions(q, b, d), distributions(p, n, d));
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let q = Tensor::from_flat(&device, &q, &[b, d]).unwrap();
                let p = Tensor::from_flat(&device, &p, &[n, d]).unwrap();
                (name, ops::universal_similarity(&q, &p, kind).unwrap().to_vec().unwrap())
            })
            .collect();
        for (name, got) in &results[1..] {
            assert_close(&format!("{name} {kind}"), got, &wide(&results[0].1), 4e-5);
        }
    });
}
