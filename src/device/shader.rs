//! Shaders from templates.
//!
//! A template is WGSL with three directives, each alone on a line, and one within lines:
//!
//! - `#import NAME`: a fragment of `shaders/shared/`, once per shader. Its header states what it needs
//!   and what it gives.
//! - `#if NAME` / `#else` / `#endif`.
//! - `#for NAME in A..B` / `#endfor`: unrolled, since register tiles need named variables (WGSL cannot
//!   size private arrays by constants).
//! - `${EXPRESSION}`: whole numbers, names of constants and loop variables, `+ - * / %` with the usual
//!   precedence, and parentheses.
//!
//! `shaders/permutations` lists each variant with its constants.

mod expression;

use crate::{Error, Result};
use std::{collections::BTreeMap, sync::OnceLock};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*]
    };
}

/// Every template and fragment.
const SOURCES: &[(&str, &str)] = sources![
    "accumulate",
    "append_row",
    "bank_bits",
    "divergence",
    "elementwise",
    "energy",
    "features",
    "features_fused",
    "features_sums",
    "finish",
    "flip_weights",
    "frequencies",
    "hadamard",
    "matmul_direct",
    "matmul_tiled",
    "merge",
    "multiply_adds",
    "normalize",
    "overlaps",
    "pairs",
    "reduce",
    "reduce_columns",
    "rescore",
    "scan",
    "separate",
    "signed_sum",
    "softmax",
    "start",
    "step_few",
    "step_fused",
    "sweep",
    "terms",
    "top_k",
    "walk",
    "weights",
    "shared/common",
    "shared/exponential",
    "shared/feature_functions",
    "shared/feature_parameters",
    "shared/ln",
    "shared/load_b",
    "shared/normals",
    "shared/numbers",
    "shared/overlap_table",
    "shared/parameters",
    "shared/philox",
    "shared/query",
    "shared/row_reduce",
    "shared/rows_main",
    "shared/store",
    "shared/tile",
    "shared/tile_head",
    "shared/tile_parameters",
    "shared/tile_scores",
    "shared/tile_sums",
    "shared/turns",
    "shared/vec4_head",
    "shared/zero_padding",
];

const PERMUTATIONS: &str = include_str!("../../shaders/permutations");

/// A shader variant: its template and constants.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The variant's name.
    pub name: String,
    template: String,
    constants: BTreeMap<String, i64>,
}

/// All variants, by name.
///
/// # Errors
/// [`Error::Shader`] where the table is malformed.
pub fn variants() -> Result<&'static BTreeMap<String, Variant>> {
    static ALL: OnceLock<std::result::Result<BTreeMap<String, Variant>, (usize, String)>> = OnceLock::new();
    ALL.get_or_init(|| parse_permutations(PERMUTATIONS)).as_ref().map_err(|(line, message)| Error::Shader {
        file: "permutations".into(),
        line: *line,
        message: message.clone(),
    })
}

fn parse_permutations(text: &str) -> std::result::Result<BTreeMap<String, Variant>, (usize, String)> {
    let mut all = BTreeMap::new();
    for (number, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let (name, rest) =
            line.split_once(':').ok_or((number, "want `name: template CONSTANT=value ...`".into()))?;
        let mut words = rest.split_whitespace();
        let template = words.next().ok_or((number, "no template".to_owned()))?.to_owned();
        let mut constants = BTreeMap::new();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, "1"));
            let value = value.parse().map_err(|_| (number, format!("'{value}' is no whole number")))?;
            constants.insert(key.to_owned(), value);
        }
        let variant = Variant { name: name.trim().to_owned(), template, constants };
        if let Some(twice) = all.insert(variant.name.clone(), variant) {
            return Err((number, format!("variant {} stands twice", twice.name)));
        }
    }
    Ok(all)
}

impl Variant {
    /// The WGSL of this variant for any adapter.
    ///
    /// # Errors
    /// [`Error::Shader`] with file and line of a directive that is wrong.
    pub fn source(&self) -> Result<String> {
        self.source_for(Extras::default())
    }

    /// Name of the template that it is made of.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    /// A constant that the variant is made with.
    pub(crate) fn constant(&self, name: &str) -> Option<usize> {
        self.constants.get(name).and_then(|value| usize::try_from(*value).ok())
    }

    /// The WGSL of this variant for an adapter that offers these extras.
    ///
    /// # Errors
    /// As [`Variant::source`].
    pub fn source_for(&self, extras: Extras) -> Result<String> {
        let mut constants = self.constants.clone();
        let mut set = |name: &str, yes: bool| {
            constants.insert(name.to_owned(), i64::from(yes));
        };
        set("IMMEDIATES", extras.immediates);
        set("SUBGROUPS", extras.subgroups);
        set("NATIVE_F16", extras.native_f16);
        // Where a workgroup works on one row, its subgroups do so too.
        let one_row = self.constants.get("LANES_OF_ROW").is_none_or(|lanes| *lanes == 64);
        set("WHOLE_SUBGROUPS", extras.subgroups && one_row);
        // Eight rows, one for each invocation of a subgroup.
        set("OCTETS", extras.octets && self.constants.get("ROWS") == Some(&8));
        let enable = extras.native_f16 && self.constants.contains_key("F16");
        let out = if enable { "enable f16;\n".to_owned() } else { String::new() };
        let mut expansion = Expansion { constants, imported: Vec::new(), out };
        expansion.file(&self.template)?;
        Ok(expansion.out)
    }
}

/// What some adapters offer beyond the core of WebGPU, and kernels make use of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Parameters travel with the command (push constants).
    pub immediates: bool,
    /// Invocations of a subgroup combine values without workgroup memory.
    pub subgroups: bool,
    /// A subgroup has eight invocations, always.
    pub octets: bool,
    /// f16 as a type of its own.
    pub native_f16: bool,
}

struct Expansion {
    constants: BTreeMap<String, i64>,
    imported: Vec<String>,
    out: String,
}

type Line<'a> = (usize, &'a str);

impl Expansion {
    fn file(&mut self, name: &str) -> Result<()> {
        if self.imported.iter().any(|i| i == name) {
            return Ok(());
        }
        self.imported.push(name.to_owned());
        let source = SOURCES.iter().find(|(n, _)| *n == name).ok_or_else(|| Error::Shader {
            file: name.to_owned(),
            line: 0,
            message: "there is no such template".into(),
        })?;
        let lines: Vec<Line<'_>> = source.1.lines().enumerate().map(|(i, l)| (i + 1, l)).collect();
        self.block(name, &lines)
    }

    fn block(&mut self, file: &str, lines: &[Line<'_>]) -> Result<()> {
        let fail = |line: usize, message: String| Error::Shader { file: file.to_owned(), line, message };
        let mut at = 0;
        while at < lines.len() {
            let (number, line) = lines[at];
            let mut words = line.split_whitespace();
            match words.next() {
                Some("#import") => {
                    let name = words.next().ok_or_else(|| fail(number, "#import needs a name".into()))?;
                    self.file(&format!("shared/{name}"))?;
                }
                Some("#if") => {
                    let name = words.next().ok_or_else(|| fail(number, "#if needs a name".into()))?;
                    let (inner, otherwise, end) = self.conditional(lines, at).map_err(|m| fail(number, m))?;
                    let taken = self.constants.get(name).is_some_and(|v| *v != 0);
                    self.block(file, &lines[if taken { inner } else { otherwise }])?;
                    at = end;
                }
                Some("#for") => {
                    let (name, range) =
                        parse_for(line, |text| self.number(text)).map_err(|m| fail(number, m))?;
                    let end = matching(lines, at, "#for", "#endfor").map_err(|m| fail(number, m))?;
                    let outer = self.constants.get(&name).copied();
                    for value in range {
                        self.constants.insert(name.clone(), value);
                        self.block(file, &lines[at + 1..end])?;
                    }
                    match outer {
                        Some(value) => self.constants.insert(name, value),
                        None => self.constants.remove(&name),
                    };
                    at = end;
                }
                Some(word) if word.starts_with('#') => {
                    return Err(fail(number, format!("{word} is no directive here")));
                }
                _ => {
                    let text = self.substitute(line).map_err(|m| fail(number, m))?;
                    self.out.push_str(&text);
                    self.out.push('\n');
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// Ranges of lines for `#if` and `#else`, and where `#endif` is.
    #[allow(clippy::type_complexity, reason = "three places in one list of lines")]
    fn conditional(
        &self,
        lines: &[Line<'_>],
        at: usize,
    ) -> std::result::Result<(std::ops::Range<usize>, std::ops::Range<usize>, usize), String> {
        let end = matching(lines, at, "#if", "#endif")?;
        let mut depth = 0;
        for (i, (_, line)) in lines.iter().enumerate().take(end).skip(at + 1) {
            match line.split_whitespace().next() {
                Some("#if") => depth += 1,
                Some("#endif") => depth -= 1,
                Some("#else") if depth == 0 => return Ok((at + 1..i, i + 1..end, end)),
                _ => {}
            }
        }
        Ok((at + 1..end, end..end, end))
    }

    fn number(&self, text: &str) -> std::result::Result<i64, String> {
        expression::value(text, |name| self.constants.get(name).copied())
    }

    fn substitute(&self, line: &str) -> std::result::Result<String, String> {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            let (expression, tail) = after.split_once('}').ok_or("${ without }")?;
            out.push_str(before);
            out.push_str(&self.number(expression)?.to_string());
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Parses `#for NAME in A..B`.
fn parse_for(
    line: &str,
    number: impl Fn(&str) -> std::result::Result<i64, String>,
) -> std::result::Result<(String, std::ops::Range<i64>), String> {
    let parts = || {
        let (name, range) = line.trim().strip_prefix("#for")?.split_once(" in ")?;
        Some((name.trim().to_owned(), range.split_once("..")?))
    };
    let (name, (from, to)) = parts().ok_or("want `#for NAME in A..B`")?;
    Ok((name, number(from)?..number(to)?))
}

/// Where the directive that closes the one at `at` is.
fn matching(lines: &[Line<'_>], at: usize, open: &str, close: &str) -> std::result::Result<usize, String> {
    let mut depth = 0;
    for (i, (_, line)) in lines.iter().enumerate().skip(at) {
        let word = line.split_whitespace().next();
        if word == Some(open) {
            depth += 1;
        } else if word == Some(close) {
            depth -= 1;
            if depth == 0 {
                return Ok(i);
            }
        }
    }
    Err(format!("{open} without {close}"))
}

/// For each storage binding of a shader in order: whether it is written.
pub(crate) fn storage_bindings(source: &str) -> Vec<bool> {
    source.lines().filter(|l| l.contains("var<storage")).map(|l| l.contains("read_write")).collect()
}

/// Bytes of workgroup memory of a shader, each variable rounded up to 16. It reads the types that the kernels have.
///
/// ```
/// use attractor::gpu::shader::workgroup_bytes;
/// assert_eq!(workgroup_bytes("var<workgroup> tile: array<vec4<f32>, 10>;"), 160);
/// ```
pub fn workgroup_bytes(source: &str) -> u32 {
    let bytes = |line: &str| -> Option<u32> {
        let ty = line.strip_prefix("var<workgroup>")?.split_once(':')?.1.trim().trim_end_matches(';');
        let (element, count) = match ty.strip_prefix("array<") {
            Some(array) => array.trim_end_matches('>').rsplit_once(',')?,
            None => (ty, "1"),
        };
        let element = match element {
            "vec4<f32>" => 16,
            "Entry" => 8,
            _ => 4,
        };
        Some((element * count.trim().parse::<u32>().ok()?).next_multiple_of(16))
    };
    source.lines().filter_map(bytes).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn expand(template: &str, constants: &[(&str, i64)]) -> Result<String> {
        let constants = constants.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        let mut expansion = Expansion { constants, imported: Vec::new(), out: String::new() };
        let lines: Vec<Line<'_>> = template.lines().enumerate().map(|(i, l)| (i + 1, l)).collect();
        expansion.block("test", &lines)?;
        Ok(expansion.out)
    }

    #[test]
    fn directives_nest() {
        let template = "#for i in 0..N\n#if A\na${i}\n#else\nb${i}\n#endif\n#endfor\nend";
        assert_eq!(expand(template, &[("N", 2), ("A", 1)]).unwrap(), "a0\na1\nend\n");
        assert_eq!(expand(template, &[("N", 1)]).unwrap(), "b0\nend\n");
        assert_eq!(expand("${1+N*4/3} ${(N-1)%3}", &[("N", 5)]).unwrap(), "7 1\n");
        assert_eq!(expand("#for i in N-1..2 * (N - 1)\n${i}\n#endfor", &[("N", 3)]).unwrap(), "2\n3\n");
    }

    #[test]
    fn faults_name_file_and_line() {
        for (template, message) in [
            ("x\n#if A", "shader test, line 2: #if without #endif"),
            ("${N}", "shader test, line 1: N: no constant N"),
            ("\n${4*(N-1)}", "shader test, line 2: 4*(N-1): no constant N"),
            ("${1/0}", "shader test, line 1: 1/0: 1 / 0 has no value"),
            ("#for i in 0..(2\n#endfor", "shader test, line 1: (2: a ) is missing"),
            ("#for i 0..2\n#endfor", "shader test, line 1: want `#for NAME in A..B`"),
            ("#endif", "shader test, line 1: #endif is no directive here"),
        ] {
            assert_eq!(expand(template, &[]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn every_variant_expands() {
        for variant in variants().unwrap().values() {
            let source = variant.source().unwrap();
            assert!(!storage_bindings(&source).is_empty(), "{}", variant.name);
        }
    }

    #[test]
    fn fragments_are_used_and_say_what_they_need_and_give() {
        for (name, source) in SOURCES {
            let Some(fragment) = name.strip_prefix("shared/") else { continue };
            let header = source.lines().map(str::trim_start).take_while(|line| line.starts_with("//"));
            for part in ["// Needs: ", "// Gives: "] {
                assert_eq!(header.clone().filter(|line| line.starts_with(part)).count(), 1, "{name}: {part}");
            }
            let import = format!("#import {fragment}");
            assert!(SOURCES.iter().any(|(_, s)| s.lines().any(|line| line == import)), "{name}");
        }
    }
}
