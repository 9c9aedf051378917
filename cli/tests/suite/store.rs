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
    desk.done("recall m.safetensors --queries q.npy --out o.npz --among among.npy --device cpu --quiet");
    assert_eq!(
        Source::open(desk.path("o.npz")).unwrap().integers(&["ids"]).unwrap(),
        (vec![7, 7], vec![2, 1])
    );
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
    assert!(desk.fails("forget m.safetensors --id 0").contains("another program is writing"));
    // Reading goes on.
    assert_eq!(desk.json("info m.safetensors")["patterns"], 3);
}

#[test]
fn a_store_of_strings_has_payloads() {
    let desk = desk();
    rows(&desk, "p.npy", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    rows(&desk, "q.npy", &[[0.1, 0.9, 0.1]]);
    fs::write(desk.path("ids.txt"), "red\ngrün\nblue\n").unwrap();
    fs::write(desk.path("payloads.jsonl"), "{\"a\": 1}\n[]\n\"x\"\n").unwrap();
    desk.done("create m.safetensors --patterns p.npy --ids ids.txt --payloads payloads.jsonl --beta 20 --precision f16");
    desk.done("recall m.safetensors --queries q.npy --out o.npz --top-k 1 --payloads --device cpu");
    let bytes = |name: &str| -> Vec<u8> {
        read(desk.path("o.npz"), name).as_slice().iter().map(|v| *v as u8).collect()
    };
    assert_eq!((bytes("ids"), bytes("payloads")), ("grün".as_bytes().to_vec(), b"[]".to_vec()));
    assert_eq!(
        Source::open(desk.path("o.npz")).unwrap().integers(&["payload_lengths"]).unwrap(),
        (vec![2], vec![1, 1])
    );
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
