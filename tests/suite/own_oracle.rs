//! The oracle answers to tests alone: what is held against it must not be made with it. Read off the sources.

use crate::sources::{production, sources};

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
    let all = [sources("src"), sources("cli/src")].concat();
    let found: Vec<_> = all
        .iter()
        .filter(|(name, text)| !name.starts_with("src/reference/") && names_the_oracle(&production(text)))
        .map(|(name, _)| name)
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
