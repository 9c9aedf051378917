//! `attractor features` as a user meets it.

use super::desk::Desk;
use attractor::io::{ArrayData, Source};
use std::f32::consts::FRAC_1_SQRT_2;

/// A folder with the specification's worked example.
fn desk() -> Desk {
    let desk = Desk::new(&["features"], &["--device", "cpu"]);
    let side = 0.5_f64.sqrt();
    save(&desk, "p.npy", &[2, 2], &[side, 0.0, 0.0, side]);
    save(&desk, "x.npy", &[1, 2], &[0.6, 0.1]);
    save(&desk, "s.npy", &[3, 2], &[1.0, -0.5, 0.3, 0.8, -1.2, 0.4]);
    save(&desk, "b.npy", &[3], &[0.5, 2.0, 4.0]);
    desk
}

fn save(desk: &Desk, name: &str, shape: &[usize], values: &[f64]) {
    desk.save(name, shape, ArrayData::F64(values));
}

#[track_caller]
fn near(got: &[f32], want: &[f32], bound: f32) {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= bound), "{got:?}, want {want:?}");
}

#[test]
fn energies_and_gradients_are_the_worked_numbers() {
    let desk = desk();
    for (map, energy, gradient) in [
        ("sincos", -0.185699, [0.247477, -0.153869]),
        ("cos", -0.294360, [0.220412, -0.382909]),
        ("exp", 0.133501, [0.769691, 0.157476]),
        ("expexp", 0.150943, [0.659598, 0.300279]),
        ("dotexp", -0.301499, [0.169691, 0.057476]),
    ] {
        let phases = if map == "cos" { "--phases b.npy" } else { "" };
        desk.done(&format!(
            "energy --patterns p.npy --states x.npy --map {map} --beta 2 --frequencies s.npy {phases} --out o.npz"
        ));
        near(&desk.values("o.npz", "energy"), &[energy], 2e-6);
        near(&desk.values("o.npz", "gradient"), &gradient, 2e-6);
    }
}

#[test]
fn a_memory_is_made_merged_forgotten_from_and_recalled_from() {
    let desk = desk();
    save(&desk, "one.npy", &[1, 2], &[0.5_f64.sqrt(), 0.0]);
    save(&desk, "two.npy", &[1, 2], &[0.0, 0.5_f64.sqrt()]);
    save(&desk, "q.npy", &[2, 2], &[0.6, 0.1, 0.1, 0.6]);
    for (patterns, out) in [("one", "a"), ("two", "b"), ("p", "whole")] {
        let text = desk.done(&format!(
            "encode --patterns {patterns}.npy --features 3000 --beta 20 --seed 5 --out {out}.safetensors"
        ));
        assert!(text.contains("3000 frequencies"), "{text}");
    }
    let text = desk.done("merge a.safetensors b.safetensors --out ab.safetensors --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["patterns"], 2);
    near(&desk.values("ab.safetensors", "memory"), &desk.values("whole.safetensors", "memory"), 1e-6);
    desk.done("recall --memory ab.safetensors --queries q.npy --out o.npz --trace");
    near(&desk.values("o.npz", "state"), &[FRAC_1_SQRT_2, 0.0, 0.0, FRAC_1_SQRT_2], 0.03);
    assert_eq!(desk.values("o.npz", "status"), [0.0, 0.0]);
    // A step of a fixed size is the gradient's.
    desk.done("recall --memory ab.safetensors --queries q.npy --steps 1 --step-size 0.5 --out step.npy");
    desk.done("energy --memory ab.safetensors --states q.npy --out e.npz");
    let gradient = desk.values("e.npz", "gradient");
    let want: Vec<f32> =
        [0.6, 0.1, 0.1, 0.6].iter().zip(&gradient).map(|(x, g): (&f32, &f32)| x - 0.5 * g).collect();
    near(&desk.values("step.npy", ""), &want, 1e-7);
    desk.done("forget ab.safetensors --patterns two.npy --out less.safetensors");
    near(&desk.values("less.safetensors", "memory"), &desk.values("a.safetensors", "memory"), 1e-6);
    // Known coordinates stay, with a ladder of betas too.
    desk.done("encode --patterns p.npy --features 3000 --beta 60 --seed 5 --out hard.safetensors");
    save(&desk, "known.npy", &[2], &[1.0, 0.0]);
    desk.done(
        "recall --memory hard.safetensors --memory whole.safetensors --queries q.npy --clamp known.npy --fill --out o.npy",
    );
    let states = desk.values("o.npy", "");
    assert_eq!((states[0], states[2]), (0.6, 0.1));
    let text = desk.done("advise --patterns p.npy --features 10 --beta 20 --squared-distance 0.1");
    assert!(text.contains("too few features"), "{text}");
}

#[test]
fn a_recall_goes_through_features_where_asked_to() {
    let desk = desk();
    save(&desk, "q.npy", &[2, 2], &[0.6, 0.1, 0.1, 0.6]);
    let recall = "recall: --memory random-features --patterns p.npy --queries q.npy";
    let text = desk.done(&format!("{recall} --features 3000 --beta 20 --out o.npz --trace --json"));
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&summary["memory"], &summary["patterns"]), (&"random-features".into(), &2.into()));
    near(&desk.values("o.npz", "state"), &[FRAC_1_SQRT_2, 0.0, 0.0, FRAC_1_SQRT_2], 0.03);
    assert!(Source::open(desk.path("o.npz")).unwrap().values(&["indices"]).is_err());
    // Without a beta it is that of the memory which keeps the patterns.
    desk.done(&format!("{recall} --features 3000 --out o.npz"));
    near(&desk.values("o.npz", "state"), &[FRAC_1_SQRT_2, 0.0, 0.0, FRAC_1_SQRT_2], 0.03);
    for (more, word) in [("--beta 20", "--features"), ("--beta 20 --features 30 --top-k 3", "top_k")] {
        let text = desk.fails(&format!("{recall} {more} --out o.npz"));
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_said_in_a_line() {
    let desk = desk();
    desk.done("encode --patterns p.npy --features 30 --beta 20 --seed 5 --out a.safetensors");
    desk.done("encode --patterns p.npy --features 30 --beta 20 --seed 6 --out b.safetensors");
    let text = desk.fails("merge a.safetensors b.safetensors --out c.safetensors");
    assert!(text.contains("differ in seed (5 and 6)"), "{text}");
    assert!(!desk.path("c.safetensors").exists());
    let text = desk.fails("encode --patterns p.npy --features 30 --out c.safetensors");
    assert!(text.contains("--beta"), "{text}");
    let text = desk.fails("encode --patterns p.npy --features 30 --beta -1 --out c.safetensors");
    assert!(text.contains("beta is -1"), "{text}");
    let text = desk.fails("encode --patterns p.npy --features 30 --beta 1 --epsilon -1 --out c.safetensors");
    assert!(text.contains("epsilon is -1"), "{text}");
    let text = desk.fails("encode --patterns p.npy --features 30 --beta 1 --out c.npz");
    assert!(text.contains(".safetensors"), "{text}");
    let text =
        desk.fails("encode --patterns p.npy --map cos --frequencies s.npy --beta 1 --out c.safetensors");
    assert!(text.contains("--phases"), "{text}");
    let text =
        desk.fails("encode --patterns p.npy --features 4 --frequencies s.npy --beta 1 --out c.safetensors");
    assert!(text.contains("got 4, want 3"), "{text}");
    // A state far from every pattern has a sum of kernels below a large clip: no gradient, dead.
    save(&desk, "far.npy", &[1, 2], &[9.0, 9.0]);
    desk.done("encode --patterns p.npy --features 300 --beta 20 --epsilon 0.5 --out e.safetensors");
    desk.done("recall --memory e.safetensors --queries far.npy --out far.npz");
    assert_eq!(desk.values("far.npz", "status"), [6.0]);
    assert_eq!(desk.values("far.npz", "state"), [9.0, 9.0]);
    save(&desk, "wide.npy", &[1, 3], &[0.0; 3]);
    let text = desk.fails("recall --memory a.safetensors --queries wide.npy --out o.npy");
    assert!(text.contains("wide.npy") && text.contains("got 3, want 2"), "{text}");
    let text = desk.fails("recall --memory p.npy --queries x.npy --out o.npy");
    assert!(text.contains("p.npy"), "{text}");
    save(&desk, "three.npy", &[3, 2], &[0.0; 6]);
    let text = desk.fails("forget a.safetensors --patterns three.npy");
    assert!(text.contains("the memory holds 2"), "{text}");
}

/// One idea for all learned memories: made by `learn`, looked at by `show`.
#[test]
fn learned_memories_are_files() {
    let desk = Desk::new(&[], &[]);
    save(&desk, "p.npy", &[3, 2], &[0.7, 0.0, 0.0, 0.7, -0.5, -0.5]);
    save(&desk, "q.npy", &[1, 2], &[0.6, 0.1]);
    let features = "--patterns p.npy --features 300 --beta 20 --seed 5 --device cpu --out";
    desk.done(&format!("learn random-features {features} f.safetensors"));
    desk.done(&format!("features encode {features} g.safetensors"));
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert_eq!(read("f.safetensors"), read("g.safetensors"));
    desk.done("learn kernelized --patterns p.npy --out k.safetensors --optimizer adam --device cpu");
    let show = |name: &str| -> serde_json::Value {
        serde_json::from_str(&desk.done(&format!("show {name} --json"))).unwrap()
    };
    let shown = show("f.safetensors");
    assert_eq!(
        (&shown["kind"], &shown["features"], &shown["count"]),
        (&"random-features".into(), &300.into(), &3.into())
    );
    let shown = show("k.safetensors");
    assert_eq!(
        (&shown["kind"], &shown["patterns"]["shape"]),
        (&"kernelized".into(), &serde_json::json!([3, 2]))
    );
    assert!(desk.done("show k.safetensors").contains("separation"));
    desk.fails_with("learn kernelized --patterns p.npy --out k.npy --device cpu", 1);
    desk.fails_with("show p.npy", 1);

    let recall = "--queries q.npy --device cpu --out";
    desk.done(&format!("recall --memory k.safetensors {recall} k.npz"));
    assert_eq!(desk.values("k.npz", "indices")[0], 0.0);
    desk.done(&format!("recall --memory f.safetensors --steps 1000 --step-size 0.1 {recall} r.npz"));
    desk.done(&format!("features recall --memory f.safetensors {recall} s.npz"));
    assert_eq!(desk.values("r.npz", "state"), desk.values("s.npz", "state"));
    // A store is recalled with its own similarity.
    desk.done("store create s.safetensors --patterns p.npy --similarity cosine --beta 9");
    desk.done(&format!("recall --memory s.safetensors {recall} c.npz"));
    desk.done(&format!("recall --patterns p.npy --similarity cosine --beta 9 {recall} d.npz"));
    assert_eq!(desk.values("c.npz", "state"), desk.values("d.npz", "state"));
    // What a memory in a file was made with is not asked for again.
    for option in ["--patterns p.npy", "--energy softmax", "--similarity l2", "--features 9"] {
        let text = desk.fails_with(&format!("recall --memory f.safetensors {option} {recall} o.npy"), 2);
        let name = option.split(' ').next().unwrap_or_default();
        assert!(text.contains(&format!("{name} would have no effect")), "{text}");
    }
    let text = desk.fails_with(&format!("recall --memory kernelized {recall} o.npy"), 2);
    assert!(text.contains("needs --patterns"), "{text}");
    let text = desk.fails_with(&format!("recall --memory q.npy {recall} o.npy"), 1);
    assert!(text.contains("q.npy"), "{text}");
}
