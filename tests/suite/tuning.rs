//! The table of timings.

use super::{alone::alone, common::open_timed};
use attractor::{
    Precision,
    gpu::{
        Options,
        tune::{Class, Op, tune},
    },
    machine::variant,
};

/// A table of timings is made, kept, used, and survives nonsense and another process's additions.
#[test]
fn timings_are_kept_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = [("ATTRACTOR_CACHE", Some(folder.path().as_os_str()))];
    alone(module_path!(), "timings_are_kept_and_used", &cache, || {
        let folder = std::path::PathBuf::from(std::env::var_os("ATTRACTOR_CACHE").unwrap());
        let Some(device) = open_timed(Options::default()) else { return };
        let context = device.as_gpu().unwrap();
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
        let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
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
            let device = open_timed(options).unwrap();
            variant(&device, Op::Step, sizes, Precision::F32)
        };
        assert_eq!(name(Options::default()), "few");
        let deterministic = Options { deterministic: true, ..Default::default() };
        assert_eq!(name(deterministic), "direct");
    });
}
