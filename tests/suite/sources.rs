//! The project's own sources, for tests that read rules off them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder of the whole project.
pub(crate) fn root() -> PathBuf {
    // Not the path compiled in, which is another checkout's where they share a target folder.
    let tests = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    tests.parent().unwrap().to_owned()
}

/// Rust sources below a folder of the project: their names from the root, and their texts.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            let name: Vec<_> =
                path.strip_prefix(root()).unwrap().iter().map(|part| part.to_string_lossy()).collect();
            found.push((name.join("/"), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Where the tests of a source begin, which end it.
fn tests_begin(text: &str) -> usize {
    let begins = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at);
    let is_module = |at: &usize| {
        text[*at..].lines().skip(1).take(2).any(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    begins.into_iter().find(is_module).unwrap_or(text.len())
}

/// The tests of a source.
pub(crate) fn tests_within(text: &str) -> &str {
    &text[tests_begin(text)..]
}

/// What a source is compiled to outside of tests, without comments; nothing where it has tests alone.
pub(crate) fn production(text: &str) -> String {
    let code = text[..tests_begin(text)].lines().map(|line| line.split("//").next().unwrap());
    let code = code.collect::<Vec<_>>().join("\n");
    if code.contains("#[test]") { String::new() } else { code }
}

#[test]
fn tests_are_told_from_the_rest() {
    let text = "use a; // b\n#[cfg(test)]\nmod other;\nfn c() {}\n#[cfg(test)]\n#[allow(d)]\nmod tests {\n    use e;\n}\n";
    assert_eq!(production(text), "use a; \n#[cfg(test)]\nmod other;\nfn c() {}");
    assert!(tests_within(text).starts_with("#[cfg(test)]\n#[allow(d)]"));
    assert_eq!((tests_within("use a;"), production("#[test]\nfn f() {}")), ("", String::new()));
}
