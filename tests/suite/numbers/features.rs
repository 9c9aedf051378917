//! Random features: the map, its sums, and memories that keep nothing else.

use super::*;
use attractor::{
    Tensor,
    memory::{FeatureMemory, FeatureSettings, Memory},
    ops::{FeatureMap, FeatureSpec, Features, FrequencySource, Projection},
    reference::{self, FeatureModel},
};

fn spec(map: FeatureMap, projection: Projection, m: usize, d: usize, beta: f32) -> FeatureSpec {
    let mut spec = FeatureSpec::new(map, m, d, beta, 5);
    spec.source = FrequencySource::Seed { seed: 5, projection };
    spec
}

#[test]
fn encodings_and_steps() {
    let strategy = (
        (size(9), size(20), some(260), some(70)),
        prop::sample::select(&FeatureMap::ALL[..]),
        prop::sample::select(&Projection::ALL[..]),
        (fill(&[Kind::Normal]), fill(&[Kind::Normal])),
        any::<bool>(),
        any::<usize>(),
    );
    property("features", 40, strategy, |((b, k, m, d), map, projection, (q, x), kept, pick)| {
        // Near to the origin, where exponential features are of use.
        let near = |v: Vec<f32>| v.into_iter().map(|v| 0.3 * v / (d as f32).sqrt()).collect::<Vec<_>>();
        let (q, x) = (near(q.flat(b * d)), near(x.flat(k * d)));
        let spec = spec(map, projection, m, d, 1.5);
        let phases = if map == FeatureMap::Cos { reference::phases(5, m) } else { vec![0.0; m] };
        let frequencies = reference::frequencies(projection, 5, m, d);
        let model = FeatureModel { map, frequencies, phases, beta: 1.5 };
        let t = model.encode(&Matrix { data: wide(&x), rows: k, columns: d });
        let scale = (k as f64 + 1.0) / (m as f64).sqrt();
        for (name, device) in some_devices(pick) {
            let what = format!("{name} {map} {projection} {b} {k} {m} {d}");
            let features = Features::new(&spec, &device, if kept { u64::MAX } else { 0 }).unwrap();
            let rows = if k == 0 { Rows::empty(d) } else { Rows::new(&x[..], d).unwrap() };
            let got = features.encode(&rows).unwrap();
            for (got, want) in got.iter().zip(&t) {
                assert!((got - want).abs() < 3e-5 * scale, "{what}: {got} {want}");
            }
            let memory = features.memory(&got).unwrap();
            let states = Tensor::from_flat(&device, &q, &[b, d]).unwrap();
            let (u, g) = features.step(&states, &memory).unwrap();
            assert_eq!((u.shape(), g.shape()), (&[b][..], &[b, d][..]), "{what}");
            let want: Vec<f64> = q.chunks(d).map(|q| model.sum(&wide(q), &t)).collect();
            let most = 8.0 * (k as f64 + 1.0);
            for (got, want) in u.to_vec().unwrap().iter().zip(&want) {
                assert!((f64::from(*got) - want).abs() < 3e-5 * most, "{what}: {got} {want}");
            }
        }
    });
}

/// Patterns and states that no feature can be made of, and memories of nothing.
#[test]
fn errors_are_the_same() {
    let kinds: &'static [Kind] = &[Kind::Normal, Kind::Wide, Kind::Tiny, Kind::Huge, Kind::Unknown];
    let strategy = (
        (size(5), size(5), some(9)),
        prop::sample::select(&FeatureMap::ALL[..]),
        (fill(kinds), fill(kinds)),
        any::<usize>(),
    );
    property("errors of features", 60, strategy, |((b, k, d), map, (q, x), pick)| {
        let of = |fill: Fill, rows: usize| match rows {
            0 => Rows::empty(d),
            _ => fill.rows(rows, d),
        };
        let (q, x) = (of(q, b), of(x, k));
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
                let spec = spec(map, Projection::Gaussian, 33, d, 1.0);
                let run = || {
                    let mut memory = FeatureMemory::with(spec, settings)?;
                    memory.absorb(&x)?;
                    memory.energy(&q)
                };
                (name, run())
            })
            .collect();
        if same_errors(&results) {
            return;
        }
        let finite = |v: &[f32]| v.iter().map(|v| v.is_finite()).collect::<Vec<_>>();
        let first = results[0].1.as_ref().unwrap();
        for (name, result) in &results {
            assert_eq!(finite(result.as_ref().unwrap()), finite(first), "{name} {map}: {result:?} {first:?}");
        }
    });
}

/// Waves are between -1 and 1, wherever they are looked at.
#[test]
fn waves_stay_waves() {
    for (name, device) in devices() {
        let features = Features::new(&spec(FeatureMap::SinCos, Projection::Gaussian, 40, 3, 1.0), &device, 0);
        let features = features.unwrap();
        for far in [1e4, 1e6, 1e8, 1e12] {
            let rows = Rows::new(vec![far, -far, 0.5 * far], 3).unwrap();
            let t = features.encode(&rows).unwrap();
            let most = (1.0 / 40.0_f64).sqrt() * 1.001;
            assert!(t.iter().all(|t| t.abs() <= most), "{name} {far}: {t:?}");
        }
    }
}
