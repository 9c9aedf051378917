//! The memory of features: what it keeps, where its recalls end, and the laws of its noise.

use super::common::*;
use attractor::{
    Device, Error, Rows,
    memory::{
        FeatureDescent, FeatureMemory, FeatureSettings, FeatureWarning, Memory, RecallOptions, Status,
        beta_for_isolation, descend_ladder,
    },
    ops::{FeatureMap, FeatureSpec, FrequencySource, Projection, Similarity},
    reference::{DenseModel, FeatureModel, Matrix, frequencies},
};

fn cpu() -> FeatureSettings {
    FeatureSettings { device: Some(Device::cpu()), ..FeatureSettings::default() }
}

fn memory(spec: &FeatureSpec, patterns: &Rows<'_>) -> FeatureMemory {
    let mut memory = FeatureMemory::with(spec.clone(), cpu()).unwrap();
    memory.absorb(patterns).unwrap();
    memory
}

/// Random bits as 0 and `1/sqrt(d)`, so that distances are below 1.
fn bits(random: &mut Random, rows: usize, d: usize) -> Rows<'static> {
    let one = (1.0 / d as f64).sqrt() as f32;
    let values: Vec<f32> = (0..rows * d).map(|_| if random.uniform() < 0.5 { 0.0 } else { one }).collect();
    Rows::new(values, d).unwrap()
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

// ---- the vector --------------------------------------------------------------------------------

#[test]
fn the_vector_is_linear_in_its_patterns() {
    let mut random = Random::new(1);
    let (a, b) = (bits(&mut random, 150, 12), bits(&mut random, 7, 12));
    let both = Rows::new([a.as_slice(), b.as_slice()].concat(), 12).unwrap();
    for map in FeatureMap::ALL {
        let spec = FeatureSpec::new(map, 300, 12, 4.0, 9);
        let (mut first, second, whole) = (memory(&spec, &a), memory(&spec, &b), memory(&spec, &both));
        first.merge(&second).unwrap();
        assert!(relative(first.vector(), whole.vector()) < 1e-6, "{map}: merged");
        assert_eq!((first.len(), first.weight()), (157, 157.0));
        let mut less = whole;
        less.forget(&b).unwrap();
        assert!(relative(less.vector(), memory(&spec, &a).vector()) < 1e-6, "{map}: forgotten");
        assert_eq!(less.len(), 150);
        let before = less.vector().to_vec();
        less.decay(0.25).unwrap();
        assert!(less.vector().iter().zip(before).all(|(t, b)| *t == 0.25 * b));
        assert_eq!(less.weight(), 37.5);
    }
}

#[test]
fn a_seed_gives_the_same_vector_on_every_device() {
    let (k, m, d, beta) = (33, 70, 9, 60.0);
    let rows = bits(&mut Random::new(2), k, d);
    for map in [FeatureMap::SinCos, FeatureMap::Cos] {
        let frequencies = frequencies(Projection::Gaussian, 5, m, d);
        let phases = attractor::reference::phases(5, m);
        let want = FeatureModel { map, frequencies, phases, beta }.encode(&matrix(&rows));
        let bound = 1e-5 * (k as f64 / m as f64).sqrt();
        for (name, device) in devices() {
            let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
            let spec = FeatureSpec::new(map, m, d, beta as f32, 5);
            let mut memory = FeatureMemory::with(spec, settings).unwrap();
            memory.absorb(&rows).unwrap();
            for (got, want) in memory.vector().iter().zip(&want) {
                assert!((got - want).abs() <= bound, "{name} {map}: {got} {want}");
            }
        }
    }
}

#[test]
fn one_pattern_is_at_the_bottom_of_its_well() {
    let x = [[0.3, -0.2, 0.5]];
    for (name, device) in devices() {
        let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let spec = FeatureSpec::new(FeatureMap::SinCos, 50, 3, 20.0, 3);
        let mut memory = FeatureMemory::with(spec, settings).unwrap();
        memory.absorb(&x).unwrap();
        // phi(x).phi(x) is 1: the energy 0, the gradient 0, whatever the frequencies.
        let (energy, gradient) = memory.energy_and_gradient(&x).unwrap();
        assert!(energy[0].abs() < 1e-6, "{name}: {energy:?}");
        assert!(gradient.as_slice().iter().all(|g| g.abs() < 1e-5), "{name}: {gradient:?}");
    }
}

// ---- recall ------------------------------------------------------------------------------------

#[test]
fn recalls_end_at_patterns_on_every_device() {
    let patterns = Rows::new(vec![0.5, 0.0, 0.1, 0.0, 0.5, -0.1], 3).unwrap();
    let queries = Rows::new(vec![0.4, 0.1, 0.1, 0.1, 0.4, -0.1, 0.5, 0.1, 0.0], 3).unwrap();
    let clamp = [true, false, false];
    // Those that look at features in ways of their own.
    let looks = |name: &str| ["cpu", "direct", "tiled", "fused"].contains(&name);
    for (name, device) in devices().into_iter().filter(|(name, _)| looks(name)) {
        let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let spec = FeatureSpec::new(FeatureMap::SinCos, 3000, 3, 30.0, 4);
        let mut memory = FeatureMemory::with(spec, settings).unwrap();
        memory.absorb(&patterns).unwrap();
        let options = FeatureDescent { step_size: 0.5, steps: 60, ..FeatureDescent::default() };
        let recall = memory.descend(&queries, &FeatureDescent { trace: true, ..options }).unwrap();
        for (i, want) in [0, 1, 0].into_iter().enumerate() {
            // Law L3 for the noise: sqrt(D K / 2 beta m) = 0.0058.
            let off = distance(recall.states.row(i), patterns.row(want));
            assert!(off < 0.03, "{name} {i}: {off} {:?}", recall.states.row(i));
            assert_eq!(recall.status[i], Status::Converged, "{name} {i}");
        }
        assert!(recall.indices.is_empty() && recall.weights.is_empty() && recall.effective.is_empty());
        for trace in recall.trace.unwrap() {
            assert!(trace.windows(2).all(|e| e[1] <= e[0] + 1e-6), "{name}: {trace:?}");
        }
        let held = memory.descend(&queries, &FeatureDescent { clamp: Some(&clamp), ..options }).unwrap();
        for i in 0..3 {
            assert_eq!(held.states[(i, 0)].to_bits(), queries[(i, 0)].to_bits(), "{name} {i}");
        }
    }
}

#[test]
fn clamped_coordinates_survive_scale_and_shift_to_the_bit() {
    let patterns = [[10.3_f32, 21.7, 33.1], [11.9, 20.2, 30.4]];
    let settings = FeatureSettings { scale: 0.3, shift: vec![11.0, 21.0, 32.0], ..cpu() };
    let spec = FeatureSpec::new(FeatureMap::SinCos, 2000, 3, 30.0, 4);
    let mut inner = FeatureMemory::with(spec.clone(), settings).unwrap();
    inner.absorb(&patterns).unwrap();
    let clamp = [true, true, false];
    let options = FeatureDescent { clamp: Some(&clamp), fill: true, ..FeatureDescent::default() };
    let query = [[10.3_f32, 21.7, 0.0]];
    let recall = inner.descend(&query, &options).unwrap();
    assert_eq!(recall.states.row(0)[..2], query[0][..2]);
    assert!((recall.states[(0, 2)] - 33.1).abs() < 0.3, "{:?}", recall.states);
    // The same by hand: the mean, energies and gradients are those of scaled rows.
    let scaled = |x: &[f32; 3]| [0, 1, 2].map(|i| 0.3 * (x[i] - [11.0, 21.0, 32.0][i]));
    let by_hand = memory(&spec, &Rows::new(patterns.iter().flat_map(scaled).collect::<Vec<_>>(), 3).unwrap());
    let (a, b) = (inner.energy(&patterns).unwrap(), by_hand.energy(&patterns.map(|p| scaled(&p))).unwrap());
    assert_eq!(a, b);
    let mean = inner.mean().unwrap();
    assert!((mean[2] - 31.75).abs() < 1e-4, "{mean:?}");
}

#[test]
fn dead_queries_stay_and_say_so() {
    let mut random = Random::new(8);
    let patterns = bits(&mut random, 10, 20);
    let memory = memory(&FeatureSpec::new(FeatureMap::SinCos, 500, 20, 200.0, 1), &patterns);
    let far = random.rows(40, 20, 1.0);
    let recall = memory.descend(&far, &FeatureDescent { steps: 3, ..FeatureDescent::default() }).unwrap();
    let (_, gradient) = memory.energy_and_gradient(&far).unwrap();
    let dead: Vec<usize> = (0..40).filter(|i| recall.steps[*i] == 0).collect();
    // The noise is as often below 0 as above.
    assert!((8..=32).contains(&dead.len()), "{dead:?}");
    for i in dead {
        assert_eq!(recall.status[i], Status::Dead);
        assert_eq!(recall.states.row(i), far.row(i));
        assert!(gradient.row(i).iter().all(|g| *g == 0.0));
    }
    assert!(recall.status.iter().all(|s| *s != Status::Converged), "{:?}", recall.status);
    assert_eq!((Status::Dead.code(), Status::LowSignal.code()), (6, 7));
}

#[test]
fn a_ladder_of_betas_reaches_patterns_that_the_last_alone_does_not() {
    let mut random = Random::new(21);
    let (k, d) = (5, 16);
    let patterns = bits(&mut random, k, d);
    let queries: Vec<f32> = patterns.as_slice().iter().map(|v| v + (0.09 * random.normal()) as f32).collect();
    let queries = Rows::new(queries, d).unwrap();
    let at = |beta| memory(&FeatureSpec::new(FeatureMap::SinCos, 2000, d, beta, 3), &patterns);
    let (soft, hard) = (at(20.0), at(200.0));
    let options = FeatureDescent { steps: 400, ..FeatureDescent::default() };
    let near = |recall: attractor::memory::Recall| {
        (0..k).filter(|i| distance(recall.states.row(*i), patterns.row(*i)) < 0.1).count()
    };
    assert!(near(hard.descend(&queries, &options).unwrap()) < k);
    assert_eq!(near(descend_ladder(&[&hard, &soft], &queries, &options).unwrap()), k);
}

#[test]
fn steps_that_raise_the_energy_are_taken_back() {
    let patterns = [[0.3, 0.1], [-0.2, 0.3]];
    let memory = memory(
        &FeatureSpec::new(FeatureMap::SinCos, 400, 2, 30.0, 3),
        &Rows::new(patterns.concat(), 2).unwrap(),
    );
    // A step of ten would jump over the well.
    let wild = FeatureDescent { step_size: 10.0, trace: true, ..FeatureDescent::default() };
    let recall = memory.descend(&[[0.2, 0.15]], &wild).unwrap();
    let trace = &recall.trace.unwrap()[0];
    assert!(trace.windows(2).all(|e| e[1] <= e[0] + 1e-6), "{trace:?}");
    assert!(distance(recall.states.row(0), &patterns[0]) < 0.05, "{:?}", recall.states);
    let free = FeatureDescent { backtrack: false, steps: 5, ..wild };
    let trace = &memory.descend(&[[0.2, 0.15]], &free).unwrap().trace.unwrap()[0];
    assert!(trace.windows(2).any(|e| e[1] > e[0] + 1e-3), "{trace:?}");
}

#[test]
fn descents_on_a_gpu_end_where_those_of_the_cpu_do() {
    let (k, d, b) = (4, 6, 70);
    let mut random = Random::new(31);
    let patterns = bits(&mut random, k, d);
    // Near patterns, and far from all of them: some of those see nothing.
    let queries: Vec<f32> = (0..b * d)
        .map(|i| {
            patterns.as_slice()[i % (k * d)] + (if i < 40 * d { 0.1 } else { 1.0 } * random.normal()) as f32
        })
        .collect();
    let queries = Rows::new(queries, d).unwrap();
    let clamp: Vec<bool> = (0..d).map(|i| i < 2).collect();
    // Far above the rounding of gradients, which decides when a smaller tolerance is met.
    let plain = FeatureDescent { steps: 70, step_size: 0.4, tolerance: 1e-4, ..FeatureDescent::default() };
    let ways = [
        ("plain", plain),
        ("clamped", FeatureDescent { clamp: Some(&clamp), fill: true, ..plain }),
        ("exactly three steps", FeatureDescent { steps: 3, tolerance: 0.0, backtrack: false, ..plain }),
        ("short", FeatureDescent { longest: Some(0.2), ..plain }),
        // Jumps over wells: halved, and given up where that does not help.
        ("wild", FeatureDescent { step_size: 30.0, steps: 40, ..plain }),
    ];
    for map in [FeatureMap::SinCos, FeatureMap::ExpExp] {
        let spec = FeatureSpec::new(map, 900, d, 20.0, 5);
        // Exponential features are of use near their centre alone.
        let queries = if map.is_positive() { queries.slice(0..40) } else { queries.slice(0..b) };
        let on = |device| {
            let settings =
                FeatureSettings { device: Some(device), shift: vec![0.1; d], ..FeatureSettings::default() };
            let mut memory = FeatureMemory::with(spec.clone(), settings).unwrap();
            memory.absorb(&patterns).unwrap();
            memory
        };
        let cpu = on(Device::cpu());
        for (name, device) in gpus().iter().filter(|(name, _)| ["direct", "fused"].contains(name)) {
            let memory = on(device.clone());
            // The ways are the host's, which looks at features in passes of one or of several kernels.
            let ways = ways.iter().filter(|(way, _)| *name == "direct" || ["plain", "wild"].contains(way));
            let mut dead = false;
            for (way, options) in ways {
                let (want, got) =
                    (cpu.descend(&queries, options).unwrap(), memory.descend(&queries, options).unwrap());
                let mut apart = 0;
                for i in 0..queries.rows() {
                    let off = distance(want.states.row(i), got.states.row(i));
                    let alike = want.status[i] == got.status[i] && want.steps[i].abs_diff(got.steps[i]) <= 2;
                    apart += usize::from(off > 1e-3 || !alike);
                }
                // Where a sum of kernels is as good as none, rounding decides where it leads.
                assert!(apart <= b / 12, "{name} {map} {way}: {apart} of {b} end elsewhere");
                dead |= *way == "plain" && got.status.contains(&Status::Dead);
            }
            assert!(map.is_positive() || dead, "{name}: none is dead");
        }
    }
}

// ---- what is said of the noise -----------------------------------------------------------------

/// Eight axes about their mean: exponential features of them vary by e^24.5, and what a few of them say is no recall.
#[test]
fn exponential_features_are_judged_by_their_own_variance() {
    let axes: Vec<f32> = (0..64).map(|i| if i / 8 == i % 8 { 1.0 } else { 0.0 }).collect();
    let axes = Rows::new(axes, 8).unwrap();
    let at = |map, m| {
        let settings = FeatureSettings { shift: vec![0.125; 8], ..cpu() };
        let mut memory = FeatureMemory::with(FeatureSpec::new(map, m, 8, 7.0, 1), settings).unwrap();
        memory.absorb(&axes).unwrap();
        memory
    };
    let v = 28.0 * 0.875_f64;
    let advice = at(FeatureMap::Exp, 128).advise(8, 0.0);
    let want = 4.0 * (v.exp() + 8.0) * (8.0 + v);
    assert!((advice.needed as f64 / want - 1.0).abs() < 1e-3, "{advice:?}, want {want}");
    assert!(
        advice.warnings.iter().any(|w| matches!(w, FeatureWarning::Wild { waves: 128, .. })),
        "{:?}",
        advice.warnings
    );
    // Waves need what they always did, a single cosine of each frequency twice as many.
    assert_eq!(at(FeatureMap::SinCos, 128).advise(8, 0.0).needed, 128);
    assert_eq!(at(FeatureMap::Cos, 128).advise(8, 0.0).needed, 256);
    let both = at(FeatureMap::ExpExp, 128).advise(8, 0.0).needed;
    assert!((2.0 * both as f64 / want - 1.0).abs() < 1e-3, "{both}");
    let mut random = Random::new(3);
    let queries: Vec<f32> =
        (0..80 * 8).map(|i| axes[(i / 8 % 8, i % 8)] + (0.05 * random.normal()) as f32).collect();
    let queries = Rows::new(queries, 8).unwrap();
    let options = FeatureDescent { steps: 200, ..FeatureDescent::default() };
    for (map, m) in [(FeatureMap::Exp, 128), (FeatureMap::Exp, 4096), (FeatureMap::ExpExp, 128)] {
        let recall = at(map, m).descend(&queries, &options).unwrap();
        let nearest = |i: usize| {
            let to = |k: usize| distance(recall.states.row(i), axes.row(k));
            (0..8).min_by(|a, b| to(*a).total_cmp(&to(*b))).unwrap()
        };
        let certain = |i: &usize| matches!(recall.status[*i], Status::Converged | Status::MaxSteps);
        let wrong = (0..80).filter(certain).filter(|i| nearest(*i) != i % 8).count();
        let sure = (0..80).filter(certain).count();
        assert!(wrong == 0, "{map} {m}: {wrong} of {sure} that are sure are wrong");
    }
}

/// Where features vary little, exponential ones say what they see.
#[test]
fn standard_errors_of_exponential_features_are_those_of_other_draws() {
    let mut random = Random::new(31);
    let patterns = random.rows(6, 5, 0.1);
    let queries = random.rows(4, 5, 0.1);
    for map in [FeatureMap::Exp, FeatureMap::ExpExp, FeatureMap::DotExp] {
        let draws: Vec<Vec<f64>> = (0..200)
            .map(|seed| {
                let memory = memory(&FeatureSpec::new(map, 300, 5, 4.0, seed), &patterns);
                let energies = memory.energy(&queries).unwrap();
                energies.iter().map(|e| (-4.0 * f64::from(*e)).exp()).collect()
            })
            .collect();
        let memory = memory(&FeatureSpec::new(map, 300, 5, 4.0, 1), &patterns);
        let sums: Vec<f32> = draws[1].iter().map(|u| *u as f32).collect();
        let errors = memory.standard_errors(&queries, &sums).unwrap();
        for (i, error) in errors.into_iter().enumerate() {
            let mean = draws.iter().map(|d| d[i]).sum::<f64>() / 200.0;
            let spread = (draws.iter().map(|d| (d[i] - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
            assert!((error / spread - 1.0).abs() < 0.4, "{map} {i}: {error}, {spread} over draws");
        }
    }
}

/// Patterns that are alike make more noise than isolated ones: `|T|^2` counts, not their number.
#[test]
fn noise_is_that_of_the_vector() {
    let one = [0.3_f32, 0.1];
    let copies = Rows::new(one.iter().copied().cycle().take(50).collect::<Vec<_>>(), 2).unwrap();
    for (map, factor) in [(FeatureMap::SinCos, 0.5_f64), (FeatureMap::Cos, 1.0)] {
        let noise = memory(&FeatureSpec::new(map, 2000, 2, 8.0, 1), &copies).noise().unwrap();
        // 25 copies: a sum of kernels of 25 with an error of 25 / sqrt(m) or less.
        assert!((noise / (25.0 * (factor / 2000.0).sqrt()) - 1.0).abs() < 0.05, "{map}: {noise}");
    }
    assert_eq!(memory(&FeatureSpec::new(FeatureMap::Exp, 20, 2, 1.0, 1), &copies).noise(), None);
}

/// What f32 cannot keep is not stored: phases at a distance, exponentials that vanish.
#[test]
fn patterns_too_far_from_the_origin_are_refused_with_the_cure() {
    let near: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin().abs()).collect();
    let of = |map, offset: f32, shift: Vec<f32>| {
        let rows: Vec<f32> = near.iter().map(|v| v + offset).collect();
        let settings = FeatureSettings { shift, ..cpu() };
        let mut memory = FeatureMemory::with(FeatureSpec::new(map, 4000, 3, 20.0, 1), settings).unwrap();
        let absorbed = memory.absorb(&Rows::new(rows, 3).unwrap()).map_err(|e| e.to_string());
        absorbed.map(|()| memory)
    };
    let at = |memory: &FeatureMemory, x: f32| memory.energy(&[[x; 3]]).unwrap()[0];
    let want = at(&of(FeatureMap::SinCos, 0.0, Vec::new()).unwrap(), 0.5);
    // Far enough to matter and near enough for f32 to hold the rows: the same to a hundredth.
    let got = at(&of(FeatureMap::SinCos, 1024.0, Vec::new()).unwrap(), 1024.5);
    assert!((got - want).abs() < 0.01, "{got}, want {want}");
    for offset in [65_536.0, 1e6, 1e9] {
        for map in [FeatureMap::SinCos, FeatureMap::Cos] {
            let error = of(map, offset, Vec::new()).err().unwrap();
            assert!(error.contains("row") && error.contains("centre"), "{error}");
        }
    }
    let centred = of(FeatureMap::SinCos, 65_536.0, vec![65_536.0; 3]).unwrap();
    let got = at(&centred, 65_536.5);
    assert!((got - want).abs() < 0.01, "{got}, want {want}");
    let error = centred.energy(&[[1e9; 3]]).unwrap_err().to_string();
    assert!(error.contains("states, row 0") && error.contains("centre"), "{error}");
    for map in [FeatureMap::Exp, FeatureMap::ExpExp, FeatureMap::DotExp] {
        let error = of(map, 60.0, Vec::new()).err().unwrap();
        assert!(error.contains("patterns, row") && error.contains("centre"), "{map}: {error}");
    }
}

/// Files of earlier versions do not say how far from the origin their patterns lie.
#[test]
fn files_without_the_largest_length_still_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let patterns = Random::new(5).rows(3, 4, 0.2);
    let memory = memory(&FeatureSpec::new(FeatureMap::Exp, 50, 4, 2.0, 1), &patterns);
    memory.save(&path).unwrap();
    let known = FeatureMemory::load(&path, &Device::cpu()).unwrap();
    assert_eq!(known.advise(4, 0.1), memory.advise(4, 0.1));
    let mut bytes = without_checksums(&std::fs::read(&path).unwrap());
    let at = bytes.windows(9).position(|w| w == b"\"largest\"").unwrap();
    bytes[at + 1..at + 8].copy_from_slice(b"unknown");
    std::fs::write(&path, &bytes).unwrap();
    let mut old = FeatureMemory::load(&path, &Device::cpu()).unwrap();
    assert_eq!(old.energy(&patterns).unwrap(), memory.energy(&patterns).unwrap());
    assert!(old.advise(4, 0.1).warnings.contains(&FeatureWarning::LengthsUnknown));
    old.merge(&memory).unwrap();
    assert_eq!(old.advise(4, 0.1).needed, usize::MAX);
}

#[test]
fn memories_of_different_clips_do_not_merge() {
    let with = |epsilon| {
        let settings = FeatureSettings { epsilon: Some(epsilon), ..cpu() };
        FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 10, 2, 1.0, 1), settings).unwrap()
    };
    let error = with(0.1).merge(&with(0.2)).unwrap_err().to_string();
    assert!(error.contains("differ in epsilon (0.1 and 0.2)"), "{error}");
    with(0.1).merge(&with(0.1)).unwrap();
}

// ---- files and refusals ------------------------------------------------------------------------

#[test]
fn a_memory_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let rows = bits(&mut Random::new(1), 5, 4);
    let given = frequencies(Projection::Gaussian, 1, 20, 4);
    let given = Rows::new(given.data.iter().map(|v| *v as f32).collect::<Vec<_>>(), 4).unwrap();
    let mut structured = FeatureSpec::new(FeatureMap::SinCos, 20, 4, 3.3, 0);
    structured.source = FrequencySource::Seed { seed: u64::MAX, projection: Projection::Structured };
    let specs = [
        FeatureSpec::new(FeatureMap::ExpExp, 20, 4, 0.1, 1 << 60),
        structured,
        FeatureSpec::given(FeatureMap::Cos, given, Some(&[0.3; 20]), 2.0).unwrap(),
    ];
    for (i, spec) in specs.into_iter().enumerate() {
        let settings = FeatureSettings { scale: 0.7, shift: vec![0.1, 0.2, 0.3, 0.4], ..cpu() };
        let mut memory = FeatureMemory::with(spec, settings).unwrap();
        memory.absorb(&rows).unwrap();
        memory.decay(0.3).unwrap();
        let path = folder.path().join(format!("{i}.safetensors"));
        memory.save(&path).unwrap();
        let mut again = FeatureMemory::load(&path, &Device::cpu()).unwrap();
        assert_eq!(again.spec(), memory.spec());
        assert_eq!(again.vector(), memory.vector());
        assert_eq!((again.len(), again.weight()), (memory.len(), memory.weight()));
        assert_eq!(again.mean().unwrap(), memory.mean().unwrap());
        assert_eq!(again.energy(&rows).unwrap(), memory.energy(&rows).unwrap());
        again.merge(&memory).unwrap();
        assert_eq!(again.len(), 10);
        // Cut off anywhere, it is refused.
        let bytes = std::fs::read(&path).unwrap();
        for length in (1..bytes.len()).step_by(37) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(FeatureMemory::load(&path, &Device::cpu()).is_err(), "{length}");
        }
        // Another generator would mean other frequencies.
        let mut other = without_checksums(&bytes);
        let at = other.windows(6).position(|w| w == b"philox").unwrap();
        other[at] = b'P';
        std::fs::write(&path, &other).unwrap();
        let error = FeatureMemory::load(&path, &Device::cpu()).unwrap_err();
        assert!(matches!(error, Error::IncompatibleMemory { field: "generator", .. }), "{error}");
    }
    let memory = FeatureMemory::with(FeatureSpec::new(FeatureMap::Exp, 2, 2, 1.0, 1), cpu()).unwrap();
    assert!(memory.save(folder.path().join("a.npz")).is_err());
}

/// A changed byte anywhere in a file is noticed, and a number that no file of an earlier version would have.
#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let patterns = Rows::new(vec![0.5, 0.25, -0.5, 0.125], 2).unwrap();
    memory(&FeatureSpec::new(FeatureMap::SinCos, 4, 2, 2.0, 7), &patterns).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        FeatureMemory::load(&path, &Device::cpu())
    };
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            assert!(load(&changed).is_err(), "byte {at} by {change}");
        }
    }
    let mut changed = whole.clone();
    let values = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    changed[values + 3] ^= 1;
    let text = load(&changed).unwrap_err().to_string();
    assert!(text.contains("m.safetensors: ") && text.contains("do not fit their checksum"), "{text}");

    let old = without_checksums(&whole);
    let before = load(&whole).unwrap();
    assert_eq!(load(&old).unwrap().vector(), before.vector());
    let with_count = |count: &str| {
        let length = u64::from_le_bytes(old[..8].try_into().unwrap()) as usize;
        let text = std::str::from_utf8(&old[8..8 + length]).unwrap().trim_end();
        assert!(text.contains("\"count\":\"2\""));
        let text = text.replace("\"count\":\"2\"", &format!("\"count\":\"{count}\""));
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &old[8 + length..]].concat()
    };
    assert_eq!(load(&with_count("3")).unwrap().len(), 3);
    for count in ["18446744073709551615", "9007199254740993", "1", "0"] {
        let text = load(&with_count(count)).unwrap_err().to_string();
        assert!(text.contains("in the metadata is") && text.contains("m.safetensors"), "{count}: {text}");
    }
    // What f64 can count is the most that memories hold together.
    let mut most = load(&with_count("9007199254740992")).unwrap();
    assert!(most.merge(&before).unwrap_err().to_string().contains("at most 9007199254740992"));
    assert!(most.absorb(&patterns).is_err());
    assert_eq!(most.len(), 1 << 53);
}

#[test]
fn memories_that_differ_are_not_merged() {
    let spec = FeatureSpec::new(FeatureMap::SinCos, 20, 4, 3.0, 1);
    let rows = bits(&mut Random::new(1), 5, 4);
    let given = Rows::new(vec![0.5; 80], 4).unwrap();
    let projected = FrequencySource::Seed { seed: 1, projection: Projection::Orthogonal };
    let others = [
        ("map", FeatureSpec::new(FeatureMap::Cos, 20, 4, 3.0, 1), cpu()),
        ("features", FeatureSpec::new(FeatureMap::SinCos, 21, 4, 3.0, 1), cpu()),
        ("dim", FeatureSpec::new(FeatureMap::SinCos, 20, 5, 3.0, 1), cpu()),
        ("beta", FeatureSpec::new(FeatureMap::SinCos, 20, 4, 3.5, 1), cpu()),
        ("seed", FeatureSpec::new(FeatureMap::SinCos, 20, 4, 3.0, 2), cpu()),
        ("projection", FeatureSpec { source: projected, ..spec.clone() }, cpu()),
        ("frequencies", FeatureSpec::given(FeatureMap::SinCos, given, None, 3.0).unwrap(), cpu()),
        ("scale", spec.clone(), FeatureSettings { scale: 2.0, ..cpu() }),
        ("shift", spec.clone(), FeatureSettings { shift: vec![1.0; 4], ..cpu() }),
    ];
    for (field, other, settings) in others {
        let mut memory = memory(&spec, &rows);
        let before = memory.vector().to_vec();
        let other = FeatureMemory::with(other, settings).unwrap();
        match memory.merge(&other).unwrap_err() {
            Error::IncompatibleMemory { field: got, .. } => assert_eq!(got, field),
            error => panic!("{field}: {error}"),
        }
        assert_eq!(memory.vector(), before);
    }
}

#[test]
fn bad_input_is_refused() {
    let spec = |m, d, beta| FeatureSpec::new(FeatureMap::SinCos, m, d, beta, 1);
    for bad in [spec(0, 2, 1.0), spec(2, 0, 1.0), spec(2, 2, 0.0), spec(2, 2, f32::NAN)] {
        let error = FeatureMemory::with(bad, cpu()).unwrap_err();
        assert!(matches!(error, Error::InvalidParameter { .. }), "{error}");
    }
    let mut memory = FeatureMemory::with(spec(10, 2, 1.0), cpu()).unwrap();
    assert!(matches!(memory.recall(&[[0.0, 1.0]]), Err(Error::EmptyMemory)));
    assert!(matches!(memory.energy(&[[0.0, 1.0]]), Err(Error::EmptyMemory)));
    assert!(matches!(memory.absorb(&[[0.0, 1.0, 2.0]]), Err(Error::DimensionMismatch { .. })));
    assert!(matches!(memory.absorb(&[[0.0, f32::NAN]]), Err(Error::NonFinite { row: 0, column: 1, .. })));
    memory.absorb(&[[0.0, 1.0]]).unwrap();
    let error = memory.forget(&[[0.0, 1.0], [1.0, 0.0]]).unwrap_err();
    assert!(matches!(error, Error::InvalidForget { rows: 2, count: 1 }), "{error}");
    assert_eq!(memory.len(), 1);
    assert!(matches!(memory.recall(&[[0.0, 1.0, 2.0]]), Err(Error::DimensionMismatch { .. })));
    for options in [
        RecallOptions { beta: Some(2.0), ..RecallOptions::default() },
        RecallOptions { top_k: Some(1), ..RecallOptions::default() },
        RecallOptions { mask: Some(&[true]), ..RecallOptions::default() },
        RecallOptions { step_size: 0.0, ..RecallOptions::default() },
        RecallOptions { tolerance: Some(-1.0), ..RecallOptions::default() },
    ] {
        let error = memory.recall_with(&[[0.0, 1.0]], &options).unwrap_err();
        assert!(matches!(error, Error::InvalidParameter { .. }), "{error}");
    }
    let fill = FeatureDescent { fill: true, ..FeatureDescent::default() };
    assert!(memory.descend(&[[0.0, 1.0]], &fill).is_err());
    assert!(memory.decay(0.0).is_err() && memory.decay(1.5).is_err());
    // Exponential features far from the origin leave f32, which is not stored.
    let mut exponential =
        FeatureMemory::with(FeatureSpec::new(FeatureMap::DotExp, 10, 2, 50.0, 1), cpu()).unwrap();
    let warnings = exponential.inspect(&[[3.0, 4.0]]).unwrap();
    assert_eq!(warnings, [FeatureWarning::Overflow { exponent: 5000.0 }]);
    assert!(exponential.absorb(&[[0.1, 0.1]]).is_ok());
    let isolated = memory.inspect(&[[0.0, 0.0], [20.0, 0.0]]).unwrap();
    assert_eq!(isolated, [FeatureWarning::Isolated]);
    assert!(memory.inspect(&[[0.0, 0.0], [2.0, 0.0]]).unwrap().is_empty());
    assert!(memory.recall(&Rows::empty(2)).unwrap().is_empty());
}

#[test]
fn the_smallest_beta_that_isolates_is_found() {
    let rows = bits(&mut Random::new(4), 20, 30);
    let beta = beta_for_isolation(&rows, 1e-4).unwrap();
    let slope = |beta: f64| {
        let model = DenseModel { patterns: matrix(&rows), similarity: Similarity::L2, beta, mask: None };
        let of = |x: &[f64]| {
            let state = model.step(x).state;
            x.iter().zip(state).fold(0.0_f64, |m, (x, s)| m.max((x - s).abs()))
        };
        matrix(&rows).iter().map(of).fold(0.0, f64::max)
    };
    assert!(slope(f64::from(beta)) <= 1e-4);
    assert!(slope(f64::from(beta) - 2e-3) > 1e-4);
    assert!(beta_for_isolation(&[[0.5, 0.5], [0.5, 0.5001]], 1e-9).is_err());
}

// ---- the laws of the noise ---------------------------------------------------------------------

/// Mean and variance of estimates of one kernel over seeds.
fn estimates(map: FeatureMap, projection: Projection, x: &Rows<'_>, y: &Rows<'_>, seeds: u64) -> (f64, f64) {
    let of = |seed: u64| {
        let mut spec = FeatureSpec::new(map, 32, x.columns(), 1.0, seed);
        spec.source = FrequencySource::Seed { seed, projection };
        let memory = memory(&spec, y);
        let u = (-f64::from(memory.energy(x).unwrap()[0])).exp();
        assert!(u > 1e-3, "not clipped");
        u
    };
    let all: Vec<f64> = (0..seeds).map(of).collect();
    let mean = all.iter().sum::<f64>() / seeds as f64;
    (mean, all.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / (seeds - 1) as f64)
}

#[test]
fn kernel_estimates_have_no_bias_and_the_variance_of_their_map() {
    const SEEDS: u64 = 3000;
    let (x, y) =
        (Rows::new(vec![0.3, -0.2, 0.1, 0.5], 4).unwrap(), Rows::new(vec![-0.3, 0.3, 0.2, 0.1], 4).unwrap());
    let squared = distance(x.as_slice(), y.as_slice()).powi(2);
    let k = (-0.5 * squared).exp();
    let m = 32.0;
    for (map, variance) in [
        (FeatureMap::SinCos, (1.0 - k * k).powi(2) / (2.0 * m)),
        (FeatureMap::Cos, (1.0 + 0.5 * k.powi(4) - k * k) / m),
    ] {
        let (mean, got) = estimates(map, Projection::Gaussian, &x, &y, SEEDS);
        let error = (variance / SEEDS as f64).sqrt();
        assert!((mean - k).abs() < 3.0 * error, "{map}: {mean}, want {k} +- {error}");
        assert!((got / variance - 1.0).abs() < 0.1, "{map}: variance {got}, want {variance}");
    }
    for (map, want) in [
        (FeatureMap::Exp, k),
        (FeatureMap::ExpExp, k),
        (
            FeatureMap::DotExp,
            x.as_slice().iter().zip(y.as_slice()).map(|(a, b)| f64::from(a * b)).sum::<f64>().exp(),
        ),
    ] {
        let (mean, got) = estimates(map, Projection::Gaussian, &x, &y, SEEDS);
        let error = (got / SEEDS as f64).sqrt();
        assert!((mean - want).abs() < 3.0 * error, "{map}: {mean}, want {want} +- {error}");
    }
    let gaussian = estimates(FeatureMap::SinCos, Projection::Gaussian, &x, &y, 500).1;
    let (mean, got) = estimates(FeatureMap::SinCos, Projection::Orthogonal, &x, &y, 500);
    assert!((mean - k).abs() < 3.0 * (got / 500.0).sqrt(), "orthogonal: {mean}, want {k}");
    // Orthogonal frequencies have less noise where the kernel is large.
    assert!(got < 0.6 * gaussian, "orthogonal {got}, gaussian {gaussian}");
}

#[test]
fn the_error_of_the_energy_falls_as_the_root_of_the_features() {
    let (k, d, beta) = (30, 16, 10.0);
    let patterns = bits(&mut Random::new(6), k, d);
    let model = DenseModel { patterns: matrix(&patterns), similarity: Similarity::L2, beta, mask: None };
    let exact: Vec<f64> = matrix(&patterns).iter().map(|x| model.energy(x)).collect();
    let sizes = [250, 1000, 4000];
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .map(|&m| {
            let error = (0..12).map(|seed| {
                let memory =
                    memory(&FeatureSpec::new(FeatureMap::SinCos, m, d, beta as f32, seed), &patterns);
                let energy = memory.energy(&patterns).unwrap();
                energy.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).abs()).sum::<f64>() / k as f64
            });
            ((m as f64).ln(), (error.sum::<f64>() / 12.0).ln())
        })
        .collect();
    // Least squares of three points at equal distances.
    let slope = (points[2].1 - points[0].1) / (points[2].0 - points[0].0);
    assert!((slope + 0.5).abs() < 0.1, "{slope}");
}

#[test]
fn the_gradient_at_a_pattern_has_the_noise_of_its_law() {
    let (k, d, beta, m) = (50, 32, 80.0, 8000);
    let mut squares = 0.0;
    for seed in 0..3 {
        let patterns = bits(&mut Random::new(30 + seed), k, d);
        let memory = memory(&FeatureSpec::new(FeatureMap::SinCos, m, d, beta as f32, seed), &patterns);
        let (_, gradient) = memory.energy_and_gradient(&patterns).unwrap();
        let model = DenseModel { patterns: matrix(&patterns), similarity: Similarity::L2, beta, mask: None };
        for (x, g) in matrix(&patterns).iter().zip(gradient.iter()) {
            // The exact gradient is x minus its update.
            let step: Vec<f64> = model.step(x).state;
            squares +=
                x.iter().zip(step).zip(g).map(|((x, s), g)| (f64::from(*g) - (x - s)).powi(2)).sum::<f64>();
        }
    }
    let got = (squares / (3 * k) as f64).sqrt();
    let law = (d as f64 * k as f64 / (2.0 * beta * m as f64)).sqrt();
    assert!((got / law - 1.0).abs() < 0.15, "{got}, law {law}");
}

#[test]
fn patterns_stay_from_two_features_for_each_of_their_numbers_on() {
    let (k, d, beta) = (50, 32, 80.0);
    let patterns = bits(&mut Random::new(12), k, d);
    let stay = |m: usize| {
        let memory = memory(&FeatureSpec::new(FeatureMap::SinCos, m, d, beta, 7), &patterns);
        let some = patterns.slice(0..20);
        let options = FeatureDescent { step_size: 0.3, steps: 300, ..FeatureDescent::default() };
        let recall = memory.descend(&some, &options).unwrap();
        let limit = 1.5 / f64::from(beta).sqrt();
        (0..20).filter(|i| distance(recall.states.row(*i), some.row(*i)) < limit).count()
    };
    assert_eq!(stay(2 * k * d), 20);
    let few = stay(k * d / 4);
    assert!(few < 10, "{few}");
}

#[test]
fn the_limit_of_a_small_beta_is_the_number_of_patterns() {
    let patterns = bits(&mut Random::new(12), 9, 5);
    let memory = memory(&FeatureSpec::new(FeatureMap::SinCos, 40, 5, 1e-6, 7), &patterns);
    let u = (-1e-6 * f64::from(memory.energy(&patterns).unwrap()[0])).exp();
    assert!((u - 9.0).abs() < 1e-3, "{u}");
}

#[test]
fn the_energy_is_the_references() {
    let patterns = bits(&mut Random::new(3), 6, 7);
    let states = Random::new(4).rows(5, 7, 0.2);
    for (name, device) in devices() {
        let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let mut memory =
            FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 200, 7, 5.0, 2), settings).unwrap();
        memory.absorb(&patterns).unwrap();
        let model = FeatureModel {
            map: FeatureMap::SinCos,
            frequencies: frequencies(Projection::Gaussian, 2, 200, 7),
            phases: Vec::new(),
            beta: 5.0,
        };
        let t = model.encode(&matrix(&patterns));
        let states_f64: Matrix = matrix(&states);
        let want: Vec<f64> = states_f64.iter().map(|x| model.energy(x, &t, 1e-5)).collect();
        let gradients: Vec<f64> = states_f64.iter().flat_map(|x| model.gradient(x, &t, 1e-5)).collect();
        let (energy, gradient) = memory.energy_and_gradient(&states).unwrap();
        // u is at least 1 here, known to about 1e-5.
        assert_close(&format!("{name} energy"), &energy, &want, 2e-5);
        assert_close(&format!("{name} gradient"), gradient.as_slice(), &gradients, 5e-5);
    }
}
