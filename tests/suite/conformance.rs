//! What holds of every memory in the registry: a kind that is entered there is tested here without another line.

use super::common::{Random, differing, gpus, memory_of};
use attractor::{
    Device, Error, Rows,
    capacity::{Criterion, Plan, Schedule, run},
    memory::{
        Beta, Energy, EnergySettings, Memory, Recall, RecallOptions, Verdict, explain,
        registry::{self, Data, Dynamics, Kind, Promise, Setting, Weights},
    },
    ops::Similarity,
};
use std::{collections::HashMap, ops::ControlFlow, sync::Once};

/// Columns and patterns of small data.
const D: usize = 16;
const N: usize = 8;

/// A kind with the parameters that it has by default.
struct Subject {
    kind: &'static Kind,
    energy: Energy,
}

impl Subject {
    fn rows(&self, n: usize, d: usize, data: Data, seed: u64) -> Rows<'static> {
        let rows = Random::new(seed).rows(n, d, 1.0);
        match data {
            Data::Real => rows,
            Data::Bipolar => {
                Rows::new(rows.as_slice().iter().map(|v| v.signum()).collect::<Vec<_>>(), d).unwrap()
            }
        }
    }

    fn patterns(&self, n: usize, d: usize) -> Rows<'static> {
        self.rows(n, d, self.energy.properties().patterns, 7)
    }

    fn queries(&self, b: usize, d: usize) -> Rows<'static> {
        self.rows(b, d, self.energy.properties().states, 8)
    }

    fn try_memory(&self, patterns: &Rows<'_>, device: &Device) -> Result<Box<dyn Memory>, Error> {
        // Warm enough that states move, and the same for any number of patterns.
        let beta = if self.energy.takes(Setting::Beta) { Beta::Fixed(0.5) } else { Beta::Auto };
        let settings = EnergySettings { device: Some(device.clone()), beta, ..EnergySettings::default() };
        memory_of(self.energy, patterns, &settings)
    }

    fn memory(&self, patterns: &Rows<'_>) -> Box<dyn Memory> {
        self.try_memory(patterns, &Device::cpu()).unwrap()
    }

    fn steps(&self, steps: u32) -> RecallOptions<'static> {
        let steps = if self.energy.properties().dynamics == Dynamics::OneShot { steps.min(1) } else { steps };
        RecallOptions { steps, ..RecallOptions::default() }
    }

    /// Equal to the bit for bits, else to a share of the largest value.
    #[track_caller]
    fn same(&self, what: &str, got: &Rows<'_>, want: &Rows<'_>, bound: f32) {
        let largest = want.as_slice().iter().fold(0.1_f32, |m, v| m.max(v.abs()));
        let bound = if self.energy.is_binary() { 0.0 } else { bound * largest };
        assert_eq!((got.rows(), got.columns()), (want.rows(), want.columns()), "{}: {what}", self.energy);
        for (got, want) in got.as_slice().iter().zip(want.as_slice()) {
            assert!((got - want).abs() <= bound, "{}: {what}: {got}, want {want}", self.energy);
        }
    }
}

/// Of another program, entered in the table as any would be.
#[path = "../../examples/own_memory.rs"]
mod own_memory;

fn each(mut test: impl FnMut(&Subject)) {
    static ENTERED: Once = Once::new();
    ENTERED.call_once(|| registry::register(&own_memory::WINNER).unwrap());
    for kind in registry::kinds() {
        test(&Subject { kind, energy: kind.example().parse().unwrap() });
    }
}

fn recalled(memory: &dyn Memory, queries: &Rows<'_>, options: &RecallOptions<'_>) -> Recall {
    memory.recall_with(queries, options).unwrap()
}

#[test]
fn names_are_those_of_the_table() {
    each(|subject| {
        let name = subject.energy.to_string();
        assert_eq!(name.split(':').next(), Some(subject.kind.key()));
        assert_eq!(name.parse::<Energy>().unwrap(), subject.energy);
        assert!(!subject.kind.about.is_empty() && !subject.kind.source.is_empty());
        assert!(!subject.kind.parameters.iter().any(|p| p.range.is_empty() || p.default.is_empty()));
        let error = "none-of-them".parse::<Energy>().unwrap_err().to_string();
        assert!(error.contains(subject.kind.name), "{error}");
    });
}

#[test]
fn shapes_of_0_and_1() {
    each(|subject| {
        match subject.try_memory(&subject.patterns(1, 1), &Device::cpu()) {
            Ok(memory) => {
                assert_eq!((memory.len(), memory.dim()), (1, 1));
                let one = recalled(&*memory, &subject.queries(1, 1), &subject.steps(2));
                assert!(one.states.as_slice().iter().all(|v| v.is_finite()), "{}", subject.energy);
            }
            // A blend of more patterns than there are.
            Err(error) => assert!(error.to_string().contains("k of ksubsets is 2"), "{error}"),
        }
        let memory = subject.memory(&subject.patterns(3, 4));
        let none = recalled(&*memory, &Rows::new(Vec::new(), 4).unwrap(), &subject.steps(2));
        assert_eq!((none.len(), none.states.columns()), (0, 4), "{}", subject.energy);
        match subject.try_memory(&Rows::new(Vec::new(), 4).unwrap(), &Device::cpu()) {
            Ok(empty) => assert!(empty.is_empty(), "{}", subject.energy),
            Err(error) => assert!(matches!(error, Error::EmptyMemory), "{}: {error}", subject.energy),
        }
    });
}

#[test]
fn wrong_data_is_refused() {
    each(|subject| {
        let mut memory = subject.memory(&subject.patterns(N, D));
        let mut broken = subject.queries(2, D).into_vec();
        broken[D + 3] = f32::NAN;
        let broken = Rows::new(broken, D).unwrap();
        let refused = |error: Error, words: &[&str]| {
            let text = error.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{}: {text}", subject.energy);
        };
        refused(memory.recall(&broken).unwrap_err(), &["row 1"]);
        refused(subject.try_memory(&broken, &Device::cpu()).err().unwrap(), &["row 1"]);
        // Some count from the first row stored.
        refused(memory.append(&broken).unwrap_err(), &["column 3 is NaN"]);
        refused(memory.recall(&subject.queries(2, 5)).unwrap_err(), &["5", "16"]);
        refused(memory.append(&subject.patterns(2, 5)).unwrap_err(), &["5", "16"]);
        assert_eq!(memory.len(), N, "{}", subject.energy);
    });
}

#[test]
fn masks_hide_patterns() {
    each(|subject| {
        let (patterns, queries) = (subject.patterns(N, D), subject.queries(3, D));
        let memory = subject.memory(&patterns);
        let mut mask = vec![true; N];
        if !subject.energy.promises(Promise::Masks) {
            let options = RecallOptions { mask: Some(&mask), ..subject.steps(1) };
            memory.recall_with(&queries, &options).unwrap_err();
            return;
        }
        let open = recalled(&*memory, &queries, &RecallOptions { mask: Some(&mask), ..subject.steps(1) });
        let plain = recalled(&*memory, &queries, &subject.steps(1));
        subject.same("a mask that hides nothing", &open.states, &plain.states, 1e-5);
        (mask[0], mask[5]) = (false, false);
        let hidden = recalled(&*memory, &queries, &RecallOptions { mask: Some(&mask), ..subject.steps(1) });
        assert!(!hidden.indices.iter().any(|k| [0, 5].contains(k)), "{}", subject.energy);
        let kept: Vec<f32> = (0..N).filter(|k| mask[*k]).flat_map(|k| patterns.row(k)).copied().collect();
        // What is learned of all patterns is no matter of the mask.
        if subject.energy.promises(Promise::Appends) {
            let without = subject.memory(&Rows::new(kept, D).unwrap());
            let want = recalled(&*without, &queries, &subject.steps(1));
            subject.same("as if the others had never been", &hidden.states, &want.states, 1e-4);
        }
    });
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    each(|subject| {
        let (memory, queries) = (subject.memory(&subject.patterns(N, D)), subject.queries(11, D));
        let all = recalled(&*memory, &queries, &subject.steps(3));
        // Synchronous and asynchronous orders depend on a seed and the row's number: the first row has it in any batch.
        let first = recalled(&*memory, &queries.slice(0..1), &subject.steps(3));
        subject.same("a batch of one", &first.states, &all.states.slice(0..1), 1e-4);
    });
}

#[test]
fn appending_is_building_anew() {
    each(|subject| {
        let (patterns, queries) = (subject.patterns(N, D), subject.queries(5, D));
        let mut memory = subject.memory(&patterns.slice(0..5));
        memory.append(&patterns.slice(5..N)).unwrap();
        assert_eq!(memory.len(), N, "{}", subject.energy);
        if subject.energy.promises(Promise::Appends) {
            let whole = recalled(&*subject.memory(&patterns), &queries, &subject.steps(3));
            let grown = recalled(&*memory, &queries, &subject.steps(3));
            subject.same("appended", &grown.states, &whole.states, 1e-4);
        }
    });
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    each(|subject| {
        let (memory, queries) = (subject.memory(&subject.patterns(N, D)), subject.queries(5, D));
        let path = folder.path().join(format!("{}.safetensors", subject.kind.key()));
        if subject.kind.family.file.is_none() {
            memory.save(&path).unwrap_err();
            return;
        }
        memory.save(&path).unwrap();
        assert_eq!(registry::describe(&path).unwrap().kind.unwrap().name, subject.kind.name);
        let again = registry::load(&path, &Device::cpu()).unwrap();
        let of = |memory: &dyn Memory| recalled(memory, &queries, &subject.steps(3));
        assert_eq!(of(&*again).states, of(&*memory).states, "{}", subject.energy);
        // One of another version, and of no kind.
        let file = std::fs::read(&path).unwrap();
        let format = subject.kind.family.file.unwrap().format;
        let formats = [format.to_owned(), format.replacen(&format[..1], "_", 1)];
        let [format, other_format] = formats.map(|name| format!(r#""format":"{name}""#));
        for (from, to, word) in [
            (r#""version":"1""#, r#""version":"9""#, "version 9"),
            (&format, &other_format, "no kind of memory"),
        ] {
            let at = file.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut other = file.clone();
            other[at..at + to.len()].copy_from_slice(to.as_bytes());
            std::fs::write(&path, other).unwrap();
            let error = registry::load(&path, &Device::cpu()).err().unwrap().to_string();
            assert!(error.contains(word) && error.lines().count() == 1, "{error}");
        }
    });
}

#[test]
fn energies_fall_as_promised() {
    each(|subject| {
        let memory = subject.memory(&subject.patterns(N, D));
        if !subject.energy.promises(Promise::Descends) {
            return;
        }
        let options = RecallOptions { trace: true, ..subject.steps(12) };
        for trace in recalled(&*memory, &subject.queries(6, D), &options).trace.unwrap() {
            for pair in trace.windows(2) {
                assert!(pair[1] <= pair[0] + 1e-5 * (1.0 + pair[0].abs()), "{}: {trace:?}", subject.energy);
            }
        }
    });
}

#[test]
fn stored_patterns_come_back_bit_by_bit_where_promised() {
    each(|subject| {
        if !subject.energy.promises(Promise::RecallsExactly) {
            return;
        }
        let patterns = subject.patterns(3, 64);
        let settings = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
        let memory = memory_of(subject.energy, &patterns, &settings).unwrap();
        assert_eq!(memory.recall(&patterns).unwrap().states, patterns, "{}", subject.energy);
    });
}

#[test]
fn recalls_stop_when_asked() {
    each(|subject| {
        let (memory, queries) = (subject.memory(&subject.patterns(N, D)), subject.queries(5, D));
        let stop = |_: u64, _: u64| ControlFlow::Break(());
        let options = RecallOptions { tolerance: Some(0.0), progress: Some(&stop), ..subject.steps(4) };
        let error = memory.recall_with(&queries, &options).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{}: {error}", subject.energy);
    });
}

#[test]
fn gpus_give_what_the_cpu_gives() {
    each(|subject| {
        let (patterns, queries) = (subject.patterns(N, D), subject.queries(5, D));
        let want = recalled(&*subject.memory(&patterns), &queries, &subject.steps(2));
        for (name, device) in differing(gpus()) {
            let memory = subject.try_memory(&patterns, &device).unwrap();
            let got = recalled(&*memory, &queries, &subject.steps(2));
            if subject.energy.promises(Promise::EqualOnAllDevices) {
                assert_eq!(got.states, want.states, "{} on {name}", subject.energy);
            }
            subject.same(name, &got.states, &want.states, 1e-3);
            let again = recalled(&*memory, &queries, &subject.steps(2));
            assert_eq!(again.states, got.states, "{} on {name}, again", subject.energy);
            assert_eq!(
                got.indices.is_empty(),
                subject.energy.properties().weights == Weights::None,
                "{} on {name}",
                subject.energy
            );
        }
    });
}

/// A kind of another program goes the way of all others: its name, the capacity benchmark, explanations; a name is given once.
#[test]
fn kinds_of_other_programs_are_as_good_as_those_of_the_library() {
    each(|_| {});
    let energy: Energy = "winner".parse().unwrap();
    assert_eq!(energy.to_string(), "winner");
    let error = registry::register(&own_memory::WINNER).unwrap_err().to_string();
    assert!(error.contains("not taken"), "{error}");
    let patterns = Random::new(3).rows(20, D, 1.0);
    let settings = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
    let memory = memory_of(energy, &patterns, &settings).unwrap();
    let why =
        explain(&*memory, energy, Similarity::L2, &patterns, patterns.row(4), &RecallOptions::default())
            .unwrap();
    assert_eq!(why.verdict, Verdict::Pattern(4));
    let successes = |model: &str| {
        let plan = Plan {
            criteria: vec![Criterion::Identity],
            schedules: vec![Schedule::Steps(1)],
            n: vec![50],
            d: vec![D],
            mixing: 0,
            ..Plan::new(model.parse().unwrap(), Device::cpu())
        };
        let outcomes = run(&plan, &mut HashMap::new(), None).unwrap();
        outcomes[0].points[0][0].seeds.iter().map(|t| t.successes).collect::<Vec<_>>()
    };
    assert_eq!(successes("winner"), successes("nearest"));
}

/// Rows that come a few at a time grow what is on a GPU in place, or move it where there is no room.
#[test]
fn memories_on_a_gpu_grow() {
    let Some((name, device)) = gpus().iter().next() else { return };
    for energy in ["sparsemax", "kernelized"] {
        let subject = Subject {
            kind: registry::kinds().into_iter().find(|kind| kind.key() == energy).unwrap(),
            energy: energy.parse().unwrap(),
        };
        let (patterns, queries) = (subject.patterns(40, D), subject.queries(4, D));
        let first = patterns.slice(0..3);
        let (mut grown, mut want) = (
            subject.try_memory(&first, device).unwrap(),
            subject.try_memory(&first, &Device::cpu()).unwrap(),
        );
        for at in [3..4, 4..9, 9..10, 10..40] {
            for memory in [&mut grown, &mut want] {
                memory.append(&patterns.slice(at.clone())).unwrap();
            }
            let of = |memory: &dyn Memory| recalled(memory, &queries, &subject.steps(2)).states;
            subject.same(&format!("{name}, {at:?}"), &of(&*grown), &of(&*want), 1e-3);
        }
    }
}
