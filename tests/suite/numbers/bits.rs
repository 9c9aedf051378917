//! Rows of bits: everything is a whole number, so everything is equal.

use super::*;
use attractor::{
    Bits, Error,
    memory::{BinaryMemory, BinarySettings, HopfieldMemory, HopfieldSettings, Learning, Memory, Order},
    ops::{Interaction, Rule, overlaps},
    prelude::RecallOptions,
    reference::BinaryModel,
};

fn bipolar(seed: u64, rows: usize, columns: usize) -> Rows<'static> {
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..rows * columns).map(|_| [-1.0, 1.0][random.below(2)]).collect();
    if columns == 0 { Rows::empty(0) } else { Rows::new(values, columns).unwrap() }
}

#[test]
fn overlaps_are_exact() {
    let strategy = ((size(9), size(70), some(300)), any::<[u64; 2]>(), any::<usize>());
    property("overlaps", 50, strategy, |((b, n, d), seeds, pick)| {
        let (q, x) = (bipolar(seeds[0], b, d), bipolar(seeds[1], n, d));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let want: Vec<f32> = q.iter().flat_map(|q| x.iter().map(move |x| dot(q, x))).collect();
        for (name, device) in some_devices(pick) {
            let (q, x) = (Bits::new(&device, &q).unwrap(), Bits::new(&device, &x).unwrap());
            assert_eq!(overlaps(&q, &x).unwrap().to_vec().unwrap(), want, "{name} {b}x{n}x{d}");
        }
    });
}

#[test]
fn what_is_no_bit_is_named() {
    let strategy = ((some(5), some(70)), any::<u64>(), any::<(usize, usize)>(), any::<usize>());
    property("no bits", 40, strategy, |((n, d), seed, (at, which), pick)| {
        let odd = [0.0, -0.0, f32::NAN, f32::INFINITY, 1e-40, 1.000_000_1, -0.999_999_94, 1e38][which % 8];
        let mut values = bipolar(seed, n, d).into_vec();
        let at = at % values.len();
        values[at] = odd;
        let rows = Rows::new(values, d).unwrap();
        let good = bipolar(seed, 3, d);
        for (name, device) in some_devices(pick) {
            let named = |result: attractor::Result<()>| match result {
                Err(Error::NotBipolar { row, column, value, .. }) => {
                    assert_eq!((row, column), (at / d, at % d), "{name}");
                    assert_eq!(value.to_bits(), odd.to_bits(), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            };
            named(Bits::new(&device, &rows).map(drop));
            let settings = BinarySettings {
                device: Some(device.clone()),
                ..BinarySettings::new(Interaction::Polynomial(2))
            };
            named(BinaryMemory::with(&rows, settings.clone()).map(drop));
            named(BinaryMemory::with(&good, settings).unwrap().recall(&rows).map(drop));
            let settings = HopfieldSettings { device: Some(device), ..HopfieldSettings::default() };
            named(HopfieldMemory::with(&rows, settings.clone()).map(drop));
            named(HopfieldMemory::with(&good, settings).unwrap().recall(&rows).map(drop));
        }
    });
}

/// Whole numbers below 2^23: one step is the same everywhere, to the last bit.
#[test]
fn steps_of_bits_are_exact() {
    let interactions = [Interaction::Polynomial(2), Interaction::Polynomial(3), Interaction::Rectified(3)];
    let rules = [Rule::Exact, Rule::Gradient, Rule::LeaveOneOut];
    let strategy = (
        (some(9), some(40), some(70)),
        any::<[u64; 2]>(),
        prop::sample::select(interactions.to_vec()),
        prop::sample::select(rules.to_vec()),
        any::<bool>(),
        any::<usize>(),
    );
    property("steps of bits", 40, strategy, |((b, n, d), seeds, interaction, rule, together, pick)| {
        let (q, x) = (bipolar(seeds[0], b, d), bipolar(seeds[1], n, d));
        let order = if together { Order::Synchronous } else { Order::Asynchronous };
        let model = BinaryModel { patterns: matrix(&x), interaction, rule };
        let want: Vec<Vec<f64>> = q.iter().map(|q| model.fields(&wide(q))).collect();
        let mut first: Option<(Vec<f32>, Vec<u32>)> = None;
        for (name, device) in some_devices(pick) {
            let settings = BinarySettings {
                device: Some(device),
                order,
                rule,
                seed: seeds[0],
                ..BinarySettings::new(interaction)
            };
            let memory = BinaryMemory::with(&x, settings).unwrap();
            let options = RecallOptions { steps: 1, ..RecallOptions::default() };
            let recall = memory.recall_with(&q, &options).unwrap();
            if together {
                for ((got, q), fields) in recall.states.iter().zip(q.iter()).zip(&want) {
                    for ((got, x), field) in got.iter().zip(q).zip(fields) {
                        let sign = if *field == 0.0 { *x } else { field.signum() as f32 };
                        assert_eq!(*got, sign, "{name} {interaction} {rule:?}");
                    }
                }
            }
            let found = (recall.states.into_vec(), recall.indices);
            assert_eq!(
                *first.get_or_insert_with(|| found.clone()),
                found,
                "{name} {interaction} {rule:?} {order}"
            );
        }
    });
}

#[test]
fn networks_of_bits_agree() {
    let learning = [Learning::Hebb, Learning::Storkey, Learning::PseudoInverse];
    let strategy = (
        (some(5), some(6), 8..70_usize),
        any::<[u64; 2]>(),
        prop::sample::select(learning.to_vec()),
        any::<bool>(),
        any::<usize>(),
    );
    property("networks of bits", 30, strategy, |((b, n, d), seeds, learning, together, pick)| {
        let (q, x) = (bipolar(seeds[0], b, d), bipolar(seeds[1], n, d));
        let order = if together { Order::Synchronous } else { Order::Asynchronous };
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let settings = HopfieldSettings {
                    device: Some(device),
                    learning,
                    order,
                    seed: 3,
                    ..HopfieldSettings::default()
                };
                let options = RecallOptions { steps: 1, ..RecallOptions::default() };
                let recalled = HopfieldMemory::with(&x, settings)
                    .and_then(|memory| memory.recall_with(&q, &options))
                    .map(|recall| (recall.states.into_vec(), recall.energy));
                (name, recalled)
            })
            .collect();
        // Patterns that depend on each other have no pseudo-inverse, on no device.
        if same_errors(&results) {
            assert_eq!(learning, Learning::PseudoInverse);
            return;
        }
        let cpu = results[0].1.as_ref().unwrap();
        for (name, result) in &results[1..] {
            let got = result.as_ref().unwrap();
            let what = format!("{name} {learning} {order}");
            assert_eq!(got.0, cpu.0, "{what}");
            assert_close(&what, &got.1, &wide(&cpu.1), 1e-5 * d as f64);
        }
    });
}
