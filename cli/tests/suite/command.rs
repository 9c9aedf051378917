//! The command as a user meets it: results, messages, exit status, files left behind.

use super::desk::Desk;
use attractor::{
    Rows,
    io::{ArrayData, Source},
    ops::Similarity,
    reference::{DenseModel, Matrix},
};
use std::{fs, path::Path};

const PATTERNS: [f32; 12] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
const QUERIES: [f32; 6] = [0.9, 0.1, 0.2, 0.2, 0.1, 0.8];

/// A folder with patterns, queries and a little of everything.
fn desk() -> Desk {
    let desk = Desk::new(&[], &[]);
    desk.save("p.npy", &[4, 3], ArrayData::F32(&PATTERNS));
    desk.save("q.npy", &[2, 3], ArrayData::F32(&QUERIES));
    desk
}

/// Everything in the folder.
fn files(desk: &Desk) -> Vec<String> {
    let entries = fs::read_dir(desk.path("")).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(path: &Path, name: &str) -> Rows<'static> {
    Source::open(path).unwrap().matrix(&[name]).unwrap().into_owned()
}

fn oracle(beta: f64) -> DenseModel {
    DenseModel { patterns: Matrix::from_f32(&PATTERNS, 3), similarity: Similarity::L2, beta, mask: None }
}

fn near(got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < 1e-5), "{got:?}, want {want:?}");
}

#[test]
fn recall_gives_the_softmax_update_in_every_format() {
    let desk = desk();
    let want: Vec<f64> = Matrix::from_f32(&QUERIES, 3)
        .iter()
        .flat_map(|x| oracle(2.5).step(&oracle(2.5).step(x).state).state)
        .collect();
    for device in ["cpu", "software"] {
        for out in ["o.npy", "o.npz", "o.safetensors"] {
            desk.done(&format!(
                "recall --patterns p.npy --queries q.npy --out {out} --beta 2.5 --steps 2 --tol 0 --device {device}"
            ));
            near(read(&desk.path(out), "state").as_slice(), &want);
        }
    }
}

#[test]
fn every_result_is_in_the_archive() {
    let desk = desk();
    desk.save("v.npy", &[4, 2], ArrayData::F64(&[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 1.0]));
    desk.done(
        "recall --patterns p.npy --queries q.npy --out o.npz --values v.npy --beta 20 --top-k 3 --trace --device cpu",
    );
    let at = |name: &str| read(&desk.path("o.npz"), name);
    let steps = at("steps");
    assert!(steps.as_slice().iter().all(|s| (1.0..100.0).contains(s)));
    assert_eq!(at("status").as_slice(), [0.0, 0.0]);
    assert_eq!((at("indices").rows(), at("indices").columns()), (2, 3));
    assert_eq!((at("indices")[(0, 0)], at("indices")[(1, 0)]), (0.0, 2.0));
    assert!(at("weights")[(0, 0)] > 0.99 && at("effective").as_slice().iter().all(|e| *e < 1.1));
    assert!((at("values")[(1, 0)] - 3.0).abs() < 0.01);
    let trace = at("trace");
    assert_eq!(trace.columns() as f32, steps.as_slice().iter().copied().fold(0.0, f32::max) + 1.0);
    for (row, energy) in trace.iter().zip(at("energy").as_slice()) {
        assert!(row.windows(2).all(|w| w[1] <= w[0] + 1e-6) && row.last() == Some(energy));
    }
}

#[test]
fn searches_find_what_is_most_similar() {
    let desk = desk();
    desk.done("search --patterns p.npy --queries q.npy --out o.npz --top-k 6 --device cpu");
    let (indices, similarity) = (desk.values("o.npz", "indices"), desk.values("o.npz", "similarity"));
    assert_eq!((indices.len(), similarity.len()), (12, 12));
    // Four are stored.
    assert!(indices[4] == u32::MAX as f32 && similarity[4].is_nan() && similarity[3].is_finite());
    let (x, q) = (read(&desk.path("p.npy"), ""), read(&desk.path("q.npy"), ""));
    let of = |k: usize| -0.5 * x.row(k).iter().zip(q.row(0)).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    assert!((similarity[0] - of(indices[0] as usize)).abs() < 1e-6);
    assert!((0..4).all(|k| of(k) <= similarity[0] + 1e-6));
    desk.done("search --patterns p.npy --queries q.npy --out o.npy --top-k 1 --device cpu --quiet");
    // A store is searched by its own similarity, and says ids.
    desk.done("store create s.safetensors --patterns p.npy --similarity cosine --quiet");
    let text = desk.done("search --memory s.safetensors --queries q.npy --out s.npz --json --device cpu");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["similarity"], "cosine");
    assert_eq!(desk.values("s.npz", "ids")[..4], desk.values("s.npz", "indices")[..4]);
    desk.save("m.npy", &[4], ArrayData::Bool(&[false, true, true, true]));
    desk.save("h.npy", &[1, 3], ArrayData::F32(&[f32::NAN, 0.0, 1.0]));
    desk.done("search --patterns p.npy --queries h.npy --known nan --mask m.npy --out m.npz --device cpu");
    assert!(!desk.values("m.npz", "indices").contains(&0.0));
    let text = desk.fails_with("search --patterns p.npy --queries h.npy --out m.npz --device cpu", 1);
    assert!(text.contains("--known nan"), "{text}");
    desk.fails_with("search --queries q.npy --out o.npz", 2);
    let text = desk.fails_with("search --memory q.npy --queries q.npy --out o.npz", 1);
    assert!(text.contains("q.npy"), "{text}");
}

/// How sure a recall is, and like what: what is known of the query itself, and labels.
#[test]
fn queries_are_described_and_labelled() {
    let desk = desk();
    let x: Vec<f32> = (0..40).flat_map(|k| [(k % 5) as f32 + 0.01 * k as f32, (k / 5) as f32]).collect();
    desk.save("x.npy", &[40, 2], ArrayData::F32(&x));
    desk.save("a.npy", &[2, 2], ArrayData::F32(&[2.1, 3.1, 90.0, -70.0]));
    let labels: Vec<i64> = (0..40).map(|k| if k / 5 < 4 { 7 } else { -2 }).collect();
    desk.save("l.npy", &[40], ArrayData::I64(&labels));
    let names: Vec<&str> = labels.iter().map(|l| if *l == 7 { "low" } else { "high" }).collect();
    fs::write(desk.path("l.txt"), names.join("\n")).unwrap();
    let recall = "recall --patterns x.npy --queries a.npy --device cpu --top-k 2 --out";
    let text = desk.done(&format!("{recall} o.npz --labels l.npy"));
    assert!(text.contains("1 of 2 queries are unlike anything stored"), "{text}");
    let values = |name: &str| desk.values("o.npz", name);
    assert_eq!((values("query_indices")[0], values("typicality")[1]), (17.0, 0.0));
    assert_eq!(
        (values("similarity").len(), values("query_weights").len(), values("query_similarity").len()),
        (4, 4, 4)
    );
    assert_eq!((values("label")[0], values("classes")), (7.0, vec![7.0, -2.0]));
    let p = values("label_probability");
    assert!(p[0] > 0.9 && (p[0] + p[1] - 1.0).abs() < 1e-6, "{p:?}");
    let text = desk.done(&format!("{recall} t.npz --labels l.txt --beta labels --json"));
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        summary["beta"]["by"] == "labels" && summary["beta"]["curve"].as_array().unwrap().len() > 10,
        "{summary}"
    );
    assert_eq!(summary["unlike"], 1);
    let ends = desk.values("t.npz", "label_ends");
    let text: Vec<u8> = desk.values("t.npz", "label_bytes").iter().map(|v| *v as u8).collect();
    assert_eq!(&text[..ends[0] as usize], b"low");
    for (line, status, word) in [
        (format!("{recall} o.npy --labels l.npy"), 2, "--labels"),
        (format!("{recall} o.npz --beta labels"), 2, "--labels"),
        (format!("{recall} o.npz --labels l.npy --beta labels --energy sparsemax"), 2, "softmax"),
        (format!("{recall} o.npz --labels a.npy"), 1, "a.npy"),
    ] {
        let text = desk.fails_with(&line, status);
        assert!(text.contains(word), "{text}");
    }
    fs::write(desk.path("gap.txt"), "low\n\nhigh").unwrap();
    assert!(desk.fails_with(&format!("{recall} o.npz --labels gap.txt"), 1).contains("line 2"));
}

#[test]
fn known_coordinates_alone_are_compared() {
    let desk = desk();
    desk.save("k.npy", &[3], ArrayData::Bool(&[true, true, false]));
    desk.save("h.npy", &[2, 3], ArrayData::F32(&[0.9, 0.1, f32::NAN, f32::NAN, 0.2, 0.9]));
    desk.save("l.npy", &[1, 3], ArrayData::F32(&[0.9, 0.1, f32::NAN]));
    let recall = "recall --patterns p.npy --beta 60 --device cpu --quiet --out";
    desk.done(&format!("{recall} o.npz --queries h.npy --known nan"));
    let state = read(&desk.path("o.npz"), "state");
    assert!(state.as_slice().iter().all(|v| v.is_finite()));
    assert_eq!((state[(0, 0)], state[(1, 2)]), (0.9, 0.9));
    desk.done(&format!("{recall} k.npz --queries l.npy --known k.npy"));
    let want: Vec<f64> = state.row(0).iter().map(|v| f64::from(*v)).collect();
    near(read(&desk.path("k.npz"), "state").row(0), &want);
    // A store does the same.
    desk.done("store create s.safetensors --patterns p.npy --beta 60 --quiet");
    desk.done("store recall s.safetensors --queries h.npy --known nan --out s.npz --device cpu --quiet");
    assert_eq!(read(&desk.path("s.npz"), "state"), state);
    let text = desk.fails_with(&format!("{recall} o.npy --queries h.npy"), 1);
    assert!(text.contains("--known nan") && text.contains("column 2"), "{text}");
    desk.save("none.npy", &[1, 3], ArrayData::F32(&[f32::NAN; 3]));
    let text = desk.fails_with(&format!("{recall} o.npy --queries none.npy --known nan"), 1);
    assert!(text.contains("row 0"), "{text}");
    desk.fails_with(&format!("{recall} o.npy --queries h.npy --known nan --clamp k.npy"), 2);
    let text = desk.fails_with(&format!("{recall} o.npy --queries l.npy --known h.npy"), 1);
    assert!(text.contains("h.npy"), "{text}");
}

#[test]
fn clamp_mask_precision_and_kinds_of_numbers() {
    let desk = desk();
    desk.save("clamp.npy", &[3], ArrayData::Bool(&[true, false, false]));
    desk.save("mask.npy", &[4], ArrayData::U8(&[0, 1, 1, 1]));
    desk.save("p.safetensors", &[4, 3], ArrayData::U8(&PATTERNS.map(|v| v as u8)));
    let recall = "recall --queries q.npy --out o.npy --beta 30 --device cpu --quiet";
    desk.done(&format!("{recall} --patterns p.safetensors --clamp clamp.npy --precision f16"));
    let state = read(&desk.path("o.npy"), "");
    assert_eq!(state[(0, 0)].to_bits(), 0.9_f32.to_bits());
    assert!((state[(1, 2)] - 1.0).abs() < 1e-3);
    // What is not kept starts from the mean, or a number, whatever it was.
    desk.save("gap.npy", &[1, 3], ArrayData::F32(&[0.9, f32::NAN, f32::NAN]));
    let gap = "recall --queries gap.npy --patterns p.npy --out f.npy --steps 0 --device cpu --quiet --clamp clamp.npy --fill";
    desk.done(&format!("{gap} 0.25"));
    near(read(&desk.path("f.npy"), "").row(0), &[0.9, 0.25, 0.25]);
    desk.done(&format!("{gap} mean"));
    let mean = |j: usize| PATTERNS.iter().skip(j).step_by(3).map(|v| f64::from(*v)).sum::<f64>() / 4.0;
    near(read(&desk.path("f.npy"), "").row(0), &[0.9, mean(1), mean(2)]);
    desk.fails_with("recall --queries q.npy --patterns p.npy --out o.npy --fill mean", 2);
    desk.done(&format!("{recall} --patterns p.npy --mask mask.npy"));
    near(read(&desk.path("o.npy"), "").row(0), &[1.0, 1.0, 0.0]);
    assert!(desk.fails_with(&format!("{recall} --patterns p.npy --clamp mask.npy"), 1).contains("mask.npy"));
    // As many entries as there must be, but transposed, or not numbers.
    desk.save("across.npy", &[3, 2], ArrayData::U8(&[1, 0, 1, 0, 1, 0]));
    assert!(desk.fails_with(&format!("{recall} --patterns p.npy --clamp across.npy"), 1).contains("[3, 2]"));
    desk.save("square.npy", &[2, 2], ArrayData::U8(&[1, 0, 1, 0]));
    assert!(desk.fails_with(&format!("{recall} --patterns p.npy --mask square.npy"), 1).contains("[2, 2]"));
    desk.save("nan.npy", &[3], ArrayData::F32(&[0.0, f32::NAN, 1.0]));
    assert!(desk.fails_with(&format!("{recall} --patterns p.npy --clamp nan.npy"), 1).contains("nan.npy"));
    desk.save("off.npy", &[4], ArrayData::U8(&[0; 4]));
    assert!(desk.fails_with(&format!("{recall} --patterns p.npy --mask off.npy"), 1).contains("off.npy"));
    // One label per pattern is a column of values.
    desk.save("labels.npy", &[4], ArrayData::U8(&[7, 8, 9, 10]));
    desk.done(
        "recall --patterns p.npy --queries q.npy --out l.npz --values labels.npy --beta 99 --device cpu",
    );
    assert!((read(&desk.path("l.npz"), "values")[(1, 0)] - 9.0).abs() < 1e-3);
}

#[test]
fn energy_is_that_of_the_formula() {
    let desk = desk();
    for device in ["cpu", "software"] {
        desk.done(&format!(
            "energy --patterns p.npy --states q.npy --out e.npy --beta 2.5 --device {device}"
        ));
        let want: Vec<f64> = Matrix::from_f32(&QUERIES, 3).iter().map(|x| oracle(2.5).energy(x)).collect();
        near(read(&desk.path("e.npy"), "").as_slice(), &want);
    }
}

#[test]
fn json_says_what_was_done() {
    let desk = desk();
    let text = desk.done("recall --patterns p.npy --queries q.npy --out o.npy --json --device cpu");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((summary["patterns"].as_u64(), summary["queries"].as_u64()), (Some(4), Some(2)));
    assert_eq!((summary["device"].as_str(), summary["similarity"].as_str()), (Some("cpu"), Some("l2")));
    // The nearest two differ by a squared distance of 1.
    assert_eq!(summary["beta"]["auto"].as_bool(), Some(true));
    assert!(summary["beta"]["value"].as_f64().unwrap() > 9.0);
    let text = desk.done("devices --json");
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    for adapter in list["adapters"].as_array().unwrap() {
        assert!(adapter["max_binding_bytes"].as_u64().unwrap() > 0 && adapter["reason"].is_string());
    }
    let quiet = desk.run("recall --patterns p.npy --queries q.npy --out o.npy --quiet --device cpu");
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn bench_measures_machine_and_jobs() {
    let desk = desk();
    for (op, device) in [("step", "cpu"), ("topk", "cpu"), ("matmul", "cpu"), ("step", "software")] {
        let line =
            format!("bench --op {op} --job 3,500,9 --job 20,100,8 --repeat 2 --json --device {device}");
        let result: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
        let positive = |value: &serde_json::Value| value.as_f64().is_some_and(|v| v > 0.0 && v.is_finite());
        assert!(positive(&result["machine"]["read_gbps"]) && positive(&result["machine"]["fma_gflops"]));
        let jobs = result["jobs"].as_array().unwrap();
        assert_eq!((jobs.len(), jobs[0]["n"].as_u64(), jobs[1]["d"].as_u64()), (2, Some(500), Some(8)));
        for job in jobs {
            assert!(
                positive(&job["seconds_min"]) && positive(&job["gflops"]) && job["op"].as_str() == Some(op)
            );
        }
    }
    assert!(desk.fails_with("bench --job 3,4", 2).contains("queries,patterns,columns"));
    for (ensemble, device) in [("sphere", "cpu"), ("bipolar", "cpu"), ("gaussian", "software")] {
        let line = format!(
            "bench --op bank --job 5,900,8 --ensemble {ensemble} --repeat 1 --json --device {device}"
        );
        let result: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
        let job = &result["jobs"][0];
        assert_eq!((job["ensemble"].as_str(), job["n"].as_u64()), (Some(ensemble), Some(900)));
        for key in ["patterns_per_second", "gflops", "generated_per_second", "multiplied_per_second", "share"]
        {
            assert!(job[key].as_f64().is_some_and(|v| v > 0.0 && v.is_finite()), "{line}: {key}");
        }
    }
}

/// A reader that goes away, or a full disk behind stdout, is no reason to panic.
#[cfg(target_os = "linux")]
#[test]
fn unwritable_output_is_no_panic() {
    let desk = desk();
    let command = || super::desk::command(desk.cache());
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let out = command().arg("devices").stdout(full()).output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(1) && text.contains("standard output"), "{text}");
    let mut child = command().arg("devices").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let line = ["recall", "--patterns", "gone.npy", "--queries", "q.npy", "--out", "o.npy"];
    let status = command().args(line).current_dir(desk.path("")).stderr(full()).status();
    assert_eq!(status.unwrap().code(), Some(1));
}

#[test]
fn wrong_usage_is_status_2() {
    let desk = desk();
    for beta in ["0", "-1", "nan", "inf", "warm"] {
        let text =
            desk.fails_with(&format!("recall --patterns p.npy --queries q.npy --out o.npy --beta {beta}"), 2);
        assert!(text.contains("beta") && text.contains("positive"), "{text}");
    }
    assert!(desk.fails_with("recall --patterns p.npy --queries q.npy", 2).contains("--out"));
    desk.fails_with("recall --patterns p.npy --queries q.npy --out o.npy --similarity manhattan", 2);
    desk.fails_with("recall --patterns p.npy --queries q.npy --out o.npy --energy cubic", 2);
    desk.fails_with("recall --patterns p.npy --queries q.npy --out o.npy --tol -1", 2);
    desk.fails_with("recall --patterns p.npy --queries q.npy --out o.npy --steps -1", 2);
    desk.fails_with("recall --patterns p.npy --queries q.npy --out o.npy --step-size 0", 2);
    for device in ["cuda", "abacus", "GPU 0", "", "gpu:", "gpu:-1", "gpu:1.5", "tpu:0", "cpu:0", "2"] {
        let line = "recall --patterns p.npy --queries q.npy --out o.npy";
        let mut command = desk.command(line);
        let out = command.arg("--device").arg(device).output().unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{device}: {text}");
        for allowed in ["auto", "cpu", "gpu:N", "gpu:NAME", "software"] {
            assert!(text.contains(allowed), "{device}: {text}");
        }
        let out = desk.command(line).env("ATTRACTOR_DEVICE", device).output().unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        // An empty variable is none.
        let want = if device.is_empty() { 0 } else { 2 };
        assert_eq!(out.status.code(), Some(want), "{device}: {text}");
        assert!(
            device.is_empty() || text.contains("ATTRACTOR_DEVICE") && text.contains("gpu:NAME"),
            "{text}"
        );
    }
    fs::remove_file(desk.path("o.npy")).unwrap();
    desk.fails_with("remember", 2);
    assert_eq!(files(&desk), ["p.npy", "q.npy"]);
}

#[test]
fn every_failure_has_its_own_line_and_leaves_nothing() {
    let desk = desk();
    desk.save("nan.npy", &[2, 3], ArrayData::F32(&[0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0]));
    desk.save("inf.npy", &[1, 3], ArrayData::F32(&[0.0, f32::INFINITY, 0.0]));
    desk.save("none.npy", &[0, 3], ArrayData::F32(&[]));
    desk.save("wide.npy", &[1, 4], ArrayData::F32(&[0.0; 4]));
    desk.save("short.npy", &[2, 1], ArrayData::F32(&[0.0; 2]));
    let whole = fs::read(desk.path("p.npy")).unwrap();
    fs::write(desk.path("cut.npy"), &whole[..whole.len() - 5]).unwrap();
    fs::write(desk.path("text.npy"), "these are no numbers").unwrap();
    fs::write(desk.path("p.csv"), "1,2,3").unwrap();
    fs::write(desk.path("o.npy"), "an earlier result").unwrap();
    let before = files(&desk);
    let cases = [
        ("--patterns nan.npy --queries q.npy", vec!["nan.npy", "row 1", "column 1", "NaN", "finite"]),
        ("--patterns p.npy --queries inf.npy", vec!["inf.npy", "row 0", "column 1", "inf"]),
        ("--patterns none.npy --queries q.npy", vec!["none.npy", "empty"]),
        ("--patterns p.npy --queries wide.npy", vec!["wide.npy", "got 4", "want 3"]),
        ("--patterns cut.npy --queries q.npy", vec!["cut.npy"]),
        ("--patterns text.npy --queries q.npy", vec!["text.npy"]),
        ("--patterns p.csv --queries q.npy", vec!["p.csv", ".npz"]),
        ("--patterns gone.npy --queries q.npy", vec!["gone.npy", "open"]),
        ("--patterns p.npy --queries q.npy --step-size 1.5 --similarity dot", vec!["step size"]),
        ("--patterns p.npy --queries q.npy --device gpu:77", vec!["77"]),
    ];
    for (arguments, words) in cases {
        let device = if arguments.contains("--device") { "" } else { "--device cpu" };
        let text = desk.fails_with(&format!("recall {arguments} --out o.npy {device}"), 1);
        assert!(words.iter().all(|w| text.contains(w)), "{arguments}: {text}");
        assert_eq!(files(&desk), before, "{arguments}");
        assert_eq!(fs::read(desk.path("o.npy")).unwrap(), b"an earlier result", "{arguments}");
    }
    for (more, words) in [
        ("--values short.npy", ["short.npy", "got 2", "want 4"]),
        ("--top-k 65537", ["top_k", "at most 65536", "65537"]),
    ] {
        let line = format!("recall --patterns p.npy --queries q.npy --out o.npz --device cpu {more}");
        let text = desk.fails_with(&line, 1);
        assert!(words.iter().all(|w| text.contains(w)), "{more}: {text}");
    }
    assert!(
        desk.fails_with("recall --patterns p.npy --queries q.npy --out no/such/o.npy --device cpu", 1)
            .contains("no/such")
    );
    assert!(
        desk.fails_with("recall --patterns p.npy --queries q.npy --out o.txt --device cpu", 1)
            .contains("o.txt")
    );
    assert_eq!(files(&desk), before);
}

#[test]
fn results_may_replace_their_source() {
    let desk = desk();
    desk.done("recall --patterns p.npy --queries q.npy --out q.npy --beta 50 --device cpu");
    near(read(&desk.path("q.npy"), "").row(1), &[0.0, 0.0, 1.0]);
    // No queries give no results, not an error.
    desk.save("none.npy", &[0, 3], ArrayData::F32(&[]));
    desk.done("recall --patterns p.npy --queries none.npy --out o.npz --device cpu");
    assert_eq!(read(&desk.path("o.npz"), "state").rows(), 0);
}

#[test]
fn the_demo_recalls_real_digits() {
    let desk = desk();
    for device in ["cpu", "software"] {
        let text = desk.done(&format!("demo --out-dir demo-{device} --device {device}"));
        assert!(text.contains("1797 handwritten digits") && text.contains("noise"));
        let picture = fs::read(desk.path(&format!("demo-{device}/digits.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 2000);
        let numbers = fs::read_to_string(desk.path(&format!("demo-{device}/demo.json"))).unwrap();
        let numbers: serde_json::Value = serde_json::from_str(&numbers).unwrap();
        let damages = numbers["damages"].as_array().unwrap();
        assert_eq!(damages.len(), 4);
        for damage in damages {
            let share = |name: &str| damage[name].as_f64().unwrap();
            assert!(share("recalled") >= share("nearest_neighbour"), "{damage}");
            assert!(damage["clamped"].as_f64().is_none_or(|clamped| clamped < share("recalled")), "{damage}");
            // Hidden pixels cost nothing where the others are exact.
            let least = if damage["damage"].as_str().unwrap().ends_with("hidden") { 0.999 } else { 0.55 };
            assert!(share("recalled") > least, "{damage}");
        }
    }
}

/// Each energy by its name, on real vectors or bits; and the list that explains them.
#[test]
fn every_energy_recalls() {
    let desk = desk();
    let bits = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0_f32];
    desk.save("bits.npy", &[2, 6], ArrayData::F32(&bits));
    let mut cue = bits[..6].to_vec();
    cue[5] = 1.0;
    desk.save("cue.npy", &[1, 6], ArrayData::F32(&cue));
    for energy in [
        "polynomial:3",
        "rectified:2",
        "exponential",
        "hopfield",
        "hopfield:storkey",
        "hopfield:pseudoinverse",
    ] {
        for order in ["sync", "async"] {
            let line = format!(
                "recall --patterns bits.npy --queries cue.npy --out o.npz --energy {energy} --order {order} --device cpu --trace --json"
            );
            let summary: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
            assert_eq!((&summary["energy"], &summary["beta"]), (&energy.into(), &serde_json::Value::Null));
            let out = Source::open(desk.path("o.npz")).unwrap();
            if energy != "hopfield:pseudoinverse" {
                assert_eq!(out.matrix(&["state"]).unwrap().as_slice(), &bits[..6], "{energy} {order}");
            }
        }
    }
    for energy in ["softmax", "entmax:1.5", "sparsemax", "normmax:2", "epanechnikov"] {
        let line = format!(
            "recall --patterns p.npy --queries p.npy --out o.npz --energy {energy} --device cpu --json"
        );
        let summary: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
        assert_eq!(summary["status"]["converged"], 4, "{energy}");
        let out = Source::open(desk.path("o.npz")).unwrap();
        if energy != "softmax" {
            assert_eq!(out.matrix(&["state"]).unwrap().as_slice(), PATTERNS, "{energy}");
            assert_eq!(out.matrix(&["support"]).unwrap().as_slice(), [1.0; 4], "{energy}");
        }
    }
    desk.done("recall --patterns p.npy --queries q.npy --out o.npy --energy ksubsets:2 --post tanh --similarity dot --beta 1 --device cpu");
    let list = desk.done("recall --list-energies");
    assert!(list.lines().count() >= 11 && list.contains("Krotov & Hopfield 2016"), "{list}");

    let wrong = "recall --patterns p.npy --queries q.npy --out o.npy --device cpu";
    assert!(desk.fails_with(&format!("{wrong} --energy entmax:0.5"), 2).contains("alpha of entmax is 0.5"));
    assert!(
        desk.fails_with(&format!("{wrong} --energy hopfield"), 1)
            .contains("p.npy: patterns: row 0, column 1 is 0")
    );
    assert!(desk.fails_with(&format!("{wrong} --energy hopfield --beta 2"), 2).contains("--beta"));
    assert!(desk.fails_with(&format!("{wrong} --energy ksubsets:9"), 1).contains("k of ksubsets is 9"));
}

/// Why a recall blends, as text, JSON and a picture; wrong rows by name.
#[test]
fn explanations_name_the_beta_and_draw() {
    let desk = desk();
    let line = "explain --patterns p.npy --queries q.npy --row 1 --beta 0.1 --device cpu";
    let text = desk.done(&format!("{line} --plot why.svg"));
    assert!(
        text.contains("near the mean of all patterns") && text.contains("is sure to make pattern"),
        "{text}"
    );
    let svg = fs::read_to_string(desk.path("why.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("polyline"));
    let why: serde_json::Value = serde_json::from_str(&desk.done(&format!("{line} --json"))).unwrap();
    assert_eq!((&why["verdict"], &why["row"]), (&"mean".into(), &1.into()));
    assert_eq!(why["patterns"].as_array().unwrap().len(), 4);
    let sharp = why["patterns"][0]["beta_stable_from"].as_f64().unwrap();
    let line = format!("explain --patterns p.npy --queries p.npy --row 0 --beta {sharp} --device cpu --json");
    let why: serde_json::Value = serde_json::from_str(&desk.done(&line)).unwrap();
    assert_eq!((&why["verdict"], &why["pattern"]), (&"pattern".into(), &0.into()));
    let wrong = desk.fails_with("explain --patterns p.npy --queries q.npy --row 2 --device cpu", 1);
    assert!(wrong.contains("q.npy: there is no row 2; the file has 2"), "{wrong}");
    let wrong =
        desk.fails_with("explain --patterns p.npy --queries q.npy --energy universal --device cpu", 1);
    assert!(wrong.contains("it must be one that a recall descends on"), "{wrong}");
}

/// The published table: what is exact is exact, what is sharp is within its error, and L1 finds half-hidden digits best.
#[test]
fn published_results_come_out() {
    let desk = desk();
    let text = desk.done("reproduce dense --device cpu --json");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = report["results"].as_array().unwrap();
    let of = |id: &str| results.iter().filter(|r| r["id"] == id).cloned().collect::<Vec<_>>();
    for (id, count) in [
        ("R1", 6),
        ("R2", 6),
        ("R3", 6),
        ("R4", 4),
        ("R5", 3),
        ("R6", 3),
        ("R7", 3),
        ("R8", 4),
        ("R9", 5),
        ("R10", 10),
        ("R11", 5),
        ("R12", 2),
    ] {
        assert_eq!(of(id).len(), count, "{id}");
    }
    // Where there is a closed form, it is the judge.
    for figure in of("R7") {
        let off = figure["value"].as_f64().unwrap() - figure["formula"].as_f64().unwrap();
        assert!(off.abs() <= 3.5 * figure["standard_error"].as_f64().unwrap(), "{figure}");
    }
    for figure in of("R6").into_iter().chain(of("R12")) {
        assert_eq!(figure["value"], figure["published"], "{figure}");
    }
    for id in ["R10", "R11"] {
        for five in of(id).chunks(5) {
            let best = five
                .iter()
                .max_by(|a, b| a["value"].as_f64().unwrap().total_cmp(&b["value"].as_f64().unwrap()));
            assert!(best.unwrap()["setting"].as_str().unwrap().ends_with("l1"), "{id}");
        }
    }
    for figure in of("R9").into_iter().chain(of("R10")).chain(of("R11")) {
        assert!(figure["standard_errors_off"].as_f64().unwrap() <= 4.0, "{figure}");
    }
}

/// The tables of random features: near all figures within their errors, and more features are more exact.
#[test]
fn published_errors_of_random_features_come_out() {
    let desk = desk();
    let text = desk.done("reproduce drdam --quick --device cpu --json");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = report["results"].as_array().unwrap();
    let near = report["within_3_standard_errors"].as_f64().unwrap();
    assert!(results.len() > 100 && near >= 0.9 * results.len() as f64, "{near} of {}", results.len());
    let value = |setting: &str, figure: &str| {
        let of = |r: &&serde_json::Value| r["setting"] == setting && r["figure"] == figure;
        results.iter().find(of).unwrap()["value"].as_f64().unwrap()
    };
    for d in [30, 100] {
        for figure in ["mean error of the energy", "mean L2 error of the gradient"] {
            let at = |m: u32| value(&format!("d {d}, m {m}, beta 10, at patterns"), figure);
            // As the root of the number of features: 2.83 times from 5,000 to 40,000.
            let ratio = at(5_000) / at(40_000);
            assert!((2.2..3.6).contains(&ratio), "{d} {figure}: {ratio}");
        }
    }
}
