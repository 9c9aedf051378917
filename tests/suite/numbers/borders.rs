//! Borders of counts: loop trips, workgroups along one dimension, shards, segments.

use super::*;
use attractor::{
    Error, Tensor,
    memory::{BinaryMemory, BinarySettings, DenseMemory, HopfieldMemory, HopfieldSettings, Memory, Order},
    ops::{self, Axis, Binary, Interaction, Layout, Reduction, Similarity, Unary},
    prelude::RecallOptions,
};

/// Software adapters end the loops of an invocation without a word; every bit of a long sweep must still be looked at.
#[test]
fn long_sweeps_look_at_every_bit() {
    let d = 9000;
    let mut random = Random::new(1);
    let values: Vec<f32> = (0..2 * d).map(|_| [-1.0, 1.0][random.below(2)]).collect();
    let patterns = Rows::new(values, d).unwrap();
    let mut cue = patterns.row(0).to_vec();
    (0..d / 4).for_each(|i| cue[4 * i] *= -1.0);
    let cue = Rows::new(cue, d).unwrap();
    let options = RecallOptions { steps: 1, ..RecallOptions::default() };
    for (name, device) in devices() {
        let settings = BinarySettings {
            device: Some(device.clone()),
            order: Order::Asynchronous,
            ..BinarySettings::new(Interaction::Polynomial(2))
        };
        let memory = BinaryMemory::with(&patterns, settings).unwrap();
        let recall = memory.recall_with(&cue, &options).unwrap();
        assert_eq!(recall.states.row(0), patterns.row(0), "{name}");
    }
    // A matrix of 9000 x 9000 would take too long; the same loops, over fewer bits.
    let d = 600;
    let few = Rows::new(patterns.row(1)[..d].to_vec(), d).unwrap();
    let mut cue = few.row(0).to_vec();
    (0..d / 4).for_each(|i| cue[4 * i] *= -1.0);
    for (name, device) in devices() {
        let settings = HopfieldSettings {
            device: Some(device.clone()),
            order: Order::Asynchronous,
            ..HopfieldSettings::default()
        };
        let memory = HopfieldMemory::with(&few, settings).unwrap();
        let recall = memory.recall_with(&Rows::new(&cue[..], d).unwrap(), &options).unwrap();
        assert_eq!(recall.states.row(0), few.row(0), "{name}");
    }
}

/// More rows than there are workgroups along one dimension: one a row, or eight, or tiles.
#[test]
fn rows_beyond_a_dimension_of_workgroups() {
    for rows in [65_535_usize, 65_536, 131_071] {
        let x: Vec<f32> = (0..rows).map(|i| (i % 1000) as f32 - 500.0).collect();
        let total: f64 = x.iter().map(|v| f64::from(*v)).sum();
        for (name, device) in some_devices(0) {
            let what = format!("{name} {rows}");
            let t = Tensor::from_flat(&device, &x, &[rows, 1]).unwrap();
            assert_eq!(
                ops::reduce(&t, Reduction::Max, Axis::Columns).unwrap().to_vec().unwrap(),
                x,
                "{what}"
            );
            assert_eq!(ops::log_sum_exp(&t, 1.0).unwrap().to_vec().unwrap(), x, "{what}");
            assert!(ops::softmax(&t, 1.0).unwrap().to_vec().unwrap().iter().all(|p| *p == 1.0), "{what}");
            let (values, indices) = ops::top_k(&t, 1).unwrap();
            assert!(values == x && indices.iter().all(|i| *i == 0), "{what}");
            let sum = ops::reduce(&t, Reduction::Sum, Axis::Rows).unwrap().to_vec().unwrap();
            assert!((f64::from(sum[0]) - total).abs() <= 1.0, "{what}: {sum:?} {total}");
            let product = ops::matmul(&t, &t, Layout::TN).unwrap().to_vec().unwrap();
            let want: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
            let bound = 2.0 * EPS * (rows as f64).sqrt() * want;
            assert!((f64::from(product[0]) - want).abs() < bound, "{what}: {product:?} {want}");
            let outer = ops::matmul(&t, &Tensor::from_flat(&device, &[2.0], &[1, 1]).unwrap(), Layout::NT);
            let doubled: Vec<f32> = x.iter().map(|v| 2.0 * v).collect();
            assert_eq!(outer.unwrap().to_vec().unwrap(), doubled, "{what}");
            // The nearest of so many patterns, by the number of the last and the first of equal ones.
            let q = Tensor::from_flat(&device, &[499.0], &[1, 1]).unwrap();
            let (_, found) = ops::nearest(&q, &t, 3, Similarity::L2).unwrap();
            assert_eq!(found, [999, 1999, 2999], "{what}");
        }
    }
}

/// Elements beyond 65,535 workgroups of 64 vec4s: kernels number their groups over two dimensions.
#[test]
fn elements_beyond_a_dimension_of_workgroups() {
    let columns = 4096;
    let rows = 65_535 * 256 / columns + 3;
    let x: Vec<f32> = (0..rows * columns).map(|i| (i % 4001) as f32).collect();
    for (name, device) in gpus().iter().take(1) {
        let t = Tensor::from_flat(device, &x, &[rows, columns]).unwrap();
        let got = ops::unary(Unary::Shift(1.0), &t).unwrap().to_vec().unwrap();
        assert!(got.iter().zip(&x).all(|(g, x)| *g == x + 1.0), "{name}");
        let got = ops::binary(Binary::Mul, &t, &t).unwrap().to_vec().unwrap();
        assert!(got.iter().zip(&x).all(|(g, x)| *g == x * x), "{name}");
    }
}

/// Loops of one invocation about the most trips that it may make, in each kernel that cuts long ones.
#[test]
fn loops_about_their_border() {
    // One trip for four values of the inner size, or for one.
    for (k, layout) in
        [(131_071, Layout::NT), (131_073, Layout::NT), (131_080, Layout::NN), (32_769, Layout::TN)]
    {
        let a: Vec<f32> = (0..k).map(|i| (i % 3) as f32 - 1.0).collect();
        let want: f32 = a.iter().map(|v| v * v).sum();
        for (name, device) in some_devices(3) {
            let of = |shape: [usize; 2]| Tensor::from_flat(&device, &a, &shape).unwrap();
            let (a, b) = match layout {
                Layout::NT => (of([1, k]), of([1, k])),
                Layout::NN => (of([1, k]), of([k, 1])),
                Layout::TN => (of([k, 1]), of([k, 1])),
            };
            let got = ops::matmul(&a, &b, layout).unwrap().to_vec().unwrap();
            assert_eq!(got, [want], "{name} {layout:?} {k}");
        }
    }
    // A row to an invocation, a row to a workgroup, and lists of the best of it.
    for columns in [43_000_usize, 131_072, 140_001] {
        let mut x = vec![0.0_f32; columns];
        (x[columns - 1], x[columns - 2], x[17]) = (3.0, 2.0, 2.0);
        for (name, device) in some_devices(0) {
            let what = format!("{name} {columns}");
            let t = Tensor::from_flat(&device, &x, &[1, columns]).unwrap();
            assert_eq!(
                ops::reduce(&t, Reduction::Sum, Axis::Columns).unwrap().to_vec().unwrap(),
                [7.0],
                "{what}"
            );
            let lse = ops::log_sum_exp(&t, 1.0).unwrap().to_vec().unwrap()[0];
            let want = (columns as f64 - 3.0 + 3_f64.exp() + 2.0 * 2_f64.exp()).ln();
            assert!((f64::from(lse) - want).abs() < 1e-5, "{what}: {lse} {want}");
            let last = [columns as u32 - 1, 17, columns as u32 - 2, 0];
            for k in [1, 3, 4, 17, 65, 100] {
                let (_, indices) = ops::top_k(&t, k).unwrap();
                assert_eq!(indices[..k.min(4)], last[..k.min(4)], "{what} k {k}");
            }
            let got = ops::normalize(&t, ops::Normalization::L2).unwrap().to_vec().unwrap();
            assert!((got[columns - 1] - 3.0 / 17_f32.sqrt()).abs() < 1e-6, "{what}");
        }
    }
}

/// Small shards, and batches that end in the middle of one: nothing changes but the rounding of sums.
#[test]
fn shards_of_any_size() {
    let strategy = (
        (1..300_usize, some(20), some(9)),
        fill(&Kind::TAME),
        (256..4000_u64, prop::collection::vec(0..300_usize, 0..3)),
        prop::sample::select(&Similarity::ALL[..]),
    );
    property("shards", 12, strategy, |((n, d, b), values, (limit, cuts), kind)| {
        let x = values.rows(n, d);
        // A row of zeros has no direction.
        if kind == Similarity::Cosine && x.iter().any(|row| row.iter().all(|v| *v == 0.0)) {
            return;
        }
        let queries = x.slice(0..b.min(n));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % n).filter(|c| *c > 0).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let build = |device: &Device| {
            let mut ends = cuts.clone();
            ends.push(n);
            let builder = DenseMemory::builder().device(device).similarity(kind).beta(0.5);
            let mut memory = builder.build(&x.slice(0..ends[0])).unwrap();
            for pair in ends.windows(2) {
                memory.append(&x.slice(pair[0]..pair[1])).unwrap();
            }
            memory
        };
        let options = RecallOptions { steps: 2, tolerance: Some(0.0), ..RecallOptions::default() };
        let want = build(&Device::cpu()).recall_with(&queries, &options).unwrap();
        for device in
            [gpu_with_limit(limit.max(d as u64 * 16 + 256)), Some(Device::cpu())].into_iter().flatten()
        {
            let got = build(&device).recall_with(&queries, &options).unwrap();
            let scale = x.as_slice().iter().fold(1.0_f64, |m, v| m.max(f64::from(v.abs())));
            let loose = if values.0 == Kind::Offset && kind != Similarity::L2 { return } else { 2e-4 };
            assert_close(
                &format!("{device} {kind} {n}x{d} limit {limit} cuts {cuts:?}"),
                got.states.as_slice(),
                &wide(want.states.as_slice()),
                (loose * scale).min(0.04),
            );
        }
    });
}

/// Counts of rows that no memory holds, without values: an error, or an answer, and no end of the program.
#[test]
fn counts_beyond_memory_are_errors() {
    for (name, device) in some_devices(0) {
        let tall = Tensor::from_flat(&device, &[], &[1 << 46, 0]).unwrap();
        let refused = |result: attractor::Result<Tensor>, what: &str| match result {
            Err(Error::OutOfMemory { .. } | Error::TooLarge { .. } | Error::InvalidParameter { .. }) => {}
            other => panic!("{name} {what}: {other:?}"),
        };
        refused(ops::reduce(&tall, Reduction::Sum, Axis::Columns), "reduce");
        refused(ops::similarity(&tall, &tall, Similarity::L1), "similarity");
        refused(ops::divergence(&tall, &tall, ops::Divergence::Kl), "divergence");
        refused(ops::softmax(&tall, 1.0), "softmax");
        refused(ops::matmul(&tall, &tall, Layout::NT), "matmul");
        let wide = Tensor::from_flat(&device, &[], &[0, 1 << 33]).unwrap();
        assert!(ops::top_k(&wide, 1).is_err(), "{name}");
        refused(ops::matmul(&wide, &wide, Layout::TN), "matmul");
        assert_eq!(ops::unary(Unary::Neg, &tall).unwrap().shape(), tall.shape(), "{name}");
        assert_eq!(ops::normalize(&tall, ops::Normalization::L2).unwrap().shape(), tall.shape(), "{name}");
    }
}
