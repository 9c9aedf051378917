//! Modules use what lies below them: read off the sources, and held against the floors that `docs/architecture.md` prints.

use crate::sources::{production, root, sources};
use std::{collections::BTreeMap, fs};

/// What the root of the library hands on, and the module that has it.
const ROOT: [(&str, &str); 13] = [
    ("Bits", "tensor"),
    ("Device", "device"),
    ("DeviceName", "device"),
    ("Element", "rows"),
    ("Error", "error"),
    ("Matrix", "matrix"),
    ("Precision", "precision"),
    ("Result", "error"),
    ("Rows", "rows"),
    ("SharedRows", "rows"),
    ("Short", "short"),
    ("Tensor", "tensor"),
    ("ToRows", "rows"),
];

/// The floor of each module, the lowest is 0: a line of the block `floors` each, the highest first.
fn floors() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let block = text.split("```floors\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = block.lines().rev().enumerate();
    lines
        .flat_map(|(floor, line)| line.split_whitespace().map(move |name| (name.to_owned(), floor)))
        .collect()
}

/// The first names of a tree of imports, or of a path.
fn first_names(tree: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(inner) = tree.strip_prefix('{') else { return vec![name(tree)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(name(&inner[start..i]));
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Names at the root of the library that code of a module `depth` levels deep mentions.
fn mentioned(code: &str, depth: usize) -> Vec<String> {
    let from_root = ["crate::".to_owned(), "super::".repeat(depth)];
    let mentions = |prefix: &String| -> Vec<String> {
        let begins = code
            .match_indices(prefix.as_str())
            .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)));
        begins.flat_map(|(at, _)| first_names(&code[at + prefix.len()..])).collect()
    };
    from_root.iter().flat_map(mentions).collect()
}

#[test]
fn modules_use_what_lies_below_them() {
    let floors = floors();
    let (mut faults, mut uses) = (Vec::new(), 0);
    for (name, text) in sources("src") {
        let parts: Vec<_> = name.split('/').skip(1).collect();
        let module = parts[0].trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let Some(own) = floors.get(module) else {
            faults.push(format!("{module} stands on no floor of docs/architecture.md"));
            continue;
        };
        let depth = parts.len() - usize::from(parts.ends_with(&["mod.rs"]));
        for item in mentioned(&production(&text), depth) {
            let used = ROOT.iter().find(|(known, _)| *known == item).map_or(&*item, |(_, module)| module);
            if used == module {
                continue;
            }
            uses += 1;
            match floors.get(used) {
                Some(floor) if floor < own => {}
                Some(_) => faults.push(format!("{name}: {module} uses {used}")),
                // `super` of a module within a file is the file.
                None if text.contains("    use super::") => {}
                None => faults.push(format!("{name}: {used} stands on no floor")),
            }
        }
    }
    assert!(uses > 500, "{uses}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn names_are_found_wherever_a_path_begins_at_the_root() {
    let code = "use crate::{\n    Error, cpu::{self, topk}, ops,\n};\nuse crate::gpu::Matrix;\nlet x = crate::io::write(super::super::rows);\n";
    let mut names = mentioned(code, 2);
    names.sort_unstable();
    assert_eq!(names, ["Error", "cpu", "gpu", "io", "ops", "rows"]);
    assert!(mentioned("use super::super::rows;", 3).is_empty());
}
