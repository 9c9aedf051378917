//! Patterns and values as they are kept: formats, growth, values read out.

use super::{build, exactly, model};
use crate::common::*;
use attractor::{Tensor, ops, prelude::*};

#[test]
fn values_are_read_out_with_the_weights() {
    let mut random = Random::new(28);
    let (x, q, v) = (random.rows(33, 5, 1.0), random.rows(4, 5, 1.0), random.rows(33, 3, 1.0));
    let (more, of_more) = (random.rows(7, 5, 1.0), random.rows(7, 3, 1.0));
    let all = Rows::new([x.as_slice(), more.as_slice()].concat(), 5).unwrap();
    let all_values = matrix(&Rows::new([v.as_slice(), of_more.as_slice()].concat(), 3).unwrap());
    let oracle = model(&all, Similarity::L2, 1.5);
    for (name, device) in devices() {
        let mut memory = build(&device, &x, Similarity::L2, 1.5);
        memory.associate(&v).unwrap();
        memory.append_pairs(&more, &of_more).unwrap();
        assert!(memory.associate(&v).is_err());
        let recall = memory.recall_with(&q, &exactly(2)).unwrap();
        let values = recall.values.unwrap();
        for (i, row) in matrix(&q).iter().enumerate() {
            let state = oracle.step(&oracle.step(row).state).state;
            let weights = oracle.step(&state).weights;
            let want: Vec<f64> =
                (0..3).map(|j| (0..40).map(|k| weights[k] * all_values.at(k, j)).sum::<f64>()).collect();
            assert_close(name, values.row(i), &want, 1e-5);
        }
    }
}

#[test]
fn values_of_every_width() {
    let mut random = Random::new(45);
    for (name, device) in devices() {
        for (d, v) in [(16, 4), (33, 8), (1, 1), (3, 40), (8, 7), (5, 4)] {
            // Well apart, in one dimension too.
            let apart: Vec<f32> =
                (0..20 * d).map(|i| (i / d) as f32 + 0.1 * random.uniform() as f32).collect();
            let (x, values) = (Rows::new(apart, d).unwrap(), random.rows(20, v, 1.0));
            let mut memory = build(&device, &x, Similarity::L2, 1e4);
            memory.associate(&values).unwrap();
            let recall = memory.recall(&x.slice(0..3)).unwrap();
            let want: Vec<f64> = matrix(&values).data[..3 * v].to_vec();
            assert_close(&format!("{name} {d} {v}"), recall.values.unwrap().as_slice(), &want, 1e-6);
        }
    }
}

#[test]
fn patterns_with_values_come_in_pairs() {
    for (_, device) in devices() {
        let mut memory = build(&device, &Rows::new(vec![0.0, 1.0], 1).unwrap(), Similarity::L2, 1.0);
        memory.associate(&[[1.0], [2.0]]).unwrap();
        assert!(memory.append(&[[3.0]]).unwrap_err().to_string().contains("append_pairs"));
        assert!(memory.append_pairs(&[[3.0]], &[[1.0, 2.0]]).is_err());
        assert!(memory.append_pairs(&[[3.0]], &[[f32::NAN]]).is_err());
        assert!(memory.append_pairs(&[[f32::NAN]], &[[3.0]]).is_err());
        assert_eq!(memory.len(), 2);
        memory.append_pairs(&[[3.0]], &[[4.0]]).unwrap();
        assert_eq!(memory.recall(&[[2.9]]).unwrap().values.unwrap().rows(), 1);
        let none: Vec<Vec<f32>> = Vec::new();
        assert!(memory.associate(&none).is_err());
        assert!(memory.append_pairs(&none, &none).is_err());
    }
}

#[test]
fn appending_is_storing_at_once() {
    let mut random = Random::new(29);
    let (x, q) = (random.rows(280, 6, 1.0), random.rows(5, 6, 1.0));
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            let builder = DenseMemory::builder().device(&device).precision(precision).shard_rows(40);
            let whole = builder.build(&x).unwrap();
            let mut grown = builder.build(&x.slice(0..3)).unwrap();
            let mut at = 3;
            for step in [1, 1, 35, 80, 1, 159] {
                grown.append(&x.slice(at..at + step)).unwrap();
                at += step;
            }
            assert_eq!((grown.len(), at), (280, 280));
            assert_eq!(grown.beta().unwrap(), whole.beta().unwrap(), "{name}");
            let states = |memory: &DenseMemory| memory.recall_with(&q, &exactly(3)).unwrap().states;
            let want: Vec<f64> = states(&whole).as_slice().iter().map(|v| f64::from(*v)).collect();
            assert_close(name, states(&grown).as_slice(), &want, 1e-6);
        }
    }
}

#[test]
fn growing_far_from_the_origin_stays_exact() {
    let mut random = Random::new(41);
    let x = random.rows(100, 10, 1.0);
    let far = Rows::new(x.as_slice().iter().map(|v| v + 4096.0).collect::<Vec<f32>>(), 10).unwrap();
    let q = Rows::new(far.slice(3..9).as_slice().iter().map(|v| v + 0.25).collect::<Vec<f32>>(), 10).unwrap();
    let oracle = model(&far, Similarity::L2, 1.0);
    for (name, device) in devices() {
        let mut memory = build(&device, &far.slice(0..1), Similarity::L2, 1.0);
        memory.append(&far.slice(1..100)).unwrap();
        let recall = memory.recall_with(&q, &exactly(1)).unwrap();
        let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
        assert_close(name, recall.states.as_slice(), &want, 4096.0 * EPS);
    }
}

#[test]
fn f16_patterns_are_the_rounded_ones() {
    let mut random = Random::new(30);
    let (x, q) = (random.rows(50, 7, 1.0), random.rows(6, 7, 1.0));
    let rounded: Vec<f32> = x.as_slice().iter().map(|v| half::f16::from_f32(*v).to_f32()).collect();
    let rounded = Rows::new(rounded, 7).unwrap();
    for (name, device) in devices() {
        for kind in Similarity::ALL {
            let builder = DenseMemory::builder().device(&device).similarity(kind).beta(2.0);
            let half = builder
                .clone()
                .precision(Precision::F16)
                .build(&x)
                .unwrap()
                .recall_with(&q, &exactly(3))
                .unwrap();
            let full = builder.build(&rounded).unwrap().recall_with(&q, &exactly(3)).unwrap();
            let want: Vec<f64> = full.states.as_slice().iter().map(|v| f64::from(*v)).collect();
            assert_close(&format!("{name} {kind}"), half.states.as_slice(), &want, 1e-5);
        }
    }
    let big = DenseMemory::builder().precision(Precision::F16).build(&[[1e5, 0.0]]).unwrap_err();
    assert!(big.to_string().contains("65504"), "{big}");
}

/// A buffer that recorded work still writes must not take patterns from the host.
#[test]
fn stored_patterns_survive_recorded_work() {
    for (name, device) in gpus() {
        for _ in 0..20 {
            let values = Tensor::from_flat(device, &[1.0; 64], &[4, 16]).unwrap();
            drop(ops::unary(ops::Unary::Shift(7.0), &values).unwrap());
            let x = Random::new(39).rows(4, 16, 1.0);
            let memory = DenseMemory::builder().device(device).beta(100.0).build(&x).unwrap();
            let recall = memory.recall_with(&x, &exactly(2)).unwrap();
            assert_close(name, recall.states.as_slice(), &matrix(&x).data, 1e-6);
        }
    }
}
