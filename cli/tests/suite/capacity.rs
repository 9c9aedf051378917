//! `attractor capacity` as a user meets it.

use super::desk::Desk;
use attractor::io::{Array, ArrayData, write};
use serde_json::Value;

fn desk() -> Desk {
    Desk::new(&["capacity"], &["--device", "cpu"])
}

const SMALL: &str = "--memory nearest,softmax --d 6,8 --n ..64 --queries 30 --seeds 2 --lambda 2 --steps 1,converged --criterion identity,l2:0.1";

/// What does not depend on the clock.
fn timeless(results: &Value) -> Vec<Value> {
    let mut points = results["points"].as_array().unwrap().clone();
    for point in &mut points {
        point
            .as_object_mut()
            .unwrap()
            .retain(|key, _| !["seconds", "queries_per_second"].contains(&key.as_str()));
    }
    points
}

#[test]
fn points_have_what_was_promised() {
    let desk = desk();
    let results = desk.json(SMALL);
    let points = results["points"].as_array().unwrap();
    for point in points {
        for key in [
            "memory",
            "ensemble",
            "corruption",
            "criterion",
            "n",
            "d",
            "beta",
            "steps",
            "trials",
            "successes",
            "low",
            "high",
        ] {
            assert!(point.get(key).is_some(), "{key}");
        }
        let number = |key: &str| point[key].as_f64().unwrap();
        assert!(number("low") <= number("share") && number("share") <= number("high"));
        assert!((number("cosine") - 0.8).abs() < 1e-6 && number("trials") == 60.0);
        assert!(
            point["bits_per_neuron"].as_f64().is_some() && point["bits_per_parameter"].as_f64().is_some()
        );
    }
    let softmax = points.iter().find(|p| p["memory"] == "softmax" && p["d"] == 8).unwrap();
    assert_eq!((softmax["beta"].as_f64(), softmax["lambda"].as_f64()), (Some(16.0), Some(2.0)));
    assert!(softmax["mixing"]["k90"].as_f64().is_some_and(|k| k >= 1.0));
    let summaries = results["summaries"].as_array().unwrap();
    assert_eq!(summaries.len(), 2 * 3);
    let refused = summaries[0]["fits"]["exponential"]["refused"].as_str().unwrap();
    assert!(refused.contains("4 are needed"), "{refused}");
    let theory = summaries[0]["capacities"][0]["theory"][0]["n"].as_f64().unwrap();
    assert!((20.0..70.0).contains(&theory), "{theory}");
}

#[test]
fn a_folder_has_everything_and_goes_on() {
    let desk = desk();
    let text = desk.done(&format!("{SMALL} --radius 20 --out run"));
    assert!(text.contains("written: run/report.html") && text.contains("radius of softmax"), "{text}");
    let whole: Value = serde_json::from_str(&desk.read("run/results.json")).unwrap();
    let page = desk.read("run/report.html");
    for part in
        ["<svg", "In numbers", "Success against", "How it was run", "All points", "How far one may start"]
    {
        assert!(page.contains(part), "{part}");
    }
    // One file that needs nothing else: no scripts, no other addresses than the namespace of SVG.
    assert!(!page.contains("<script") && !page.contains("src="));
    let addresses =
        page.match_indices("http").filter(|(at, _)| !page[*at..].starts_with("http://www.w3.org/2000/svg"));
    assert_eq!(addresses.count(), 0);
    assert!(!page.contains("NaN"));
    let csv = desk.read("run/points.csv");
    assert_eq!(csv.lines().count(), 1 + whole["points"].as_array().unwrap().len());
    let manifest: Value = serde_json::from_str(&desk.read("run/manifest.json")).unwrap();
    assert_eq!(manifest["seeds"], serde_json::json!([0, 1]));
    assert!(std::fs::read_dir(desk.path("run/plots")).unwrap().count() > 5);

    // Half of the cells are lost, the last of them in the middle of its line.
    let journal = desk.read("run/journal.jsonl");
    let cells = journal.lines().count();
    let kept: Vec<&str> = journal.lines().take(cells / 2).collect();
    std::fs::write(desk.path("run/journal.jsonl"), kept.join("\n") + "\n{\"key\":\"nea").unwrap();
    std::fs::remove_file(desk.path("run/results.json")).unwrap();
    let out = desk.run("--out run --resume");
    assert!(out.status.success());
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.contains(&format!("{} cells were measured before", cells / 2)), "{told}");
    let again: Value = serde_json::from_str(&desk.read("run/results.json")).unwrap();
    assert_eq!(timeless(&whole), timeless(&again));
    assert_eq!(desk.read("run/journal.jsonl").lines().count(), cells);
    // The same command measures nothing anew.
    desk.done(&format!("{SMALL} --out run"));
    assert_eq!(desk.read("run/journal.jsonl").lines().count(), cells);
}

#[test]
fn real_data_and_generated_patterns() {
    let desk = desk();
    let images: Vec<f32> = (0..60 * 16_i64).map(|i| ((i * i * 7919 + 31 * i) % 101) as f32 / 100.0).collect();
    let array = Array { name: "", shape: vec![60, 4, 4], data: ArrayData::F32(&images) };
    write(desk.path("images.npy"), &[array]).unwrap();
    let results = desk.json(
        "--memory universal:cosine:max,universal:dot:max --data images.npy --corruption half,image-noise:0.1 --criterion identity,ssd:0.5 --n 10,60 --queries 40",
    );
    let points = results["points"].as_array().unwrap();
    assert_eq!(points.len(), 2 * 2 * 2 * 2);
    assert!(points.iter().all(|p| p["d"] == 16 && p["ensemble"] == "file:images.npy"));
    assert!(results["patterns"][0]["max_cosine"].as_f64().unwrap() > 0.5);
    assert!(desk.fails("--memory softmax --data images.npy --n 10,61").contains("60 patterns are there"));

    let made = desk.json(
        "--memory nearest --generated --d 32 --corruption overlap:0.7 --n 1e3,5e4 --queries 50 --seeds 1",
    );
    let stored =
        desk.json("--memory nearest --d 32 --corruption overlap:0.7 --n 1000,50000 --queries 50 --seeds 1");
    let shares = |v: &Value| {
        v["points"].as_array().unwrap().iter().map(|p| p["successes"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shares(&made)[..2], shares(&stored)[..2]);
}

/// Images as bytes get the same noise as images from 0 to 1: in the range of the data.
#[test]
fn noise_on_images_is_in_the_range_of_the_data() {
    let desk = desk();
    let shares: Vec<f32> = (0..40 * 16_i64).map(|i| ((i * i * 7919 + 31 * i) % 101) as f32 / 100.0).collect();
    let bytes: Vec<u8> = shares.iter().map(|v| (255.0 * v).round() as u8).collect();
    desk.save("shares.npy", &[40, 4, 4], ArrayData::F32(&shares));
    desk.save("bytes.npy", &[40, 4, 4], ArrayData::U8(&bytes));
    let right = |file: &str| {
        let line = format!(
            "--memory nearest --data {file} --corruption image-noise:0.2 --criterion identity --n 40 --queries 100"
        );
        desk.json(&line)["points"][0]["share"].as_f64().unwrap()
    };
    // The order of the patterns and the noise go by the name of the file.
    let (of_shares, of_bytes) = (right("shares.npy"), right("bytes.npy"));
    assert!(of_shares > 0.8 && (of_shares - of_bytes).abs() < 0.1, "{of_shares} and {of_bytes}");
    let text = desk.fails("--memory nearest --ensemble sphere --corruption image-noise:0.2 --n 4");
    assert!(text.contains("range of values"), "{text}");
}

#[test]
fn wrong_requests_say_what_would_be_right() {
    let desk = desk();
    for (line, want) in [
        ("--memory hopfield --ensemble sphere", "bipolar"),
        ("--memory softmax --n 8,4", "ascending"),
        ("--memory softmax --ensemble file", "--data"),
        ("--memory softmax --ensemble cube", "sphere, bipolar"),
        ("--memory softmax --data none.npy", "none.npy"),
        ("--memory softmax --generated --n 100", "--steps 1"),
        ("--memory softmax --ensemble sphere --corruption flip:0.1", "bipolar"),
        ("--out nothing --resume", "manifest.json"),
        ("--out nothing --resume --queries 5", "leave --queries out"),
        ("--memory softmax --radius 1", "--radius"),
        ("--memory nearest --radius 10", "no states that move"),
        ("--memory softmax --seed 18446744073709551615", "--seeds"),
        ("--memory nearest --d 1 --n 4", "no other direction"),
    ] {
        let text = desk.fails(line);
        assert!(text.contains(want), "{line}: {text}");
    }
    for line in [
        "--memory softmax --lambda -1",
        "--memory softmax --corruption tear",
        "--memory best",
        "--resume",
        "--memory softmax --n x",
    ] {
        assert_eq!(desk.run(line).status.code(), Some(2), "{line}");
    }
}
