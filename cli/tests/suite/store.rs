//! `attractor store` as a user meets it, and as a user stops it.

use super::desk::Desk;
use attractor::{
    Rows,
    io::{Array, ArrayData, Source, write},
    store::{Id, Ledger},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

fn desk() -> Desk {
    Desk::new(&["store"], &[])
}

fn rows(desk: &Desk, name: &str, rows: &[[f32; 3]]) {
    let data = ArrayData::F32(rows.as_flattened());
    write(desk.path(name), &[Array { name: "patterns", shape: vec![rows.len(), 3], data }]).unwrap();
}

fn numbers(desk: &Desk, name: &str, numbers: &[u64]) {
    let data = ArrayData::U64(numbers);
    write(desk.path(name), &[Array { name: "ids", shape: vec![numbers.len()], data }]).unwrap();
}

fn read(path: PathBuf, name: &str) -> Rows<'static> {
    Source::open(path).unwrap().matrix(&[name]).unwrap().into_owned()
}

#[test]
fn a_store_of_numbers_lives() {
    let desk = desk();
    rows(&desk, "p.npy", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    rows(&desk, "more.npy", &[[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]);
    rows(&desk, "q.npy", &[[0.9, 0.1, 0.1], [0.1, 0.9, 0.8]]);
    numbers(&desk, "ids.npy", &[7, 1 << 60]);
    assert!(desk.done("create m.safetensors --patterns p.npy --beta 20").contains("stored: 3"));
    desk.done("add m.safetensors --patterns more.npy --ids ids.npy");
    desk.done("forget m.safetensors --id 1 --id 2");
    let info = desk.json("info m.safetensors");
    assert_eq!(
        (&info["patterns"], &info["ids"], &info["next"]),
        (&3.into(), &"u64".into(), &((1_u64 << 60) + 1).into())
    );
    let text = desk.done("info m.safetensors");
    assert!(text.contains("3 patterns of 3 values") && text.contains("beta 20"), "{text}");
    for out in ["o.npz", "o.safetensors"] {
        let recall = format!("recall m.safetensors --queries q.npy --out {out} --top-k 2 --device cpu");
        let summary = desk.json(&recall);
        assert_eq!((&summary["queries"], &summary["top_k"]), (&2.into(), &2.into()));
        let (ids, shape) = Source::open(desk.path(out)).unwrap().integers(&["ids"]).unwrap();
        assert_eq!((ids[0], ids[2], shape), (0, 1 << 60, vec![2, 2]));
        assert!(read(desk.path(out), "weights")[(0, 0)] > 0.9);
        assert_eq!(read(desk.path(out), "state").columns(), 3);
    }
    numbers(&desk, "among.npy", &[7]);
    desk.done(
        "recall m.safetensors --queries q.npy --out o.npz --top-k 3 --among among.npy --device cpu --quiet",
    );
    // One may answer; there is no second and no third.
    let none = u64::MAX;
    assert_eq!(integers(&desk, "o.npz", "ids"), (vec![7, none, none, 7, none, none], vec![2, 3]));
    let gone = u64::from(u32::MAX);
    assert_eq!(integers(&desk, "o.npz", "indices").0, [1, gone, gone, 1, gone, gone]);
    assert_eq!(desk.values("o.npz", "weights"), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    desk.done("recall m.safetensors --queries q.npy --out o.npz --top-k 4 --device cpu --quiet");
    assert_eq!(integers(&desk, "o.npz", "ids").0[3], none);
    desk.done("compact m.safetensors --quiet");
    assert!(!desk.path("m.safetensors.journal").exists());
    assert_eq!(desk.json("info m.safetensors")["generation"], 2);
    rows(&desk, "one.npy", &[[5.0, 5.0, 5.0]]);
    fs::write(desk.path("seven.json"), "[7]").unwrap();
    assert!(
        desk.fails("add m.safetensors --patterns one.npy --ids seven.json").contains("'7'; it must be new")
    );
    desk.done("add m.safetensors --patterns one.npy --ids seven.json --replace");
    let ledger = Ledger::open(desk.path("m.safetensors")).unwrap();
    assert_eq!(ledger.get(&Id::from(7)).unwrap().unwrap().pattern, [5.0; 3]);
    for line in ["forget m.safetensors --id 0", "compact m.safetensors --wait 0.05"] {
        let text = desk.fails_with(line, 75);
        assert!(text.contains("another program is writing") && text.lines().count() == 1, "{text}");
    }
    // Reading goes on.
    assert_eq!(desk.json("info m.safetensors")["patterns"], 3);
    let waiting =
        desk.command("forget m.safetensors --id 0 --wait 600 --json").stdout(Stdio::piped()).spawn();
    std::thread::sleep(Duration::from_millis(100));
    drop(ledger);
    let out = waiting.unwrap().wait_with_output().unwrap();
    assert!(out.status.success());
    assert_eq!(desk.json("info m.safetensors")["patterns"], 2);
    for wrong in ["-1", "nan", "soon"] {
        desk.fails_with(&format!("forget m.safetensors --id 0 --wait {wrong}"), 2);
    }
}

fn integers(desk: &Desk, file: &str, name: &str) -> (Vec<u64>, Vec<usize>) {
    Source::open(desk.path(file)).unwrap().integers(&[name]).unwrap()
}

/// The entries of a ragged array, and the shape of where they end.
fn ragged(desk: &Desk, file: &str, name: &str) -> (Vec<String>, Vec<usize>) {
    let bytes: Vec<u8> = integers(desk, file, &format!("{name}_bytes")).0.iter().map(|b| *b as u8).collect();
    let (ends, shape) = integers(desk, file, &format!("{name}_ends"));
    let starts = [0].into_iter().chain(ends.iter().copied());
    let entry =
        |(from, to): (u64, &u64)| String::from_utf8(bytes[from as usize..*to as usize].to_vec()).unwrap();
    (starts.zip(&ends).map(entry).collect(), shape)
}

#[test]
fn a_store_of_strings_has_payloads() {
    let desk = desk();
    rows(&desk, "p.npy", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    rows(&desk, "q.npy", &[[0.1, 0.9, 0.1]]);
    fs::write(desk.path("ids.txt"), "red\ngrün\nblue\n").unwrap();
    fs::write(desk.path("payloads.jsonl"), "{\"a\": 1}\n[]\n\"x\"\n").unwrap();
    desk.done("create m.safetensors --patterns p.npy --ids ids.txt --payloads payloads.jsonl --beta 20 --precision f16");
    for out in ["o.npz", "o.safetensors"] {
        desk.done(&format!(
            "recall m.safetensors --queries q.npy --out {out} --top-k 4 --payloads --device cpu --quiet"
        ));
        let (ids, shape) = ragged(&desk, out, "ids");
        assert_eq!((&ids[0][..], &ids[3][..], shape), ("grün", "", vec![1, 4]));
        let payloads = ragged(&desk, out, "payloads").0;
        for (id, payload) in ids.iter().zip(&payloads) {
            let want = [("red", "{\"a\": 1}"), ("grün", "[]"), ("blue", "\"x\""), ("", "")];
            assert_eq!(want.iter().find(|w| w.0 == id).unwrap().1, payload);
        }
    }
    fs::write(desk.path("gone.json"), r#"["red", "black"]"#).unwrap();
    let text = desk.fails("forget m.safetensors --ids gone.json");
    assert!(text.contains("'black'") && !text.contains("'red'"), "{text}");
    assert!(desk.fails("add m.safetensors --patterns p.npy").contains("strings"));
    desk.done("forget m.safetensors --id red --id blue --quiet");
    assert_eq!(desk.json("info m.safetensors")["patterns"], 1);
    // What goes wrong is said with the file that it is about.
    fs::write(desk.path("bad.jsonl"), "{}\n{\n{}\n").unwrap();
    assert!(desk.fails("create n.safetensors --patterns p.npy --payloads bad.jsonl").contains("line 2"));
    fs::write(desk.path("two.txt"), "a\nb\n").unwrap();
    let text = desk.fails("create n.safetensors --patterns p.npy --ids two.txt");
    assert!(text.contains("two.txt") && text.contains("got 2, want 3"), "{text}");
    assert!(desk.fails("create m.safetensors --patterns p.npy").contains("there is a file of that name"));
    assert!(desk.fails("create n.npy --patterns p.npy").contains(".safetensors"));
    assert!(desk.fails("info p.npy").contains("p.npy"));
    assert!(!desk.path("n.safetensors").exists() && !desk.path("n.safetensors.lock").exists());
}

/// One long id and one long payload are written as often as they answer, and no answer takes the room of the longest.
#[test]
fn a_long_text_takes_its_own_room_alone() {
    let desk = desk();
    let (n, long) = (200, "x".repeat(1 << 20));
    let axis = |i: usize| [(i as f32).cos(), (i as f32).sin(), i as f32];
    rows(&desk, "p.npy", &(0..n).map(axis).collect::<Vec<_>>());
    let lines = |text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<Vec<_>>().join("\n");
    fs::write(desk.path("ids.txt"), lines(&|i| if i == 7 { long.clone() } else { format!("id {i}") }))
        .unwrap();
    fs::write(desk.path("payloads.txt"), lines(&|i| if i == 9 { long.clone() } else { format!("text {i}") }))
        .unwrap();
    desk.done(
        "create m.safetensors --patterns p.npy --ids ids.txt --payloads payloads.txt --beta 20 --quiet",
    );
    desk.done("recall m.safetensors --queries p.npy --out o.npz --top-k 1 --payloads --device cpu --quiet");
    let (ids, payloads) = (ragged(&desk, "o.npz", "ids").0, ragged(&desk, "o.npz", "payloads").0);
    for i in 0..n {
        assert_eq!(ids[i] == long, i == 7);
        assert_eq!(payloads[i] == long, i == 9);
    }
    assert_eq!((&ids[8][..], &payloads[8][..]), ("id 8", "text 8"));
    let bytes = fs::metadata(desk.path("o.npz")).unwrap().len();
    assert!(bytes < (2 << 20) + 40_000, "{bytes}");
}

/// Commands that read patterns see the store as it is: what was added and replaced, and nothing that was forgotten.
#[test]
fn every_command_reads_a_store_as_it_is_now() {
    let desk = desk();
    let old = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]];
    rows(&desk, "p.npy", &old);
    fs::write(desk.path("ids.txt"), "a\nb\nc\nd\n").unwrap();
    fs::write(desk.path("more.txt"), "b\ne\n").unwrap();
    let more = [[0.0, 3.0, 0.0], [2.0, 0.0, 2.0]];
    rows(&desk, "more.npy", &more);
    desk.done("create s.safetensors --patterns p.npy --ids ids.txt --quiet");
    desk.done("add s.safetensors --patterns more.npy --ids more.txt --replace --quiet");
    desk.done("forget s.safetensors --id c --quiet");
    // What is left, in the order in which it was stored, in a file of its own.
    rows(&desk, "now.npy", &[old[0], old[3], more[0], more[1]]);
    let names = ["a", "d", "b", "e"];
    rows(&desk, "q.npy", &[[0.1, 2.5, 0.0], [0.1, 0.0, 0.9]]);
    desk.save("mask.npy", &[4], ArrayData::Bool(&[true, false, false, true]));
    desk.save("w.npy", &[3, 3], ArrayData::F32(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    assert!(desk.path("s.safetensors.journal").exists());
    for (line, arrays) in [
        ("recall: --queries q.npy --beta 2 --steps 1 --out", &["state", "indices", "weights"][..]),
        ("recall: --queries q.npy --mask mask.npy --top-k 3 --out", &["state", "indices", "weights"]),
        ("recall: --queries q.npy --energy sparsemax --out", &["state", "indices", "weights"]),
        ("recall: --queries q.npy --memory kernelized --weights w.npy --unit --out", &["state", "indices"]),
        ("recall: --queries q.npy --memory random-features --features 40 --out", &["state"]),
        ("energy: --states q.npy --beta 2 --out", &["energy"]),
        ("features: encode --features 16 --beta 2 --out", &["memory", "sum"]),
        ("separate: --iterations 3 --out", &["weights"]),
    ] {
        for (file, out) in [("s.safetensors", "a"), ("now.npy", "b")] {
            let out = if line.starts_with("features") {
                format!("{out}.safetensors")
            } else {
                format!("{out}.npz")
            };
            desk.done(&format!("{line} {out} --patterns {file} --device cpu --quiet"));
        }
        let suffix = if line.starts_with("features") { "safetensors" } else { "npz" };
        for name in arrays {
            let of = |stem: &str| desk.values(&format!("{stem}.{suffix}"), name);
            assert_eq!(of("a"), of("b"), "{line}: {name}");
        }
        if arrays.contains(&"indices") {
            let best = integers(&desk, "a.npz", "indices").0;
            let ids = ragged(&desk, "a.npz", "ids").0;
            for (k, id) in best.iter().zip(&ids) {
                assert_eq!(names.get(*k as usize).unwrap_or(&""), id, "{line}");
            }
            assert!(Source::open(desk.path("b.npz")).unwrap().values(&["ids_ends"]).is_err());
        }
    }
    let why =
        |file: &str| desk.json(&format!("explain: --patterns {file} --queries q.npy --row 0 --device cpu"));
    let (of_store, of_file) = (why("s.safetensors"), why("now.npy"));
    assert_eq!((&of_store["verdict"], &of_store["pattern"]), (&of_file["verdict"], &of_file["pattern"]));
    assert_eq!((&of_store["pattern"], &of_store["id"], &of_file["id"]), (&2.into(), &"b".into(), &().into()));
    let text = desk.done("explain: --patterns s.safetensors --queries q.npy --device cpu");
    assert!(text.contains("pattern 2 has the id 'b'"), "{text}");
    let many: Vec<[f32; 3]> = (0..40).map(|i| [i as f32, (i * i % 17) as f32, 1.0]).collect();
    rows(&desk, "many.npy", &many);
    desk.done("create c.safetensors --patterns p.npy --quiet");
    desk.done("add c.safetensors --patterns many.npy --quiet");
    let n = |file: &str| {
        desk.json(&format!("capacity: --memory nearest --data {file} --n 4,44 --queries 20 --device cpu"))
    };
    assert!(n("c.safetensors")["points"].as_array().is_some_and(|points| !points.is_empty()));
    assert!(
        desk.fails("capacity: --memory nearest --data p.npy --n 4,44 --queries 20 --device cpu")
            .contains("44")
    );
    // A store as the patterns of another one.
    desk.done("create t.safetensors --patterns s.safetensors --quiet");
    assert_eq!(desk.json("info t.safetensors")["patterns"], 4);
}

#[test]
fn a_changed_byte_of_the_file_is_said() {
    let desk = desk();
    rows(&desk, "p.npy", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    desk.done("create m.safetensors --patterns p.npy --quiet");
    assert!(desk.done("info m.safetensors").contains("all checksums fit"));
    let mut file = fs::read(desk.path("m.safetensors")).unwrap();
    let at = file.len() - 12;
    file[at] ^= 1;
    fs::write(desk.path("m.safetensors"), file).unwrap();
    for line in [
        "info m.safetensors",
        "recall m.safetensors --queries p.npy --out o.npz --device cpu",
        "add m.safetensors --patterns p.npy",
        "forget m.safetensors --id 0",
        "compact m.safetensors",
        "recall: --patterns m.safetensors --queries p.npy --out o.npz --device cpu",
    ] {
        let text = desk.fails(line);
        assert!(
            text.contains("m.safetensors") && text.contains("do not fit their checksum"),
            "{line}: {text}"
        );
    }
    assert!(!desk.path("o.npz").exists() && !desk.path("m.safetensors.journal").exists());
}

#[test]
fn a_long_journal_stays_where_that_is_wanted() {
    let desk = desk();
    let many: Vec<[f32; 3]> = (0..60_000).map(|i| [i as f32, 1.0, 0.5]).collect();
    rows(&desk, "one.npy", &many[..1]);
    rows(&desk, "many.npy", &many);
    desk.done("create m.safetensors --patterns one.npy --quiet");
    desk.done("add m.safetensors --patterns many.npy --no-compact --quiet");
    let info = desk.json("info m.safetensors");
    assert!(info["generation"] == 1 && info["journal_bytes"].as_u64().unwrap() > 1 << 20, "{info}");
    desk.done("forget m.safetensors --id 5 --no-compact --quiet");
    assert_eq!(desk.json("info m.safetensors")["generation"], 1);
    desk.done("forget m.safetensors --id 6 --quiet");
    let info = desk.json("info m.safetensors");
    assert_eq!(
        (&info["generation"], &info["journal_bytes"], &info["patterns"]),
        (&2.into(), &0.into(), &59_999.into())
    );
}

/// What a store of numbers should have: the version of each id's pattern.
type Model = BTreeMap<u64, u64>;

const DIM: usize = 256;

/// The pattern of an id in a version, and its payload.
fn row(id: u64, version: u64) -> Vec<f32> {
    let mut row = vec![(id * 31 + version * 7) as f32; DIM];
    (row[0], row[DIM - 1]) = (id as f32, version as f32);
    row
}

fn payload(id: u64, version: u64) -> String {
    format!("{id} in version {version}")
}

fn is_what_it_should_be(ledger: &Ledger, model: &Model) -> bool {
    ledger.len() == model.len()
        && model.iter().all(|(id, version)| {
            ledger.get(&Id::from(*id)).unwrap().is_some_and(|entry| {
                entry.pattern == row(*id, *version) && entry.payload == payload(*id, *version).into_bytes()
            })
        })
}

/// The command is killed at 200 moments of changes and rewrites: what is there afterwards is the store before or after,
/// and after where the command had said that it was done.
#[test]
fn killed_at_any_moment_it_is_the_store_before_or_after() {
    const KILLS: u32 = 200;
    let desk = desk();
    let path = desk.path("m.safetensors");
    let files = |ids: &[u64], version: u64| {
        let rows: Vec<f32> = ids.iter().flat_map(|id| row(*id, version)).collect();
        let data = ArrayData::F32(&rows);
        write(desk.path("p.npy"), &[Array { name: "patterns", shape: vec![ids.len(), DIM], data }]).unwrap();
        numbers(&desk, "ids.npy", ids);
        let lines: Vec<String> = ids.iter().map(|id| payload(*id, version)).collect();
        fs::write(desk.path("payloads.txt"), lines.join("\n")).unwrap();
    };
    let first: Vec<u64> = (0..400).collect();
    files(&first, 0);
    desk.done("create m.safetensors --patterns p.npy --ids ids.npy --payloads payloads.txt");
    let mut model: Model = first.iter().map(|id| (*id, 0)).collect();
    let mut next = 400;
    // How long to wait at most before each kind of operation is killed.
    let mut takes = [Duration::from_millis(60); 5];
    let (mut before, mut after, mut acknowledged) = (0, 0, 0);
    let mut kills = 0;
    let mut generations = BTreeSet::new();
    while kills < KILLS {
        let kind = kills as usize % 5;
        let mut wanted = model.clone();
        let version = u64::from(kills) + 1;
        let line = match kind {
            // Few, or so many that the command writes the file anew when it has added them.
            0 | 4 => {
                let count = if kind == 0 { 80 } else { 1100 };
                let ids: Vec<u64> = (next..next + count).collect();
                next += count;
                files(&ids, version);
                wanted.extend(ids.iter().map(|id| (*id, version)));
                "add m.safetensors --patterns p.npy --ids ids.npy --payloads payloads.txt --quiet"
            }
            1 => {
                let ids: Vec<u64> = model
                    .keys()
                    .skip(model.len() % 7)
                    .step_by(if model.len() > 1000 { 1 } else { 9 })
                    .copied()
                    .collect();
                numbers(&desk, "ids.npy", &ids);
                wanted.retain(|id, _| ids.binary_search(id).is_err());
                "forget m.safetensors --ids ids.npy --quiet"
            }
            2 => {
                let ids: Vec<u64> = model.keys().skip(3).step_by(7).copied().collect();
                files(&ids, version);
                wanted.extend(ids.iter().map(|id| (*id, version)));
                "add m.safetensors --patterns p.npy --ids ids.npy --payloads payloads.txt --replace --quiet"
            }
            _ => "compact m.safetensors --quiet",
        };
        let mut child = desk.command(line).stderr(Stdio::piped()).spawn().unwrap();
        // From the start to beyond the end, in an order that jumps about.
        let share = f64::from(kills * 61 % KILLS) / f64::from(KILLS);
        std::thread::sleep(takes[kind].mul_f64(share));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let out = child.wait_with_output().unwrap();
        let done = ended.is_some_and(|status| status.success());
        assert!(ended.is_none() || done, "{line}: {}", String::from_utf8_lossy(&out.stderr));
        // So that a good third of them get to their end.
        takes[kind] = takes[kind].mul_f64(if done { 0.85 } else { 1.1 });
        let ledger = Ledger::open_read_only(&path).unwrap();
        generations.insert(ledger.info().generation);
        if is_what_it_should_be(&ledger, &wanted) {
            // Compacting leaves the content as it is.
            after += u32::from(wanted != model);
            acknowledged += u32::from(done);
            model = wanted;
        } else {
            assert!(is_what_it_should_be(&ledger, &model), "{line}, killed at {kills}: neither old nor new");
            assert!(!done, "{line}: done, and not there");
            before += 1;
        }
        kills += 1;
    }
    println!(
        "{before} times the store before, {after} times the one after; {acknowledged} acknowledged, {} files written",
        generations.len()
    );
    assert!(before > 20 && after > 20 && generations.len() > 10, "not killed in the midst");
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.compact().unwrap();
    assert!(is_what_it_should_be(&ledger, &model));
    // Nothing of the killed ones is left.
    let mut names: Vec<String> = fs::read_dir(desk.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("m.safetensors") || name.starts_with('.'))
        .collect();
    names.sort();
    assert_eq!(names, ["m.safetensors", "m.safetensors.lock"]);
}

/// Results never take the place of a store, under any of its names.
#[test]
fn a_store_is_not_overwritten_by_results() {
    let desk = Desk::new(&[], &[]);
    desk.save("p.npy", &[2, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0]));
    desk.done("store create m.safetensors --patterns p.npy");
    let before = fs::read(desk.path("m.safetensors")).unwrap();
    for line in [
        "store recall m.safetensors --queries p.npy --out m.safetensors --device cpu",
        "recall --patterns p.npy --queries p.npy --out m.safetensors --device cpu",
    ] {
        let text = desk.fails(line);
        assert!(text.contains("there is a store in this file"), "{text}");
    }
    assert_eq!(fs::read(desk.path("m.safetensors")).unwrap(), before);
}
