//! The oracle answers to tests alone: what is held against it must not be made with it. Read off the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rust files of a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
}

/// What a file is compiled to outside of tests, without comments.
fn production(source: &str) -> String {
    let parts = source.split("#[cfg(test)]\n").enumerate();
    // A module of tests ends at a brace in the first column.
    let code = parts.map(|(i, part)| match i {
        0 => part,
        _ => part.split_once("\n}\n").map_or("", |(_, rest)| rest),
    });
    let lines = code.flat_map(str::lines).filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether code names the module, in a path or in a `use` of several.
fn names_the_oracle(code: &str) -> bool {
    let uses = code.split(';').filter_map(|item| {
        let at = item.rfind("use crate::").or_else(|| item.rfind("use attractor::"))?;
        Some(&item[at..])
    });
    let word = |item: &str| item.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "reference");
    code.contains("reference::") || uses.into_iter().any(word)
}

#[test]
fn production_takes_nothing_from_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(&root.join("src"), &mut all);
    files(&root.join("cli/src"), &mut all);
    let own = root.join("src/reference");
    let found: Vec<_> = all
        .iter()
        .filter(|path| !path.starts_with(&own))
        .filter(|path| names_the_oracle(&production(&fs::read_to_string(path).unwrap())))
        .collect();
    assert!(all.len() > 300 && found.is_empty(), "uses the oracle: {found:?}");
}

#[test]
fn uses_are_seen() {
    for code in [
        "use crate::{ops, reference};",
        "use crate::{\n    ops::A,\n    reference::{self, B},\n};",
        "let x = crate::reference::philox([0; 4], 0);",
        "use attractor::reference::Matrix;",
    ] {
        assert!(names_the_oracle(&production(code)), "{code}");
    }
    for code in [
        "struct Found { reference: f64 }",
        "/// See [`crate::reference::philox`].\nfn f() {}",
        "pub mod reference;",
        "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::reference::Matrix;\n}\n",
    ] {
        assert!(!names_the_oracle(&production(code)), "{code}");
    }
}
