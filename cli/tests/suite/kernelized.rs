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
    // Twice what a fixed point needs: the patterns, at length 1, lie at a right angle.
    assert_eq!(summary["beta"]["auto"], true);
    assert!((summary["beta"]["value"].as_f64().unwrap() - 2.0).abs() < 1e-4, "{text}");
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

/// The README's two commands: what `separate` has trained for goes along with the matrix.
#[test]
fn every_stored_digit_comes_back_through_the_matrix_that_was_learned() {
    let desk = desk();
    let digits = include_bytes!("../../data/digits.u8");
    let values: Vec<f32> = digits[..100 * 64].iter().map(|v| f32::from(*v) / 16.0).collect();
    desk.save("digits.npy", &[100, 64], ArrayData::F32(&values));
    let recall = "recall --memory kernelized --patterns digits.npy --queries digits.npy --out r.npz";
    let right = |more: &str| {
        let summary = desk.json(&format!("{recall} {more}"));
        let indices = desk.values("r.npz", "indices");
        let wrong = indices.chunks(5).enumerate().filter(|(i, best)| best[0] as usize != *i).count();
        assert_eq!(wrong, 0, "{more}: {summary}");
        summary
    };
    for (out, train) in [("w.npz", "--starts 1 --iterations 60"), ("w.safetensors", "--optimizer adam")] {
        let separated = desk.json(&format!("separate --patterns digits.npy --out {out} {train}"));
        assert_eq!(separated["unit"], true);
        let from = separated["certified_beta"].as_f64().unwrap();
        let summary = right(&format!("--weights {out}"));
        assert!(summary["beta"]["separated"].as_f64().unwrap() >= 0.99, "{summary}");
        right(&format!("--weights {out} --beta {}", 1.01 * from));
        // The same rows without their lengths: some lose to longer ones, unless that is what is asked for.
        desk.done(&format!("{recall} --weights {out} --unit=false"));
    }
    desk.done("separate --patterns digits.npy --out w.npy --starts 1 --iterations 60");
    right("--weights w.npy --unit");
    // A matrix that says nothing, and loses a stored pattern to a longer one.
    desk.save("two.npy", &[2, 2], ArrayData::F32(&[1.0, 0.0, 2.0, 0.5]));
    desk.save("one.npy", &[2, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0]));
    let recall =
        "recall --memory kernelized --patterns two.npy --queries two.npy --weights one.npy --out r.npz";
    let text = desk.fails(recall);
    assert!(text.contains("one.npy: 1 of 2 patterns (row 0 first)") && text.contains("--unit"), "{text}");
    desk.done(&format!("{recall} --unit"));
    assert_eq!(desk.values("r.npz", "indices"), [0.0, 1.0, 1.0, 0.0]);
    desk.done(&format!("{recall} --unit=false"));
}

/// Small tables of measurements, in tenths and in columns of very different sizes, after a short training: what is not told apart is said, and
/// no other row answers with confidence.
#[test]
fn tables_of_measurements_are_told_apart_or_said_not_to_be() {
    let desk = desk();
    // Flowers in tenths of a centimetre, wines in units of their own: numbers of a small generator.
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let flowers: Vec<f32> = (0..60)
        .flat_map(|i| {
            let [a, b, c, d] = [[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]][i % 3];
            [a, b, c, d].map(|mean: f32| (10.0 * (mean + mean.sqrt() * random())).round() / 10.0)
        })
        .collect();
    let wines: Vec<f32> = (0..60)
        .flat_map(|_| {
            [(13.0, 1.0), (2.3, 1.5), (100.0, 30.0), (750.0, 600.0), (0.4, 0.2)]
                .map(|(m, s)| m + s * random())
        })
        .collect();
    for (name, d, values) in [("flowers", 4, flowers), ("wines", 5, wines)] {
        desk.save(&format!("{name}.npy"), &[60, d], ArrayData::F32(&values));
        desk.done(&format!("separate --patterns {name}.npy --out {name}.npz --optimizer adam --quiet"));
        let line = format!(
            "recall --memory kernelized --patterns {name}.npy --queries {name}.npy --weights {name}.npz --out r.npz"
        );
        let summary = desk.json(&line);
        let (indices, weights) = (desk.values("r.npz", "indices"), desk.values("r.npz", "weights"));
        let rows: Vec<&[f32]> = values.chunks(d).collect();
        let mut told = 0;
        for (i, (best, weights)) in indices.chunks(5).zip(weights.chunks(5)).enumerate() {
            let right = rows[best[0] as usize] == rows[i];
            assert!(right || weights[0] < 0.9, "{name} {i}: {best:?} {weights:?}, {summary}");
            told += usize::from(right && weights[0] >= 0.98);
        }
        let said = summary["beta"]["separated"].as_f64().unwrap();
        let unique = rows.iter().filter(|row| rows.iter().filter(|other| other == row).count() == 1).count();
        assert!(told as f64 >= unique as f64 * said - 1.5, "{name}: {told} of {unique}, {said} said");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let desk = desk();
    let cases = [
        (RECALL, "--weights"),
        ("separate --patterns x.npy --out w2.npy", "at least 2"),
        ("separate --patterns p.npy --out w2.npy --tau 0", "tau"),
        ("separate --patterns p.npy --out w2.npy --dim 0", "features"),
        ("separate --patterns p.npy --out w2.npy --bias", ".npz"),
        ("separate --patterns p.npy --out w2.npy --cap-condition 0.5", "condition"),
        (
            "recall --memory kernelized --patterns near.npy --queries near.npy --out r.npz --weights w.npy",
            "w.npy",
        ),
    ];
    for (line, word) in cases {
        let text = desk.fails(line);
        assert!(text.contains(word), "{line}: {text}");
    }
    assert!(!desk.path("w2.npy").exists());
}
