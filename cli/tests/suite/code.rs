//! `attractor code` as a user meets it.

use super::desk::Desk;
use attractor::io::{Array, ArrayData, Source, write};

fn desk() -> Desk {
    Desk::new(&["code"], &[])
}

#[test]
fn a_search_reports_what_it_found_and_writes_it() {
    let desk = desk();
    let found = desk.json("--points 12 --dim 3 --out code.npy --plot code.svg --seed 3");
    assert!((found["angle_degrees"].as_f64().unwrap() - 63.434949).abs() < 1e-4, "{found}");
    assert!(found["known"]["share_of_gap"].as_f64().unwrap() > 0.9999, "{found}");
    assert_eq!(found["known"]["proven"], true);
    assert_eq!(found["starts"].as_array().unwrap().len(), 8);
    assert_eq!(found["bounds"]["by"], "Fejes Toth");
    let (values, columns) = Source::open(desk.path("code.npy")).unwrap().matrix_f64(&[]).unwrap();
    assert_eq!((values.len(), columns), (36, 3));
    let picture = std::fs::read_to_string(desk.path("code.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("proven best") && !picture.contains("NaN"));
    // What was written measures the same, to the last digits.
    let again = desk.json("--measure code.npy");
    let cosine = |v: &serde_json::Value| v["cosine"].as_f64().unwrap();
    assert!((cosine(&found) - cosine(&again)).abs() < 1e-14, "{found} {again}");
    let words = desk.done("--points 4 --dim 3 --starts 2");
    assert!(words.contains("109.47") && words.contains("2 of 2 starts"), "{words}");
    assert_eq!(desk.done("--points 4 --dim 3 --starts 1 --quiet"), "");
}

#[test]
fn known_codes_are_listed_and_built() {
    let desk = desk();
    let list = desk.done("--list");
    assert!(list.contains("snub-cube") && list.contains("43.690767"), "{list}");
    assert_eq!(desk.json("--list")["codes"].as_array().unwrap().len(), 15);
    for (name, points, dim) in [("e8", 240, 8), ("10,4", 10, 4), ("polygon:7", 7, 2), ("simplex:3,5", 3, 5)] {
        let built = desk.json(&format!("--known {name} --out {name}.npz"));
        assert_eq!((&built["points"], &built["dim"]), (&points.into(), &dim.into()), "{name}");
        assert!((built["known"]["share_of_gap"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{name}");
        let measured = desk.json(&format!("--measure {name}.npz"));
        assert!((measured["gap"].as_f64().unwrap() - built["gap"].as_f64().unwrap()).abs() < 1e-12, "{name}");
    }
}

#[test]
fn given_points_are_measured_by_their_directions() {
    let desk = desk();
    let save = |name: &str, values: &[f64]| {
        let array = Array { name: "points", shape: vec![values.len() / 2, 2], data: ArrayData::F64(values) };
        write(desk.path(name), &[array]).unwrap();
    };
    save("p.npy", &[1.0, 0.0, 0.0, 3.0, -1.0, 0.0]);
    let measured = desk.json("--measure p.npy");
    assert_eq!((measured["gap"].as_f64(), &measured["nearest"]), (Some(1.0), &serde_json::json!([0, 1])));
    // The specification's certificate: three points with a gap of 1.
    let beta = measured["certified_beta"]["all"].as_f64().unwrap();
    assert!((beta - 1.0 - (8.0 * beta).ln()).abs() < 1e-9, "{measured}");
    let each = measured["certified_beta"]["each"].as_array().unwrap();
    assert!(each.len() == 3 && each[1].as_f64() == Some(beta), "{measured}");
    let words = desk.done("--measure p.npy");
    assert!(words.contains("lengths from 1.0000 to 3.0000") && words.contains("pairs by cosine"), "{words}");
    save("twice.npy", &[1.0, 1.0, 2.0, 2.0]);
    assert!(desk.done("--measure twice.npy").contains("no beta stores all"));
    assert!(desk.json("--measure twice.npy")["certified_beta"]["all"].is_null());
    save("zero.npy", &[1.0, 1.0, 0.0, 0.0]);
    let complaint = desk.fails("--measure zero.npy");
    assert!(complaint.contains("zero.npy") && complaint.contains("row 1"), "{complaint}");
    save("one.npy", &[1.0, 1.0]);
    let complaint = desk.fails("--measure one.npy");
    assert!(complaint.contains("one.npy") && complaint.contains("at least 2"), "{complaint}");
}

#[test]
fn what_cannot_be_is_refused() {
    let desk = desk();
    let complaint = desk.fails("--known cube");
    assert!(complaint.contains("--known is cube") && complaint.contains("icosahedron"), "{complaint}");
    assert!(desk.fails("--points 1 --dim 3").contains("at least 2"));
    assert!(desk.fails("--points 5 --dim 3 --starts 0").contains("starts"));
    assert!(desk.fails("--points 5 --dim 3 --out nowhere/code.npy").contains("nowhere"));
    assert!(desk.fails("--measure missing.npy").contains("missing.npy"));
    // Wrong usage.
    for line in ["", "--points 5", "--points 5 --dim 3 --list"] {
        assert_eq!(desk.run(line).status.code(), Some(2), "{line}");
    }
}
