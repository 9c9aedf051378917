//! What goes in: arrays by their names, numbers that f32 would spoil, and what is said of them.

use super::desk::Desk;
use attractor::io::{Array, ArrayData, Source, write};

fn desk() -> Desk {
    Desk::new(&[], &["--device", "cpu"])
}

/// Stores are changed without a device.
fn plain() -> Desk {
    Desk::new(&[], &[])
}

/// The lines on stderr of a command that must succeed.
#[track_caller]
fn warned(desk: &Desk, line: &str) -> Vec<String> {
    let out = desk.run(line);
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{line}: {text}");
    text.lines().map(str::to_owned).collect()
}

fn wide(desk: &Desk, file: &str, name: &str) -> Vec<f64> {
    Source::open(desk.path(file)).unwrap().matrix_f64(&[name]).unwrap().0
}

/// An archive of arrays none of which has a name that is known here.
fn archive(desk: &Desk, file: &str) {
    let array = |name, shape: &[usize], data| Array { name, shape: shape.to_vec(), data };
    let arrays = [
        array("emb", &[3, 2], ArrayData::F32(&[0.0, 0.0, 1.0, 0.0, 0.0, 1.0])),
        array("cues:noisy", &[2, 2], ArrayData::F32(&[0.9, 0.1, 0.2, 0.8])),
        array("y", &[3], ArrayData::F32(&[7.0, 8.0, 9.0])),
        array("known", &[2], ArrayData::Bool(&[true, false])),
        array("allowed", &[3], ArrayData::Bool(&[true, false, true])),
        array("w", &[2, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0])),
        array("b", &[2], ArrayData::F32(&[0.0, 0.0])),
        array("numbers", &[3], ArrayData::U64(&[10, 20, 30])),
    ];
    write(desk.path(file), &arrays).unwrap();
}

#[test]
fn every_option_that_reads_an_array_takes_it_by_its_name() {
    let desk = desk();
    for file in ["a.npz", "a.safetensors"] {
        archive(&desk, file);
        let cues = format!("--patterns {file}:emb --queries {file}:cues:noisy");
        desk.done(&format!("recall {cues} --out o.npz --beta 60 --values {file}:y --mask {file}:allowed"));
        let best = desk.values("o.npz", "indices");
        assert_eq!((best[0], desk.values("o.npz", "values").len()), (0.0, 2));
        desk.done(&format!("recall {cues} --out o.npz --beta 60 --clamp {file}:known"));
        assert_eq!(desk.values("o.npz", "state")[0], 0.9);
        desk.done(&format!("energy --patterns {file}:emb --states {file}:cues:noisy --out e.npy"));
        assert_eq!(desk.values("e.npy", "").len(), 2);
        assert!(desk.done(&format!("explain {cues} --row 1 --beta 60")).contains("recalled pattern 2"));
        let through = format!("recall {cues} --out o.npz --memory kernelized --weights {file}:w");
        desk.done(&through);
        desk.done(&format!("{through} --bias {file}:b"));
        desk.done(&format!("separate --patterns {file}:w --out w.npy --starts 1 --iterations 3"));
        desk.done(&format!(
            "features encode --patterns {file}:emb --frequencies {file}:w --beta 1 --out f.safetensors"
        ));
        desk.done(&format!("code --measure {file}:w"));
        // A name that is not there, with those that are.
        let text = desk.fails(&format!("recall --patterns {file}:emd --queries {file}:emb --out o.npz"));
        assert!(text.contains(&format!("{file}: the file holds no array 'emd'")), "{text}");
        assert!(text.contains("it holds allowed, b, cues:noisy, emb, known, numbers, w, y"), "{text}");
        let text = desk.fails(&format!("recall --patterns {file} --queries {file}:emb --out o.npz"));
        assert!(text.contains("FILE:allowed"), "{text}");
    }
    // A file that is really called so is meant.
    std::fs::copy(desk.path("a.npz"), desk.path("a.npz:emb.npz")).unwrap();
    let text = desk.fails("recall --patterns a.npz:emb.npz --queries a.npz:emb --out o.npz");
    assert!(text.contains("a.npz:emb.npz: the file holds the arrays"), "{text}");
    let stores = plain();
    archive(&stores, "a.npz");
    stores.done("store create s.safetensors --patterns a.npz:emb --ids a.npz:numbers");
    stores.done("store recall s.safetensors --queries a.npz:emb --out o.npz --device cpu");
    assert_eq!(Source::open(stores.path("o.npz")).unwrap().integers(&["ids"]).unwrap().0[0], 10);
    stores.done("store forget s.safetensors --ids a.npz:numbers");
}

/// A time stamp in seconds with a small reading beside it, 10 s apart.
fn stamps(n: usize) -> Vec<f64> {
    (0..n).flat_map(|i| [1.7e9 + 10.0 * i as f64, 0.1 * (i % 3) as f64]).collect()
}

#[test]
fn rows_that_f32_would_spoil_are_recalled_as_they_are() {
    let desk = desk();
    let rows = stamps(30);
    desk.save("p.npy", &[30, 2], ArrayData::F64(&rows));
    let cues: Vec<f64> =
        rows.iter().enumerate().map(|(i, v)| v + if i % 2 == 0 { 2.0 } else { 0.01 }).collect();
    desk.save("q.npy", &[30, 2], ArrayData::F64(&cues));
    let first: Vec<f32> = (0..30).map(|i| i as f32).collect();
    for options in ["", "--similarity l1 --beta 9", "--energy sparsemax", "--precision f16"] {
        for out in ["o.npz", "o.safetensors", "o.npy"] {
            // A .npy has no list of patterns.
            let top = if out == "o.npy" { "" } else { "--top-k 1" };
            let summary =
                desk.json(&format!("recall --patterns p.npy --queries q.npy --out {out} {top} {options}"));
            assert_eq!(summary["warnings"], serde_json::json!([]), "{options}");
            // Half a second at the least, of 1.7e9: f32 knows 128 there.
            let states = wide(&desk, out, "state");
            assert!(
                states.iter().zip(&rows).all(|(a, b)| (a - b).abs() < 0.1),
                "{options} {out}: {states:?}"
            );
        }
        assert_eq!(desk.values("o.npz", "indices"), first, "{options}");
    }
    // The energy does not notice: that of the same rows, moved by hand.
    let moved = |rows: &[f64]| rows.chunks(2).flat_map(|row| [row[0] - 1.7e9, row[1]]).collect::<Vec<f64>>();
    desk.save("pm.npy", &[30, 2], ArrayData::F64(&moved(&rows)));
    desk.save("qm.npy", &[30, 2], ArrayData::F64(&moved(&cues)));
    desk.done("energy --patterns p.npy --states q.npy --out e.npy --beta 0.1");
    desk.done("energy --patterns pm.npy --states qm.npy --out em.npy --beta 0.1");
    let (got, want) = (desk.values("e.npy", ""), desk.values("em.npy", ""));
    assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + b.abs())), "{got:?} {want:?}");
    assert!(desk.done("explain --patterns p.npy --queries q.npy --row 17").contains("recalled pattern 17"));
    // Known coordinates stay where they are in the query, in its own numbers.
    desk.save("clamp.npy", &[2], ArrayData::Bool(&[true, false]));
    desk.done("recall --patterns p.npy --queries q.npy --out o.npz --clamp clamp.npy");
    let states = wide(&desk, "o.npz", "state");
    assert!(states.chunks(2).zip(cues.chunks(2)).all(|(state, cue)| (state[0] - cue[0]).abs() < 1e-4));
}

#[test]
fn nanoseconds_and_coordinates_keep_their_detail() {
    let desk = desk();
    let nanoseconds: Vec<i64> = (0..40).map(|i| 1_700_000_000_000_000_001 + 3 * i).collect();
    desk.save("p.npy", &[40, 1], ArrayData::I64(&nanoseconds));
    desk.save("q.npy", &[1, 1], ArrayData::I64(&[nanoseconds[23] + 1]));
    desk.done("recall --patterns p.npy --queries q.npy --out o.npz");
    assert_eq!(desk.values("o.npz", "indices")[0], 23.0);
    // Metres: a lattice 0.25 m fine, around a place.
    let metres: Vec<f64> = (0..100)
        .flat_map(|i| [5_600_000.25 + 0.25 * f64::from(i / 10), 390_000.5 + 0.25 * f64::from(i % 10)])
        .collect();
    desk.save("m.npy", &[100, 2], ArrayData::F64(&metres));
    let summary = desk.json("recall --patterns m.npy --queries m.npy --out o.npz --top-k 1");
    assert_eq!(summary["warnings"], serde_json::json!([]));
    assert_eq!(desk.values("o.npz", "indices"), (0..100).map(|i| i as f32).collect::<Vec<_>>());
    assert!(wide(&desk, "o.npz", "state").iter().zip(&metres).all(|(a, b)| (a - b).abs() < 0.01));
}

#[test]
fn rows_that_become_equal_are_warned_of() {
    let desk = desk();
    desk.save("p.npy", &[30, 2], ArrayData::F64(&stamps(30)));
    let line = "recall --patterns p.npy --queries p.npy --out o.npz --similarity dot --beta 1";
    let lines = warned(&desk, line);
    // Stamps in steps of 10 in a grid of 128, thirds of which have one reading.
    assert!(
        lines[0].starts_with("warning: p.npy: ") && lines[0].contains("rows differ in the file"),
        "{lines:?}"
    );
    assert!(lines[0].contains("are rows 0 and 3"), "{lines:?}");
    let listed = desk.json(line)["warnings"].clone();
    assert_eq!(format!("warning: {}", listed[0].as_str().unwrap()), lines[0]);
    assert!(warned(&desk, &format!("{line} --quiet")).is_empty());
    // Said once, though patterns and queries are the same file.
    assert_eq!(lines.len(), 1);
    // Nor does an offset help two groups that lie far apart.
    let far: Vec<f64> = (0..20).map(|i| f64::from(i % 10) * 0.01 + if i < 10 { 0.5 } else { 1e9 }).collect();
    desk.save("far.npy", &[20, 1], ArrayData::F64(&far));
    for command in ["energy --states", "explain --queries"] {
        let out = if command.starts_with("energy") { "--out e.npy" } else { "" };
        let line = format!("{command} far.npy --patterns far.npy {out} --beta 1");
        assert!(warned(&desk, &line)[0].contains("10 rows differ in the file"), "{line}");
        assert!(desk.json(&line)["warnings"][0].as_str().unwrap().contains("rows 10 and 11"), "{line}");
    }
    // What f32 holds is as it was: f32 states, and nothing to warn of.
    desk.save("exact.npy", &[2, 1], ArrayData::F64(&[1e9, 2e9]));
    assert!(warned(&desk, "recall --patterns exact.npy --queries exact.npy --out o.npy").is_empty());
    assert!(std::fs::read(desk.path("o.npy")).unwrap().windows(5).any(|text| text == b"'<f4'"));
}

#[test]
fn a_store_remembers_what_went_off_its_patterns() {
    let desk = plain();
    let rows = stamps(60);
    desk.save("p.npy", &[30, 2], ArrayData::F64(&rows[..60]));
    desk.save("more.npy", &[30, 2], ArrayData::F64(&rows[60..]));
    desk.save("q.npy", &[60, 2], ArrayData::F64(&rows));
    assert_eq!(desk.json("store create s.safetensors --patterns p.npy")["warnings"], serde_json::json!([]));
    desk.done("store add s.safetensors --patterns more.npy");
    for compacted in [false, true] {
        if compacted {
            desk.done("store compact s.safetensors");
        }
        desk.done("store recall s.safetensors --queries q.npy --out o.npz --top-k 1 --device cpu");
        let ids = Source::open(desk.path("o.npz")).unwrap().integers(&["ids"]).unwrap().0;
        assert_eq!(ids, (0..60).collect::<Vec<u64>>());
        assert!(wide(&desk, "o.npz", "state").iter().zip(&rows).all(|(a, b)| (a - b).abs() < 0.1));
    }
    // Where nothing may go off, that rows have become equal is said.
    let line = "store create dot.safetensors --similarity dot --patterns p.npy";
    assert!(warned(&desk, line)[0].contains("warning: p.npy: "));
    let listed = desk.json("store add dot.safetensors --patterns more.npy")["warnings"].clone();
    assert!(listed[0].as_str().unwrap().contains("rows differ"), "{listed}");
}

/// With its journal, its ids and its offset, as a file of patterns and as one of queries.
#[test]
fn a_store_that_has_lost_an_offset_is_a_file_of_patterns() {
    let (stores, desk) = (plain(), desk());
    let rows = stamps(60);
    for (file, rows) in [("p.npy", &rows[..60]), ("more.npy", &rows[60..])] {
        stores.save(file, &[30, 2], ArrayData::F64(rows));
    }
    desk.save("q.npy", &[60, 2], ArrayData::F64(&rows));
    desk.save("w.npy", &[2, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0]));
    stores.done("store create s.safetensors --patterns p.npy");
    stores.done("store add s.safetensors --patterns more.npy --no-compact");
    stores.done("store forget s.safetensors --id 0 --no-compact");
    let store = stores.path("s.safetensors").display().to_string();
    for compacted in [false, true] {
        if compacted {
            stores.done("store compact s.safetensors");
        }
        for (patterns, queries) in [
            (store.clone(), "q.npy".to_owned()),
            (format!("{store}:patterns"), "q.npy".to_owned()),
            (store.clone(), format!("{store}:patterns")),
        ] {
            let files = format!("--patterns {patterns} --queries {queries}");
            desk.done(&format!("recall {files} --out o.npz --top-k 1"));
            let ids = Source::open(desk.path("o.npz")).unwrap().integers(&["ids"]).unwrap().0;
            let (states, from) = (wide(&desk, "o.npz", "state"), 60 - ids.len());
            // Nearest to the stamp that is forgotten is the next one.
            assert_eq!(ids[1 - from..], (1..60).collect::<Vec<u64>>(), "{files}");
            let want = &rows[2..];
            assert!(states[2 * (1 - from)..].iter().zip(want).all(|(a, b)| (a - b).abs() < 0.1), "{files}");
        }
        let why = desk.json(&format!("explain --patterns {store} --queries q.npy --row 17"));
        assert_eq!((&why["pattern"], &why["id"]), (&16.into(), &17.into()), "{why}");
        // What does not know of the offset refuses the store, and so does a similarity that would notice.
        for line in [
            format!("recall --patterns {store} --queries q.npy --out o.npz --similarity dot"),
            format!(
                "recall --patterns {store} --queries q.npy --out o.npz --memory kernelized --weights w.npy"
            ),
            format!("separate --patterns {store} --out x.npy"),
            format!("features encode --patterns {store} --frequencies w.npy --beta 1 --out f.safetensors"),
            format!("code --measure {store}"),
        ] {
            let text = desk.fails(&line);
            assert!(text.contains("without a common offset"), "{line}: {text}");
        }
        // Another array of the store is not its patterns, and one that is not there is none.
        let text = desk.fails(&format!("recall --patterns {store}:nothing --queries q.npy --out o.npz"));
        assert!(text.contains("the file holds no array 'nothing'"), "{text}");
    }
}

#[test]
fn ids_may_be_strings_of_numpy() {
    let desk = plain();
    desk.save("p.npy", &[2, 1], ArrayData::F32(&[0.0, 1.0]));
    let array = |descr: &str, bytes: &[u8]| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}\n");
        [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), bytes].concat()
    };
    let wide: Vec<u8> = "one\0zwölf".chars().take(8).flat_map(|c| (c as u32).to_le_bytes()).collect();
    std::fs::write(desk.path("u.npy"), array("<U4", &wide)).unwrap();
    std::fs::write(desk.path("s.npy"), array("|S3", b"onetwo")).unwrap();
    for (ids, store, name) in [("u.npy", "u.safetensors", "one"), ("s.npy", "s.safetensors", "two")] {
        desk.done(&format!("store create {store} --patterns p.npy --ids {ids}"));
        desk.done(&format!("store forget {store} --id {name}"));
    }
    // As patterns they are what they are.
    let text = desk.fails("store create t.safetensors --patterns u.npy");
    assert!(text.contains("u.npy: holds strings ('<U4'), and numbers are needed here"), "{text}");
}

#[test]
fn what_does_not_fit_says_what_would() {
    let desk = desk();
    desk.save("p.npy", &[20, 1], ArrayData::F32(&std::array::from_fn::<f32, 20, _>(|i| i as f32)));
    desk.save("q.npy", &[1, 1], ArrayData::F32(&[3.2]));
    let recall = "recall --patterns p.npy --queries q.npy --out o.npz";
    // One value for each pattern is [n].
    desk.save("v.npy", &[19], ArrayData::F32(&[1.0; 19]));
    let text = desk.fails(&format!("{recall} --values v.npy"));
    assert!(text.contains("v.npy: rows of values (one per pattern): got 19, want 20"), "{text}");
    desk.save("v.npy", &[20], ArrayData::F32(&[1.0; 20]));
    desk.done(&format!("{recall} --values v.npy"));
    // Bits that are written as 0 and 1.
    desk.save("bits.npy", &[2, 3], ArrayData::Bool(&[true, false, true, false, true, true]));
    let text = desk.fails("recall --patterns bits.npy --queries bits.npy --out o.npz --energy hopfield");
    assert!(text.contains("row 0, column 1 is 0;") && text.contains("numpy.where(x > 0, 1, -1)"), "{text}");
    // No query, no state: no list of none.
    desk.save("none.npy", &[0, 1], ArrayData::F32(&[]));
    let text = desk.done("recall --patterns p.npy --queries none.npy --out o.npz");
    let line = text.lines().find(|line| line.contains("0 queries")).unwrap().to_owned();
    assert!(line.starts_with("0 queries on cpu: 0.0"), "{line}");
}

#[test]
fn numbers_are_printed_to_be_read() {
    let desk = desk();
    // Separations of 1e30 need a beta of 1e-30 or so.
    desk.save("far.npy", &[2, 1], ArrayData::F32(&[0.0, 1e13]));
    let text = desk.done("recall --patterns far.npy --queries far.npy --out o.npz");
    let beta = text.split("beta ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(beta.len() <= 9 && beta.contains("e-2"), "{text}");
    let text = desk.done("recall --patterns far.npy --queries far.npy --out o.npz --beta 1e-26");
    assert!(text.contains("beta 1e-26"), "{text}");
    assert!(desk.done("energy --patterns far.npy --states far.npy --out e.npy").contains(" energies from "));
    for line in text.lines() {
        let longest = line.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(longest.unwrap_or(0) <= 12, "{line}");
    }
    // A share of a sample says so.
    let many: Vec<f32> = (0..40_000).map(|i| i as f32).collect();
    desk.save("many.npy", &[40_000, 1], ArrayData::F32(&many));
    desk.save("one.npy", &[1, 1], ArrayData::F32(&[7.0]));
    let text = desk.done("recall --patterns many.npy --queries one.npy --out o.npz");
    assert!(text.contains("% of a sample of ") && text.contains(" of 40000 patterns keep"), "{text}");
}
