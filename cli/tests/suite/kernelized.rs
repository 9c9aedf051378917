//! `attractor separate` and `attractor recall --memory kernelized` as a user meets them.

use super::desk::Desk;
use attractor::io::ArrayData;

/// A folder with two patterns, a query and a matrix of the specification's worked recall.
fn desk() -> Desk {
    let desk = Desk::new(&[], &["--device", "cpu"]);
    let save = |name: &str, shape: &[usize], values: &[f64]| desk.save(name, shape, ArrayData::F64(values));
    save("p.npy", &[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    save("x.npy", &[1, 2], &[0.6, 0.5]);
    save("w.npy", &[2, 2], &[2.0, 0.0, 0.0, 1.0]);
    // Four directions of a plane that lie near to each other.
    save("near.npy", &[3, 3], &[1.0, 0.9, 0.0, 0.9, 1.0, 0.0, 0.8, 0.8, 0.3]);
    desk
}

const RECALL: &str = "recall --memory kernelized --patterns p.npy --queries x.npy --out r.npz";

#[test]
fn a_recall_through_a_given_matrix_is_the_worked_one() {
    let desk = desk();
    let values = |name: &str| desk.values("r.npz", name);
    let text = desk.done(&format!("{RECALL} --weights w.npy --beta 1 --steps 3 --tol 0 --trace"));
    assert!(text.contains("2 features, softmax, beta 1"), "{text}");
    let near = |got: &[f32], want: &[f32]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5);
    assert!(near(&values("state"), &[0.978_760_7, 0.021_239_3]), "{:?}", values("state"));
    let energies = [-1.694_386_8, -1.992_180_8, -2.018_592_9, -2.019_035_3];
    assert!(near(&values("trace"), &energies), "{:?}", values("trace"));
    let text = desk.done(&format!("{RECALL} --weights w.npy --separation sparsemax --unit --json"));
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["memory"], "kernelized");
    assert_eq!(summary["beta"]["value"], 16.0);
    assert_eq!(summary["energy"], "sparsemax");
    assert_eq!(values("state"), [1.0, 0.0]);
}

#[test]
fn separate_writes_a_matrix_that_recall_takes() {
    let desk = desk();
    let text = desk.done("separate --patterns near.npy --out w.npy --starts 2");
    assert!(text.contains("smallest gap") && text.contains("proved by the loss"), "{text}");
    let text = desk.done("separate --patterns near.npy --out w.npy --starts 1 --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| summary[name].as_f64().unwrap();
    // Three points of a plane at 120 degrees.
    assert!(number("gap") > 1.499 && number("gap_before") < number("gap"), "{text}");
    assert!(summary["certificate"][0].as_f64().unwrap() <= number("gap"));
    assert_eq!(summary["stages"].as_array().unwrap().len(), 8);
    let recall =
        "recall --memory kernelized --patterns near.npy --queries near.npy --weights w.npy --out r.npz";
    desk.done(recall);
    assert_eq!(desk.values("r.npz", "indices").chunks(3).map(|k| k[0]).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    // With a bias, and with what keeps noise in check.
    desk.done(
        "separate --patterns near.npy --out wb.npz --bias --optimizer adam --noise 0.1 --iterations 20",
    );
    let with_bias = "recall --memory kernelized --patterns near.npy --queries near.npy --weights wb.npz --bias wb.npz --out r.npz";
    desk.done(with_bias);
    let energies = desk.values("r.npz", "energy");
    // The bias beside the weights is part of the map.
    desk.done(&with_bias.replace(" --bias wb.npz", ""));
    assert_eq!(desk.values("r.npz", "energy"), energies);
    // Steps that lead out of the numbers are not taken, and that it got worse is said.
    let wild =
        desk.json("separate --patterns near.npy --out w3.npy --optimizer adam --rate 1e300 --iterations 30");
    assert!(wild["gap"].as_f64().unwrap().is_finite(), "{wild}");
    let text = desk.fails("separate --patterns near.npy --out w3.npy --rate 0.1");
    assert!(text.contains("--rate"), "{text}");
    let text = desk.fails("separate --patterns near.npy --out w3.npy --dim 99999999999999999");
    assert!(text.contains("number of features"), "{text}");
    let text = desk.done("separate --patterns near.npy --out w.npy --cap-condition 2 --starts 1 --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(summary["condition"].as_f64().unwrap() <= 2.0 + 1e-6, "{text}");
    // More features than columns: a warning and no error, on stderr as in the summary.
    let line = "separate --patterns near.npy --out w.npy --dim 5 --starts 1";
    let warned = desk.run(line);
    let text = String::from_utf8(warned.stderr).unwrap();
    assert!(warned.status.success() && text.starts_with("warning: ") && text.contains("rank"), "{text}");
    let listed = desk.json(line)["warnings"].clone();
    let listed: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|w| w.as_str()).collect();
    assert_eq!(text, listed.iter().map(|w| format!("warning: {w}\n")).collect::<String>());
    assert!(desk.run(&format!("{line} --quiet")).stderr.is_empty());
}

#[test]
fn what_does_not_fit_is_named() {
    let desk = desk();
    let cases: [(&str, &str); 9] = [
        (RECALL, "--weights"),
        ("recall --patterns p.npy --queries x.npy --out r.npz --weights w.npy", "--memory kernelized"),
        ("separate --patterns x.npy --out w2.npy", "at least 2"),
        ("separate --patterns p.npy --out w2.npy --tau 0", "tau"),
        ("separate --patterns p.npy --out w2.npy --dim 0", "features"),
        ("separate --patterns p.npy --out w2.npy --bias", ".npz"),
        ("separate --patterns p.npy --out w2.npy --cap-condition 0.5", "condition"),
        (
            "recall --memory kernelized --patterns near.npy --queries near.npy --out r.npz --weights w.npy",
            "w.npy",
        ),
        (
            "recall --memory kernelized --patterns p.npy --queries x.npy --out r.npz --weights w.npy --energy sparsemax",
            "--energy",
        ),
    ];
    for (line, word) in cases {
        let text = desk.fails(line);
        assert!(text.contains(word), "{line}: {text}");
    }
    assert!(!desk.path("w2.npy").exists());
}
