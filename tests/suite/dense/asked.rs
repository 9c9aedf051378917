//! What a recall can be asked for, and what is refused.

use super::{build, exactly, model};
use crate::common::*;
use attractor::{Error, prelude::*, reference::DenseModel};

#[test]
fn known_coordinates_stay_bit_for_bit() {
    let mut random = Random::new(26);
    let x = random.rows(50, 13, 1.0);
    // Far from the origin the patterns are kept shifted; known coordinates must not notice.
    let far: Vec<f32> = x.as_slice().iter().map(|v| v + 1000.0).collect();
    for (data, offset) in [(x.clone(), 0.0), (Rows::new(far, 13).unwrap(), 1000.0)] {
        let q: Vec<f32> = (0..4 * 13).map(|_| (random.normal() + offset) as f32).collect();
        let q = Rows::new(q, 13).unwrap();
        let shared: Vec<bool> = (0..13).map(|j| j % 3 == 0).collect();
        let each: Vec<bool> = (0..4 * 13).map(|_| random.uniform() < 0.5).collect();
        for (name, device) in devices() {
            let memory = build(&device, &data, Similarity::L2, 2.0);
            for clamp in [&shared, &each] {
                let options =
                    RecallOptions { clamp: Some(clamp), steps: 7, trace: true, ..RecallOptions::default() };
                let recall = memory.recall_with(&q, &options).unwrap();
                let mut moved = false;
                for i in 0..4 {
                    for j in 0..13 {
                        let known = if clamp.len() == 13 { clamp[j] } else { clamp[i * 13 + j] };
                        let same = recall.states[(i, j)].to_bits() == q[(i, j)].to_bits();
                        assert!(!known || same, "{name}: known coordinate {i}, {j} changed");
                        moved |= !same;
                    }
                }
                assert!(moved, "{name}");
                for trace in recall.trace.unwrap() {
                    assert!(trace.windows(2).all(|w| w[1] <= w[0] + 1e-4), "{name} {trace:?}");
                }
            }
        }
    }
}

#[test]
fn masked_patterns_do_not_answer() {
    let mut random = Random::new(27);
    let (x, q) = (random.rows(60, 6, 1.0), random.rows(5, 6, 1.0));
    let mask: Vec<bool> = (0..60).map(|k| k % 4 == 1).collect();
    for (name, device) in devices() {
        for kind in Similarity::ALL {
            let memory = build(&device, &x, kind, 3.0);
            let options = RecallOptions { mask: Some(&mask), top_k: Some(20), ..exactly(2) };
            let recall = memory.recall_with(&q, &options).unwrap();
            let oracle = DenseModel { mask: Some(mask.clone()), ..model(&x, kind, 3.0) };
            for (i, row) in matrix(&q).iter().enumerate() {
                let x = oracle.step(&oracle.step(row).state).state;
                assert_close(name, recall.states.row(i), &x, 1e-5);
                assert!(
                    (f64::from(recall.energy[i]) - oracle.energy(&x)).abs()
                        < 1e-5 * (1.0 + oracle.energy(&x).abs())
                );
                for (k, weight) in recall.top(i) {
                    assert!(mask[k as usize], "{name}: masked pattern {k} is listed, with weight {weight}");
                }
            }
        }
        let memory = build(&device, &x, Similarity::L2, 3.0);
        let none = [false; 60];
        let error = memory.recall_with(&q, &RecallOptions { mask: Some(&none), ..exactly(1) }).unwrap_err();
        assert!(matches!(error, Error::NoEligiblePattern { patterns: 60 }), "{error}");
        // Only the last of many chunks is eligible.
        let mut last = vec![false; 60];
        last[59] = true;
        let recall = memory.recall_with(&q, &RecallOptions { mask: Some(&last), ..exactly(1) }).unwrap();
        assert_eq!(recall.states.row(0), x.row(59), "{name}");
    }
}

#[test]
fn settled_queries_stop_and_others_go_on() {
    let x = Rows::new(vec![0.0, 0.0, 1.0, 1.0, 0.0, 1.0], 2).unwrap();
    let q = Rows::new(vec![0.0, 0.0, 0.45, 0.52, 5.0, 5.0], 2).unwrap();
    for (name, device) in devices() {
        let recall = build(&device, &x, Similarity::L2, 7.0).recall(&q).unwrap();
        assert!(recall.steps[0] < recall.steps[1], "{name} {:?}", recall.steps);
        assert_eq!(recall.status, [Status::Converged; 3], "{name}");
        let none = build(&device, &x, Similarity::L2, 7.0);
        let none = none.recall_with(&q, &RecallOptions { steps: 0, ..RecallOptions::default() }).unwrap();
        assert_eq!((none.steps.as_slice(), none.states.as_slice()), (&[0; 3][..], q.as_slice()), "{name}");
    }
}

#[test]
fn a_recall_may_have_its_own_beta() {
    let mut random = Random::new(37);
    let (x, q) = (random.rows(30, 4, 1.0), random.rows(3, 4, 1.0));
    for (name, device) in devices() {
        let other = RecallOptions { beta: Some(0.5), ..exactly(2) };
        let got = build(&device, &x, Similarity::L2, 9.0).recall_with(&q, &other).unwrap();
        let want = build(&device, &x, Similarity::L2, 0.5).recall_with(&q, &exactly(2)).unwrap();
        assert_eq!((got.states, got.beta), (want.states, 0.5), "{name}");
    }
}

/// Steps that no query needs any more cost nothing.
#[test]
fn very_many_steps_end_when_all_have_settled() {
    let mut random = Random::new(43);
    let (x, q) = (random.rows(50, 8, 1.0), random.rows(9, 8, 1.0));
    for (name, device) in devices() {
        let options = RecallOptions { steps: u32::MAX, ..RecallOptions::default() };
        let recall = build(&device, &x, Similarity::L2, 2.0).recall_with(&q, &options).unwrap();
        assert_eq!(recall.status, [Status::Converged; 9], "{name}");
    }
}

#[test]
fn no_queries_give_no_results() {
    for (_, device) in devices() {
        let memory = build(&device, &Rows::new(vec![1.0, 2.0], 2).unwrap(), Similarity::L2, 1.0);
        let recall = memory.recall(&Rows::empty(2)).unwrap();
        assert!(recall.is_empty() && recall.states.rows() == 0);
        assert_eq!(memory.energy(&Rows::empty(2)).unwrap(), Vec::<f32>::new());
    }
}

#[test]
fn automatic_beta_keeps_stored_patterns() {
    let mut random = Random::new(32);
    let x = random.rows(250, 16, 1.0);
    for (name, device) in devices() {
        for kind in [Similarity::L2, Similarity::Cosine, Similarity::L1] {
            let memory = DenseMemory::builder().device(&device).similarity(kind).build(&x).unwrap();
            let choice = memory.beta_choice().unwrap();
            assert_eq!(choice.sampled, 250);
            assert!(choice.separated >= 0.99, "{name} {kind} {choice:?}");
            let own = memory.recall_with(&x, &exactly(0)).unwrap();
            let kept =
                (0..250).filter(|i| own.top(*i).next().is_some_and(|(k, w)| k as usize == *i && w >= 0.9899));
            assert!(kept.count() >= 247, "{name} {kind} {choice:?}");
            // Not needlessly sharp: a third of it loses many.
            let softer =
                DenseMemory::builder().device(&device).similarity(kind).beta(choice.beta / 3.0).build(&x);
            let own = softer.unwrap().recall_with(&x, &exactly(0)).unwrap();
            assert!((0..250).filter(|i| own.weights[i * 5] >= 0.99).count() < 237, "{name} {kind}");
        }
        let same = DenseMemory::builder().device(&device).build(&[[1.0, 2.0], [1.0, 2.0]]).unwrap();
        assert_eq!(same.recall(&[1.5, 2.0]).unwrap().states.row(0), [1.0, 2.0], "{name}");
    }
}

#[test]
fn twins_do_not_spoil_the_automatic_beta() {
    let mut random = Random::new(42);
    let x = random.rows(100, 8, 1.0);
    let twice = Rows::new([x.as_slice(), x.as_slice()].concat(), 8).unwrap();
    for (name, device) in devices() {
        let once = DenseMemory::builder().device(&device).build(&x).unwrap().beta().unwrap();
        let memory = DenseMemory::builder().device(&device).build(&twice).unwrap();
        // Each other pattern counts twice now, so a little more is needed.
        let beta = memory.beta().unwrap();
        assert!(beta >= once && beta < 1.5 * once, "{name}: {once} once, {beta} twice");
        let recall = memory.recall_with(&x, &exactly(3)).unwrap();
        assert!((0..100).filter(|i| recall.indices[i * 5] as usize == *i).count() > 95, "{name}");
    }
}

/// With an automatic beta, recalls inside a parallel loop choose it from within the same pool.
#[test]
fn recalls_in_a_parallel_loop_do_not_block() {
    use rayon::prelude::*;
    let mut random = Random::new(40);
    let x = random.rows(3000, 24, 1.0);
    let cues: Vec<Rows<'_>> = (0..64).map(|_| random.rows(2, 24, 1.0)).collect();
    for _ in 0..5 {
        let memory = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap();
        let first = memory.beta().unwrap();
        let fresh = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap();
        assert!(cues.par_iter().all(|cue| fresh.recall(cue).unwrap().beta == first));
    }
}

#[test]
fn bad_input_is_named() {
    let cpu = Device::cpu();
    let builder = || DenseMemory::builder().device(&cpu);
    let says = |error: Error, words: &[&str]| {
        let text = error.to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    };
    let none: Vec<Vec<f32>> = Vec::new();
    says(builder().build(&none).unwrap_err(), &["empty"]);
    says(
        builder().build(&[[0.0, 1.0], [f32::NAN, 0.0]]).unwrap_err(),
        &["patterns", "row 1", "column 0", "NaN"],
    );
    says(builder().beta(-1.0).build(&[[0.0]]).unwrap_err(), &["beta", "positive"]);
    says(builder().beta(f32::INFINITY).build(&[[0.0]]).unwrap_err(), &["beta"]);
    says(builder().build(&[[1e30, 0.0]]).unwrap_err(), &["row 0", "scale"]);
    let cosine = builder().similarity(Similarity::Cosine);
    says(cosine.build(&[[1.0, 0.0], [0.0, 0.0]]).unwrap_err(), &["patterns", "row 1", "zero"]);

    let mut memory = builder().beta(1.0).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    says(memory.recall(&[[0.0, 1.0, 2.0]]).unwrap_err(), &["columns of queries", "got 3", "want 2"]);
    says(memory.recall(&[[0.0, f32::INFINITY]]).unwrap_err(), &["queries", "row 0", "column 1", "inf"]);
    says(memory.append(&[[0.0]]).unwrap_err(), &["columns of patterns", "got 1", "want 2"]);
    assert_eq!(memory.len(), 2);
    let with = |options: RecallOptions<'_>| memory.recall_with(&[0.0, 1.0], &options).unwrap_err();
    says(
        with(RecallOptions { top_k: Some(70_000), ..RecallOptions::default() }),
        &["top_k is 70000", "at most 65536", "2 patterns are stored"],
    );
    says(with(RecallOptions { tolerance: Some(-1.0), ..RecallOptions::default() }), &["tolerance"]);
    says(with(RecallOptions { beta: Some(0.0), ..RecallOptions::default() }), &["beta", "positive"]);
    says(with(RecallOptions { step_size: 0.0, ..RecallOptions::default() }), &["step size"]);
    says(with(RecallOptions { clamp: Some(&[true]), ..RecallOptions::default() }), &["clamp"]);
    says(with(RecallOptions { mask: Some(&[true]), ..RecallOptions::default() }), &["mask"]);
    says(builder().beta(1e20).build(&[[1e10]]).unwrap().recall(&[0.0]).unwrap_err(), &["beta", "fit f32"]);
}
