//! The dense memory: the softmax update against the oracle, energies, options, sizes, bad input.

use super::common::*;
use attractor::{Error, Tensor, ops, prelude::*, reference::DenseModel};

fn model(patterns: &Rows<'_>, similarity: Similarity, beta: f32) -> DenseModel {
    DenseModel { patterns: matrix(patterns), similarity, beta: beta.into(), mask: None }
}

fn build(device: &Device, patterns: &Rows<'_>, similarity: Similarity, beta: f32) -> DenseMemory {
    DenseMemory::builder().device(device).similarity(similarity).beta(beta).build(patterns).unwrap()
}

fn exactly(steps: u32) -> RecallOptions<'static> {
    RecallOptions { steps, tolerance: Some(0.0), ..RecallOptions::default() }
}

#[test]
fn several_steps_follow_the_oracle() {
    let mut random = Random::new(20);
    for (b, n, d) in [(1, 1, 1), (4, 30, 3), (9, 200, 17), (70, 90, 66)] {
        let (x, q) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        for kind in Similarity::ALL {
            let beta = 1.0 / (d as f32).sqrt();
            let oracle = model(&x, kind, beta);
            let mut want = Vec::new();
            for row in matrix(&q).iter() {
                want.extend((0..3).fold(row.to_vec(), |x, _| oracle.step(&x).state));
            }
            for (name, device) in devices() {
                let got = build(&device, &x, kind, beta).recall_with(&q, &exactly(3)).unwrap();
                assert_eq!(got.steps, vec![3; b]);
                let bound = if name == "cpu" { 2e-6 } else { 1e-5 };
                assert_close(
                    &format!("{name} {kind} {b}x{n}x{d}"),
                    got.states.as_slice(),
                    &want,
                    bound * 4.0,
                );
            }
        }
    }
}

/// CCCP: no update raises the energy, whatever beta, data, damage. The bound is rounding of the
/// energy's own terms.
#[test]
fn energy_never_rises() {
    for (name, device) in devices() {
        let mut random = Random::new(21);
        let problems = if name == "cpu" { 300 } else { 60 };
        for problem in 0..problems {
            let (n, d, b) = (1 + random.below(40), 1 + random.below(24), 1 + random.below(9));
            let spread = 10f64.powf(random.uniform() * 2.0 - 1.0);
            let beta = (10f64.powf(random.uniform() * 4.0 - 2.0) / (spread * spread * d as f64)) as f32;
            let kind = [Similarity::L2, Similarity::Dot, Similarity::Cosine][problem % 3];
            let (x, q) = (random.rows(n, d, spread), random.rows(b, d, spread));
            let step_size =
                if kind == Similarity::L2 { [0.3, 1.0, 1.9] } else { [0.3, 1.0, 1.0] }[problem / 3 % 3];
            let options = RecallOptions { steps: 30, step_size, trace: true, ..RecallOptions::default() };
            let recall = build(&device, &x, kind, beta).recall_with(&q, &options).unwrap();
            let magnitude = match kind {
                Similarity::Cosine => 1.0 + (spread.ln().abs() + 5.0) / f64::from(beta),
                _ => spread * spread * d as f64 * 4.0 + (n as f64).ln() / f64::from(beta),
            };
            for (i, trace) in recall.trace.unwrap().iter().enumerate() {
                assert_eq!(trace.len(), recall.steps[i] as usize + 1);
                assert_eq!(trace.last(), Some(&recall.energy[i]));
                for pair in trace.windows(2) {
                    let rise = f64::from(pair[1]) - f64::from(pair[0]);
                    assert!(
                        rise <= 16.0 * EPS * magnitude,
                        "{name} {kind} problem {problem}: {rise:e}, {trace:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn sharp_blended_and_huge_scores() {
    let mut random = Random::new(22);
    let (x, q) = (random.rows(500, 32, 1.0), random.rows(20, 32, 1.0));
    for (name, device) in devices() {
        for kind in Similarity::ALL {
            // Sharp: scores of 1e5 and more; the nearest pattern comes back whole.
            let sharp = build(&device, &x, kind, 1e4).recall_with(&q, &exactly(1)).unwrap();
            let oracle = model(&x, kind, 1e4);
            for (i, row) in matrix(&q).iter().enumerate() {
                let p = oracle.step(row).weights;
                let best = (0..500).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
                // Where the two best are closer than f32 can tell, either may win.
                if p[best] > 1.0 - 1e-9 {
                    assert_eq!(sharp.indices[i * 5] as usize, best, "{name} {kind} {i}");
                    assert_close(name, sharp.states.row(i), matrix(&x).row(best), 1e-6);
                    assert!((sharp.effective[i] - 1.0).abs() < 1e-4, "{name} {kind}");
                }
            }
            // Blended: nearly the mean of all.
            let blended = build(&device, &x, kind, 1e-6).recall_with(&q, &exactly(1)).unwrap();
            let mean = attractor::reference::reduce_columns(&matrix(&x), ops::Reduction::Mean);
            assert_close(name, blended.states.row(3), &mean, 1e-4);
            assert!((blended.effective[3] - 500.0).abs() < 0.1, "{name} {kind} {}", blended.effective[3]);
        }
    }
}

#[test]
fn one_pattern_comes_back_in_one_step() {
    for (name, device) in devices() {
        for d in [1, 2, 5, 64] {
            let mut random = Random::new(23);
            let (x, q) = (random.rows(1, d, 1.0), random.rows(3, d, 2.0));
            let recall = DenseMemory::builder().device(&device).build(&x).unwrap().recall(&q).unwrap();
            for row in recall.states.iter() {
                assert_eq!(row, x.row(0), "{name}");
            }
            assert_eq!(recall.status, [Status::Converged; 3]);
            assert_eq!((recall.top_k, recall.weights.as_slice()), (1, &[1.0; 3][..]));
        }
    }
}

/// Permuting patterns permutes weights; storing all twice changes the energy by ln 2 / beta; the
/// output is in the hull.
#[test]
fn invariants() {
    let mut random = Random::new(24);
    let (x, q) = (random.rows(40, 9, 1.0), random.rows(6, 9, 1.0));
    let reversed: Vec<f32> = (0..40).rev().flat_map(|i| x.row(i).to_vec()).collect();
    let twice: Vec<f32> = [x.as_slice(), x.as_slice()].concat();
    let largest = matrix(&x).iter().map(|r| r.iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    for (name, device) in devices() {
        let base = build(&device, &x, Similarity::L2, 0.7).recall_with(&q, &exactly(2)).unwrap();
        let want: Vec<f64> = base.states.as_slice().iter().map(|v| f64::from(*v)).collect();
        let other = build(&device, &Rows::new(&reversed[..], 9).unwrap(), Similarity::L2, 0.7);
        let other = other.recall_with(&q, &exactly(2)).unwrap();
        assert_close(name, other.states.as_slice(), &want, 1e-6);
        assert!(base.indices.iter().zip(&other.indices).all(|(a, b)| a + b == 39), "{name}");
        let double = build(&device, &Rows::new(&twice[..], 9).unwrap(), Similarity::L2, 0.7);
        let double = double.recall_with(&q, &exactly(2)).unwrap();
        assert_close(name, double.states.as_slice(), &want, 1e-6);
        let shifted: Vec<f64> = base.energy.iter().map(|e| f64::from(*e) - 2f64.ln() / 0.7).collect();
        assert_close(name, &double.energy, &shifted, 2e-5);
        for row in base.states.iter() {
            assert!(row.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt() <= largest * (1.0 + 4.0 * EPS));
        }
    }
}

#[test]
fn equal_lengths_make_l2_and_dot_agree() {
    let mut random = Random::new(25);
    let raw = random.rows(30, 8, 1.0);
    let unit: Vec<f32> = raw
        .iter()
        .flat_map(|r| {
            let norm = r.iter().map(|v| v * v).sum::<f32>().sqrt();
            r.iter().map(|v| v / norm).collect::<Vec<_>>()
        })
        .collect();
    let x = Rows::new(unit, 8).unwrap();
    let q = random.rows(5, 8, 1.0);
    for (name, device) in devices() {
        let l2 = build(&device, &x, Similarity::L2, 6.0).recall_with(&q, &exactly(2)).unwrap();
        let dot = build(&device, &x, Similarity::Dot, 6.0).recall_with(&q, &exactly(2)).unwrap();
        let want: Vec<f64> = dot.states.as_slice().iter().map(|v| f64::from(*v)).collect();
        assert_close(name, l2.states.as_slice(), &want, 1e-5);
    }
}

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
                    assert!(mask[k as usize] || weight == 0.0, "{name}: masked pattern {k} weighs {weight}");
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

/// Sums of many equal addends round the same way each time, unless they are cut.
#[test]
fn many_equal_weights_keep_the_promised_accuracy() {
    let mut random = Random::new(46);
    for (n, d) in [(500, 3), (1000, 3), (4000, 5)] {
        let bits: Vec<f32> = (0..n * d).map(|_| if random.uniform() < 0.5 { 1.0 } else { 0.0 }).collect();
        let x = Rows::new(bits, d).unwrap();
        let q = Rows::new(x.slice(0..9).as_slice().iter().map(|v| v * 0.7 + 0.1).collect::<Vec<f32>>(), d)
            .unwrap();
        for kind in [Similarity::L2, Similarity::Dot, Similarity::L1] {
            for beta in [0.1, 2.0, 5.0] {
                let oracle = model(&x, kind, beta);
                let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
                for (name, device) in devices() {
                    let got = build(&device, &x, kind, beta).recall_with(&q, &exactly(1)).unwrap();
                    let bound = if name == "cpu" { 2e-6 } else { 1e-5 };
                    assert_close(&format!("{name} {kind} {n}x{d}"), got.states.as_slice(), &want, bound);
                }
            }
        }
    }
}

#[test]
fn appending_is_storing_at_once() {
    let mut random = Random::new(29);
    let (x, q) = (random.rows(700, 6, 1.0), random.rows(5, 6, 1.0));
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            let builder = DenseMemory::builder().device(&device).precision(precision).shard_rows(100);
            let whole = builder.build(&x).unwrap();
            let mut grown = builder.build(&x.slice(0..3)).unwrap();
            let mut at = 3;
            for step in [1, 1, 95, 200, 1, 399] {
                grown.append(&x.slice(at..at + step)).unwrap();
                at += step;
            }
            assert_eq!((grown.len(), at), (700, 700));
            assert_eq!(grown.beta().unwrap(), whole.beta().unwrap(), "{name}");
            let want: Vec<f64> =
                whole.recall(&q).unwrap().states.as_slice().iter().map(|v| f64::from(*v)).collect();
            assert_close(name, grown.recall(&q).unwrap().states.as_slice(), &want, 1e-6);
        }
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

/// A common offset of a thousand would drown the distances in rounding, were it not taken off.
#[test]
fn patterns_far_from_the_origin() {
    let mut random = Random::new(31);
    let near = random.rows(100, 10, 1.0);
    let cue = random.rows(8, 10, 1.0);
    let moved = |r: &Rows<'_>| {
        Rows::new(r.as_slice().iter().map(|v| v + 4096.0).collect::<Vec<f32>>(), r.columns()).unwrap()
    };
    let oracle = model(&moved(&near), Similarity::L2, 1.0);
    for (name, device) in devices() {
        let memory = build(&device, &moved(&near), Similarity::L2, 1.0);
        let recall = memory.recall_with(&moved(&cue), &exactly(2)).unwrap();
        for (i, row) in matrix(&moved(&cue)).iter().enumerate() {
            let want = oracle.step(&oracle.step(row).state).state;
            // One rounding of a number near 4096.
            assert_close(name, recall.states.row(i), &want, 4096.0 * EPS);
        }
        assert_eq!(recall.energy.len(), 8);
    }
}

#[test]
fn automatic_beta_keeps_stored_patterns() {
    let mut random = Random::new(32);
    let x = random.rows(1000, 16, 1.0);
    for (name, device) in devices() {
        for kind in [Similarity::L2, Similarity::Cosine, Similarity::L1] {
            let memory = DenseMemory::builder().device(&device).similarity(kind).build(&x).unwrap();
            let choice = memory.beta_choice().unwrap();
            assert_eq!(choice.sampled, 1000);
            assert!(choice.separated >= 0.99, "{name} {kind} {choice:?}");
            let own = memory.recall_with(&x, &exactly(0)).unwrap();
            let kept = (0..1000)
                .filter(|i| own.top(*i).next().is_some_and(|(k, w)| k as usize == *i && w >= 0.9899));
            assert!(kept.count() >= 985, "{name} {kind} {choice:?}");
            // Not needlessly sharp: a third of it loses many.
            let softer =
                DenseMemory::builder().device(&device).similarity(kind).beta(choice.beta / 3.0).build(&x);
            let own = softer.unwrap().recall_with(&x, &exactly(0)).unwrap();
            assert!((0..1000).filter(|i| own.weights[i * 5] >= 0.99).count() < 950, "{name} {kind}");
        }
        let same = DenseMemory::builder().device(&device).build(&[[1.0, 2.0], [1.0, 2.0]]).unwrap();
        assert_eq!(same.recall(&[1.5, 2.0]).unwrap().states.row(0), [1.0, 2.0], "{name}");
    }
}

#[test]
fn a_hundred_thousand_patterns() {
    let mut random = Random::new(33);
    let x = random.rows(100_000, 16, 1.0);
    let q = random.rows(6, 16, 1.0);
    let oracle = model(&x, Similarity::L2, 1.0);
    let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
    for (name, device) in devices() {
        let got = build(&device, &x, Similarity::L2, 1.0).recall_with(&q, &exactly(1)).unwrap();
        assert_close(name, got.states.as_slice(), &want, if name == "cpu" { 4e-6 } else { 1e-5 });
    }
}

/// 307 MB of patterns: beyond a binding of 128 MiB, so several shards.
#[test]
fn patterns_beyond_a_binding() {
    let (n, d) = (200_000, 384);
    let mut state = 1_u32;
    let data: Vec<f32> = (0..n * d)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let x = Rows::new(data, d).unwrap();
    let wanted = [0, 87_381, 131_072, 199_999];
    let cues: Vec<f32> =
        wanted.iter().flat_map(|k| x.row(*k).iter().map(|v| v + 0.1).collect::<Vec<_>>()).collect();
    let q = Rows::new(cues, d).unwrap();
    let mut devices = vec![("cpu", Device::cpu())];
    devices.extend(gpus().first().cloned());
    for (name, device) in devices {
        let memory = build(&device, &x, Similarity::L2, 1.0);
        let recall = memory.recall_with(&q, &RecallOptions { steps: 3, ..RecallOptions::default() }).unwrap();
        for (i, k) in wanted.iter().enumerate() {
            assert_eq!(recall.indices[i * 5] as usize, *k, "{name}");
            let want: Vec<f64> = x.row(*k).iter().map(|v| f64::from(*v)).collect();
            assert_close(name, recall.states.row(i), &want, 1e-6);
        }
        assert_eq!(recall.status, [Status::Converged; 4], "{name}");
    }
}

/// Shards, forced small: the same answers as unsharded.
#[test]
fn shards_change_nothing() {
    let mut random = Random::new(34);
    let (x, q, v) = (random.rows(1000, 10, 1.0), random.rows(9, 10, 1.0), random.rows(1000, 4, 1.0));
    let mut devices = devices();
    devices.extend(gpu_with_limit(16 * 1024).map(|d| ("gpu of 16 KiB bindings", d)));
    let whole = build(&Device::cpu(), &x, Similarity::L2, 1.0);
    let want = whole.recall_with(&q, &exactly(2)).unwrap();
    let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
    for (name, device) in devices {
        for rows in [7, 64, 333] {
            let builder = DenseMemory::builder().device(&device).beta(1.0).shard_rows(rows);
            let mut memory = builder.build(&x).unwrap();
            memory.associate(&v).unwrap();
            let got = memory.recall_with(&q, &exactly(2)).unwrap();
            assert_close(&format!("{name} {rows}"), got.states.as_slice(), &states, 2e-6);
            assert_eq!(got.indices, want.indices, "{name} {rows}");
            let oracle = model(&x, Similarity::L2, 1.0);
            let weights = oracle.step(&states[..10]).weights;
            let value: f64 = (0..1000).map(|k| weights[k] * f64::from(v[(k, 1)])).sum();
            assert!((f64::from(got.values.unwrap()[(0, 1)]) - value).abs() < 1e-5, "{name} {rows}");
        }
    }
}

#[test]
fn many_queries_go_in_batches() {
    let mut random = Random::new(35);
    let (x, q) = (random.rows(20, 5, 1.0), random.rows(1500, 5, 1.0));
    let clamp: Vec<bool> = (0..1500 * 5).map(|i| i % 5 == 2).collect();
    let oracle = model(&x, Similarity::L2, 2.0);
    for (name, device) in devices() {
        let done = std::sync::atomic::AtomicU64::new(0);
        let progress = |now: u64, total: u64| {
            assert!(now <= total);
            done.fetch_max(now * 1000 / total, std::sync::atomic::Ordering::Relaxed);
            std::ops::ControlFlow::Continue(())
        };
        let options = RecallOptions { clamp: Some(&clamp), progress: Some(&progress), ..exactly(1) };
        let recall = build(&device, &x, Similarity::L2, 2.0).recall_with(&q, &options).unwrap();
        assert_eq!(done.into_inner(), 1000, "{name}");
        for i in [0, 511, 512, 1023, 1024, 1499] {
            let mut want = oracle.step(matrix(&q).row(i)).state;
            want[2] = q[(i, 2)].into();
            assert_close(name, recall.states.row(i), &want, 1e-5);
        }
    }
}

/// Energies of very many steps are more than a binding holds for all queries at once.
#[test]
fn long_traces_go_in_batches() {
    let Some(device) = gpu_with_limit(1 << 16) else { return };
    let mut random = Random::new(40);
    let (x, q) = (random.rows(9, 4, 1.0), random.rows(40, 4, 1.0));
    let options = RecallOptions { trace: true, ..exactly(300) };
    let on = |device: &Device| build(device, &x, Similarity::L2, 1.0).recall_with(&q, &options).unwrap();
    let (got, want) = (on(&device), on(&Device::cpu()));
    for (got, want) in got.trace.unwrap().iter().zip(want.trace.unwrap()) {
        let want: Vec<f64> = want.iter().map(|v| f64::from(*v)).collect();
        assert_close("trace", got, &want, 1e-5);
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

/// Kernels with wgpu's checks on: the paths that only a memory takes.
#[test]
fn checked_kernels_recall_alike() {
    let mut random = Random::new(38);
    let (x, q) = (random.rows(90, 7, 1.0), random.rows(11, 7, 1.0));
    let clamp: Vec<bool> = (0..77).map(|i| i % 3 == 0).collect();
    for (name, device) in checked_gpus() {
        for precision in [Precision::F32, Precision::F16] {
            for kind in Similarity::ALL {
                let recall = |device: &Device| {
                    let builder = DenseMemory::builder().device(device).similarity(kind).precision(precision);
                    let options = RecallOptions {
                        clamp: Some(&clamp),
                        trace: true,
                        steps: 9,
                        ..RecallOptions::default()
                    };
                    builder.beta(1.0).build(&x).unwrap().recall_with(&q, &options).unwrap()
                };
                let (got, want) = (recall(&device), recall(&Device::cpu()));
                let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
                assert_close(&format!("{name} {kind}"), got.states.as_slice(), &states, 2e-5);
                assert_eq!(got.indices, want.indices, "{name} {kind}");
            }
        }
    }
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
            let recall = memory.recall(&x).unwrap();
            assert_close(name, recall.states.as_slice(), &matrix(&x).data, 1e-6);
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
fn twins_do_not_spoil_the_automatic_beta() {
    let mut random = Random::new(42);
    let x = random.rows(200, 8, 1.0);
    let twice = Rows::new([x.as_slice(), x.as_slice()].concat(), 8).unwrap();
    for (name, device) in devices() {
        let once = DenseMemory::builder().device(&device).build(&x).unwrap().beta().unwrap();
        let memory = DenseMemory::builder().device(&device).build(&twice).unwrap();
        // Each other pattern counts twice now, so a little more is needed.
        let beta = memory.beta().unwrap();
        assert!(beta >= once && beta < 1.5 * once, "{name}: {once} once, {beta} twice");
        let recall = memory.recall(&x).unwrap();
        assert!((0..200).filter(|i| recall.indices[i * 5] as usize == *i).count() > 190, "{name}");
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
fn scores_beyond_f32_are_refused() {
    for (name, device) in devices() {
        let cosine = DenseMemory::builder().device(&device).similarity(Similarity::Cosine);
        let memory = cosine.clone().beta(1e36).build(&[[1e-5, 0.0]]).unwrap();
        assert!(memory.recall(&[[-1e-5, 0.0]]).unwrap_err().to_string().contains("beta"), "{name}");
        // The cosine does not depend on lengths, so these are fine.
        let long = cosine.beta(1000.0).build(&[[1e13, 0.0], [0.0, 1e13]]).unwrap();
        assert_eq!(long.recall(&[[1.0, 0.5]]).unwrap().indices[0], 0, "{name}");
        let l1 = DenseMemory::builder().device(&device).similarity(Similarity::L1).beta(3e38);
        assert!(l1.build(&[vec![1.0; 100]]).unwrap().recall(&[vec![0.0; 100]]).is_err(), "{name}");
    }
}

/// Far from the origin by a few spreads, as images and counts are, at the automatic beta, between two
/// patterns: where a wrong last bit of a score shows most.
#[test]
fn uncentred_data_keeps_the_promised_accuracy() {
    let mut random = Random::new(44);
    let uniform: Vec<f32> = (0..1000 * 64).map(|_| random.uniform() as f32).collect();
    let x = Rows::new(uniform, 64).unwrap();
    let between: Vec<f32> = (0..50)
        .flat_map(|i| x.row(i).iter().zip(x.row(i + 50)).map(|(a, b)| 0.5 * (a + b)).collect::<Vec<_>>())
        .collect();
    let q = Rows::new(between, 64).unwrap();
    for (name, device) in devices() {
        let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        let recall = memory.recall_with(&q, &exactly(1)).unwrap();
        let oracle = model(&x, Similarity::L2, recall.beta);
        let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
        assert_close(name, recall.states.as_slice(), &want, if name == "cpu" { 2e-6 } else { 1e-5 });
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
fn the_same_bits_again() {
    let mut random = Random::new(36);
    let (x, q) = (random.rows(5000, 24, 1.0), random.rows(40, 24, 1.0));
    for (name, device) in devices() {
        let memory = build(&device, &x, Similarity::L2, 0.3);
        let bits =
            || memory.recall(&q).unwrap().states.as_slice().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(), bits(), "{name}");
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
    says(with(RecallOptions { top_k: Some(3), ..RecallOptions::default() }), &["top_k", "2 stored"]);
    says(with(RecallOptions { tolerance: Some(-1.0), ..RecallOptions::default() }), &["tolerance"]);
    says(with(RecallOptions { beta: Some(0.0), ..RecallOptions::default() }), &["beta", "positive"]);
    says(with(RecallOptions { step_size: 0.0, ..RecallOptions::default() }), &["step size"]);
    says(with(RecallOptions { clamp: Some(&[true]), ..RecallOptions::default() }), &["clamp"]);
    says(with(RecallOptions { mask: Some(&[true]), ..RecallOptions::default() }), &["mask"]);
    says(builder().beta(1e20).build(&[[1e10]]).unwrap().recall(&[0.0]).unwrap_err(), &["beta", "fit f32"]);
}

/// A step is what a recall of one step makes, with the energy before it.
#[test]
fn a_step_is_a_recall_of_one_step() {
    let mut random = Random::new(61);
    let (x, q) = (random.rows(500, 11, 1.0), random.rows(6, 11, 1.0));
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            let builder = DenseMemory::builder().device(&device).beta(1.5).precision(precision);
            let memory = builder.build(&x).unwrap();
            let (states, energy) = memory.step(&q).unwrap();
            let options = RecallOptions { trace: true, ..exactly(1) };
            let recall = memory.recall_with(&q, &options).unwrap();
            assert_eq!(states.as_slice(), recall.states.as_slice(), "{name} {precision}");
            let before: Vec<f32> = recall.trace.unwrap().iter().map(|t| t[0]).collect();
            assert_eq!(energy, before, "{name} {precision}");
        }
    }
}
