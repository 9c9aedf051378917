//! The table of `docs/environment.md` against the sources: every variable that is read is in it, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust sources of the workspace, with their paths.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = ["src", "cli", "tests", "xtask", "isa", "benches", "examples", "fuzz"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "corpus" {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(all.len() > 200, "{} sources", all.len());
    all
}

/// Whether a text looks like the name of a variable.
fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.len() > 2
        && !text.ends_with('_')
        && text.chars().all(letters)
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
}

/// The texts between quotes in a source.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

/// The variables of the table: the first column, between backquotes; some names stand for all that begin so (`VK_*`).
fn table() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/environment.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn is_listed(table: &BTreeSet<String>, name: &str) -> bool {
    table.contains(name)
        || table.iter().filter_map(|entry| entry.strip_suffix('*')).any(|start| name.starts_with(start))
}

#[test]
fn every_variable_that_is_read_is_in_the_table() {
    let table = table();
    assert!(table.len() > 30, "{table:?}");
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    for (path, source) in sources() {
        // A name goes to `var`, `var_os` and the like as it is, or by way of a constant, a list or an argument: in a source that
        // reads variables each quoted name counts. Names of this project count everywhere.
        let reads = ["env::var", "env::set_var", "env::remove_var", "var_os("]
            .iter()
            .any(|call| source.contains(call));
        for name in quoted(&source).filter(|name| is_name(name)) {
            if name.starts_with("ATTRACTOR_") || (reads && name.contains('_')) || name == "HOME" {
                read.entry(name.to_owned()).or_insert_with(|| path.clone());
            }
        }
    }
    assert!(read.contains_key("ATTRACTOR_CACHE") && read.contains_key("XDG_RUNTIME_DIR"), "{read:?}");
    let missing: Vec<_> = read.iter().filter(|(name, _)| !is_listed(&table, name)).collect();
    assert!(missing.is_empty(), "not in docs/environment.md: {missing:#?}");
    // And nothing is promised that no one reads any more.
    let gone: Vec<_> =
        table.iter().filter(|name| name.starts_with("ATTRACTOR_") && !read.contains_key(*name)).collect();
    assert!(gone.is_empty(), "in docs/environment.md, and not read: {gone:?}");
}

/// Names made at run time cannot be found in a source: each call has its name there, or in the same source.
#[test]
fn no_variable_has_a_name_that_is_put_together() {
    for (path, source) in sources() {
        for call in ["env::var(", "env::var_os("] {
            for (at, _) in source.match_indices(call) {
                let argument = source[at + call.len()..].trim_start();
                assert!(!argument.starts_with("format!") && !argument.starts_with("&format!"), "{path}");
            }
        }
    }
}

#[test]
fn variables_are_documented_where_users_look() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("docs/environment.md"));
    let table = table();
    for name in ["ATTRACTOR_THREADS", "ATTRACTOR_LOG", "RUST_LOG", "RAYON_NUM_THREADS", "LP_NUM_THREADS"] {
        assert!(table.contains(name), "{name}");
    }
}
