//! Several processes that tune one device at once, into one cache.

use super::{super::desk::Desk, names};
use std::{fs, process::Stdio};

fn desk() -> Option<Desk> {
    let desk = Desk::new(&["tune"], &["--device", "software", "--json"]);
    let out = desk.command("devices: ").output().unwrap();
    let found = desk.command("bench: --op matmul --job 4,4,4 --repeat 1").output().unwrap().status.success();
    let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
    assert!(found || !required, "ATTRACTOR_REQUIRE_GPU=1, but: {}", String::from_utf8_lossy(&out.stdout));
    if !found {
        eprintln!("skipping: there is no GPU to tune");
    }
    found.then_some(desk)
}

#[test]
fn processes_that_tune_at_once_lose_nothing() {
    let Some(desk) = desk() else { return };
    // Jobs of classes that differ, of four kinds each.
    let jobs = ["1,16,4", "1,64,4", "1,16,8", "4,64,8"];
    let start = |job: &&str| {
        let mut command = desk.command(&format!("tune: --job {job}"));
        command.env("ATTRACTOR_CACHE", desk.path("cache/new"));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = jobs.iter().map(start).collect();
    for child in running {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let there = names(&desk.path("cache/new"));
    let [drivers, lock, table] = &there[..] else { panic!("{there:?}") };
    assert_eq!((drivers.as_str(), lock.as_str()), ("drivers.tsv", "lock"));
    let text = desk.read(&format!("cache/new/{table}"));
    let classes: std::collections::BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!((classes.len(), text.lines().count()), (16, 18), "{text}");

    // Nonsense is said to be that, and goes.
    fs::write(desk.path(&format!("cache/new/{table}")), b"\xff\xfe\0step 1x1x4 f32\n\n").unwrap();
    let mut again = desk.command("tune: --job 1,16,4");
    let out = again.env("ATTRACTOR_CACHE", desk.path("cache/new")).output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success() && told.contains("are no timings") && told.lines().count() == 1, "{told}");
    assert_eq!(desk.read(&format!("cache/new/{table}")).lines().count(), 2 + 4);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_failure_with_all_figures() {
    let Some(desk) = desk() else { return };
    fs::write(desk.path("file"), "").unwrap();
    let mut command = desk.command("tune: --job 1,16,4");
    let out = command.env("ATTRACTOR_CACHE", desk.path("file/cache")).output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.contains("4 of 4 timings hold for this process alone"), "{told}");
    assert!(told.contains("file/cache") && told.lines().count() == 2, "{told}");
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((report["classes"].as_array().unwrap().len(), report["kept"].as_u64()), (4, Some(0)));
    assert!(report["classes"][0]["not_kept"].as_str().unwrap().contains("file/cache"));

    // Nor is there a place for it where nobody says so.
    let mut command = desk.command("tune: --job 1,16,4");
    for name in ["ATTRACTOR_CACHE", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
        command.env_remove(name);
    }
    let out = command.output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(1) && told.contains("ATTRACTOR_CACHE"), "{told}");
}
