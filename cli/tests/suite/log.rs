//! What the command says of its work with `-v`, `-vv` and `ATTRACTOR_LOG`, and the times in its summaries.

use super::desk::Desk;
use attractor::io::ArrayData;

fn desk() -> Desk {
    let desk = Desk::new(&[], &[]);
    let values: Vec<f32> = (0..60).map(|i| (i * 7 % 23) as f32 / 11.0 - 1.0).collect();
    desk.save("p.npy", &[12, 5], ArrayData::F32(&values));
    desk.save("q.npy", &[3, 5], ArrayData::F32(&values[7..22]));
    desk
}

const RECALL: &str = "recall --patterns p.npy --queries q.npy --out o.npz --device cpu --threads 2";

/// What a line says on stderr, with the level of the log that the environment asks for.
fn said(desk: &Desk, line: &str, level: &str) -> String {
    let out = desk.command(line).env("ATTRACTOR_LOG", level).output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{line}: {text}");
    text
}

#[test]
fn the_log_says_device_sizes_strategy_and_times() {
    let desk = desk();
    assert_eq!(said(&desk, RECALL, ""), "");
    for (options, level) in
        [("-v", ""), ("--verbose", ""), ("", "info"), ("-v", "trace"), ("--quiet -v", "off")]
    {
        let text = said(&desk, &format!("{RECALL} {options}"), level);
        for words in [
            "device cpu, 2 threads",
            "open: 3 queries of 5 values, ",
            "device: cpu, ",
            "open: 12 patterns of 5 values, ",
            "beta: energy softmax, similarity l2, beta ",
            "strategy stream for 3 queries, 12 patterns, 5 values",
            "recall: 3 queries, up to ",
            "write: o.npz, ",
        ] {
            assert!(text.contains(words), "{options} {level}: {words} is not in\n{text}");
        }
        assert!(text.lines().all(|line| line.starts_with("attractor: info ")), "{text}");
        assert!(
            text.lines().filter(|line| line.contains(": write: ")).all(|line| line.ends_with(" s")),
            "{text}"
        );
    }
    // More.
    for (options, level) in [("-vv", ""), ("", "debug")] {
        let text = said(&desk, &format!("{RECALL} {options}"), level);
        assert!(text.contains("attractor: debug") && text.contains("2 threads compute"), "{text}");
        assert!(text.contains("recall: 3 queries"), "{text}");
    }
    // Others' variables are others'.
    let out = desk.command(RECALL).env("RUST_LOG", "trace").output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty());
    for wrong in ["loud", "3", "attractor=debug", "info,debug"] {
        let out = desk.command(RECALL).env("ATTRACTOR_LOG", wrong).output().unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.code() == Some(2) && text.lines().count() == 1, "{wrong}: {text}");
        assert!(text.contains(&format!("ATTRACTOR_LOG is {wrong}")) && text.contains("debug"), "{text}");
    }
}

#[test]
fn summaries_have_the_times_by_phase() {
    let desk = desk();
    desk.done("store create s.safetensors --patterns p.npy");
    for line in [
        "recall --patterns p.npy --queries q.npy --out o.npz",
        "energy --patterns p.npy --states q.npy --out e.npy",
        "explain --patterns p.npy --queries q.npy --plot w.svg",
        "store recall s.safetensors --queries q.npy --out o.npz",
        "features recall --patterns p.npy --queries q.npy --features 50 --beta 1 --out o.npz",
        "recall --memory random-features --features 50 --beta 1 --patterns p.npy --queries q.npy --out o.npz",
    ] {
        let started = std::time::Instant::now();
        let summary = desk.json(&format!("{line} --device cpu"));
        let all = started.elapsed().as_secs_f64();
        let phases = summary["seconds_by_phase"].as_object().unwrap_or_else(|| panic!("{line}: {summary}"));
        let names: Vec<&str> = phases.keys().map(String::as_str).collect();
        assert_eq!(names, ["beta", "device", "open", "recall", "write"], "{line}");
        let seconds: Vec<f64> = phases.values().map(|seconds| seconds.as_f64().unwrap()).collect();
        assert!(seconds.iter().all(|s| *s >= 0.0), "{line}: {phases:?}");
        // Parts of the whole, none counted twice.
        assert!(seconds.iter().sum::<f64>() <= all, "{line}: {phases:?} of {all}");
        for phase in ["open", "recall", "write"] {
            assert!(phases[phase].as_f64().unwrap() > 0.0, "{line}: {phases:?}");
        }
        if let Some(recall) = summary["seconds"].as_f64() {
            assert_eq!(phases["recall"].as_f64(), Some(recall), "{line}");
        }
    }
}
