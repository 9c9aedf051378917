//! The table of timings. A binary of its own, because it sets an environment variable.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that fails should say where")]

use attractor::{
    Precision,
    gpu::{
        Options,
        tune::{Class, Op, tune},
    },
    machine::variant,
};
use common::open;

#[path = "suite/common.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod common;

/// A table of timings is made, kept, used, and survives nonsense and another process's additions.
#[test]
fn timings_are_kept_and_used() {
    let Some(device) = open(Options::default()) else { return };
    let context = device.as_gpu().unwrap();
    let folder = tempfile::tempdir().unwrap();
    #[allow(unsafe_code, reason = "the environment is changed")]
    // SAFETY: this is the only test of its binary, and nothing runs beside it.
    unsafe {
        std::env::set_var("ATTRACTOR_CACHE", folder.path());
    }
    let class = Class::of(Op::Step, [8, 300, 12], Precision::F32);
    let tuning = tune(context, class).unwrap();
    // Every way there is was tried, and every one was right.
    assert_eq!(tuning.times.len(), 6, "{:?}", tuning.times);
    assert!(tuning.times.iter().all(|(_, seconds)| seconds.is_some()), "{:?}", tuning.times);
    // So for looks at random features, among them one that makes its frequencies itself.
    let looks = tune(context, Class::of(Op::Features, [8, 300, 12], Precision::F32)).unwrap();
    assert_eq!(looks.times.len(), 6, "{:?}", looks.times);
    assert!(looks.times.iter().all(|(_, seconds)| seconds.is_some()), "{:?}", looks.times);
    assert_eq!(looks.not_kept, None);
    let mut files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|suffix| suffix == "tsv")).unwrap();
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.contains(&format!("{class}\t{}\t", tuning.winner.name())), "{first}");
    // Lines of others stay; a line of the same class is replaced.
    std::fs::write(&file, format!("{first}step 1x1x4 f32\tfew\tfew=1e-3\nnonsense\n")).unwrap();
    tune(context, class).unwrap();
    let second = std::fs::read_to_string(&file).unwrap();
    assert!(second.contains("step 1x1x4 f32\tfew"), "{second}");
    assert_eq!(second.matches(&class.to_string()).count(), 1, "{second}");
    // A device that is opened afterwards takes the winner; a deterministic one goes by rule.
    std::fs::write(&file, format!("{class}\tfew\tfew=1e-3\n")).unwrap();
    let sizes = [8, 300, 12];
    let name = |options| {
        let device = open(options).unwrap();
        variant(&device, Op::Step, sizes, Precision::F32)
    };
    assert_eq!(name(Options::default()), "few");
    let deterministic = Options { deterministic: true, ..Default::default() };
    assert_eq!(name(deterministic), "direct");
}
