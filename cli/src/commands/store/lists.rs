//! Files of ids and of payloads.

use crate::{
    failure::{Failure, Result},
    input,
};
use attractor::{
    io::split_array,
    store::{Id, IdKind},
};
use std::{fs, path::Path};

/// Ids from a file, of the kind of a store, or where that is yet to be made of what the file has.
pub(super) fn ids(path: &Path, kind: Option<IdKind>) -> Result<Vec<Id>> {
    let (file, _) = split_array(path);
    let suffix = file.extension().map(|suffix| suffix.to_string_lossy().to_ascii_lowercase());
    let failed = |problem: String| Failure::data(format!("{}: {problem}", path.display()));
    match suffix.as_deref() {
        Some("txt") => {
            let kind = kind.unwrap_or(IdKind::Name);
            let lines = lines(path)?;
            let id = |(i, line): (usize, &String)| {
                let at = |problem: String| failed(format!("line {}: {problem}", i + 1));
                match blank(line, i + 1 == lines.len()) {
                    Some(problem) => Err(at(problem.to_owned())),
                    None => Id::parse(line, kind).map_err(|error| at(error.to_string())),
                }
            };
            lines.iter().enumerate().map(id).collect()
        }
        Some("json") => {
            let values: Vec<serde_json::Value> = serde_json::from_str(&text(path)?)
                .map_err(|e| failed(format!("want a JSON list of ids: {e}")))?;
            let id = |value: &serde_json::Value| match (value.as_u64(), value.as_str()) {
                (Some(number), _) => Ok(Id::Number(number)),
                (_, Some(name)) => Ok(Id::Name(name.to_owned())),
                _ => Err(failed(format!("the id {value} is neither a whole number nor a string"))),
            };
            values.iter().map(id).collect()
        }
        _ => {
            let source = input::open_as_kept(path)?;
            let (ids, shape) = match source.texts(&["ids"])? {
                Some((names, shape)) => {
                    let kind = kind.unwrap_or(IdKind::Name);
                    let parsed =
                        |name: &String| Id::parse(name, kind).map_err(|error| failed(error.to_string()));
                    (names.iter().map(parsed).collect::<Result<Vec<_>>>()?, shape)
                }
                None => {
                    let (numbers, shape) = source.integers(&["ids"])?;
                    (numbers.into_iter().map(Id::Number).collect(), shape)
                }
            };
            if shape.iter().filter(|size| **size != 1).count() > 1 {
                return Err(failed(format!("the ids have shape {shape:?}; want [n]")));
            }
            Ok(ids)
        }
    }
}

/// Payloads from a file: its lines.
pub(super) fn payloads(path: &Path) -> Result<Vec<Vec<u8>>> {
    let lines = lines(path)?;
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("jsonl")) {
        for (i, line) in lines.iter().enumerate() {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(line) {
                let message = format!("{}: line {} is no JSON: {error}", path.display(), i + 1);
                return Err(Failure::data(message));
            }
        }
    }
    Ok(lines.into_iter().map(String::into_bytes).collect())
}

/// What is wrong with a line that is to be an id.
fn blank(line: &str, is_last: bool) -> Option<&'static str> {
    match (line.trim().is_empty(), is_last) {
        (false, _) if line.contains('\r') => {
            Some("there is a carriage return within it; end lines with a line feed, or with both")
        }
        (false, _) => None,
        (true, false) => Some("it is blank, and each line is an id; remove it"),
        (true, true) => Some(
            "it is blank, at the end of the file after the last line's own end, and each line is an id; remove it",
        ),
    }
}

/// The text of a file, without the mark of its byte order that some editors write.
fn text(path: &Path) -> Result<String> {
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::data(format!("{}: cannot read: {problem}", path.display()))
    };
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(failed(&"it is UTF-16; save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        failed(&format!("line {line} is no UTF-8; save it as UTF-8"))
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// The lines of a file, without their ends: a line feed, or a carriage return and a line feed.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = text(path)?;
    // The last line may end in a carriage return alone, where a file was cut off within its end.
    let of = |line: &str| line.strip_suffix('\r').unwrap_or(line).to_owned();
    Ok(text.lines().map(of).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn saved(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn read(content: &str) -> Result<Vec<String>> {
        let (_folder, path) = saved("ids.txt", content.as_bytes());
        Ok(ids(&path, None)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn marks_and_line_ends_are_no_part_of_ids() {
        for content in ["a\nb c\n", "a\nb c", "\u{feff}a\r\nb c\r\n", "\u{feff}a\nb c\r", "a\r\nb c\n"] {
            assert_eq!(read(content).unwrap(), ["a", "b c"], "{content:?}");
        }
        assert_eq!(read("").unwrap(), [""; 0]);
        assert_eq!(read("\u{feff}").unwrap(), [""; 0]);
        // Spaces within a line are an id's own.
        assert_eq!(read(" a \n").unwrap(), [" a "]);
        let (_folder, path) = saved("ids.json", "\u{feff}[7, 8]".as_bytes());
        assert_eq!(ids(&path, None).unwrap(), [Id::from(7), Id::from(8)]);
        let (_folder, path) = saved("p.jsonl", "\u{feff}{}\r\n[]\r\n".as_bytes());
        assert_eq!(payloads(&path).unwrap(), [b"{}".to_vec(), b"[]".to_vec()]);
        let (_folder, path) = saved("p.txt", "\u{feff}a\r\n\r\nb\r\n".as_bytes());
        assert_eq!(payloads(&path).unwrap(), [b"a".to_vec(), Vec::new(), b"b".to_vec()]);
    }

    #[test]
    fn blank_lines_are_refused_by_their_numbers() {
        for (content, want) in [
            ("\na\n", "line 1: it is blank, and"),
            ("a\n\nb\n", "line 2: it is blank, and"),
            ("a\r\n \t\r\nb\r\n", "line 2: it is blank, and"),
            ("a\nb\n\n", "line 3: it is blank, at the end of the file"),
            ("\n", "line 1: it is blank, at the end of the file"),
            ("a\nb\rc\n", "line 2: there is a carriage return within it"),
        ] {
            let message = read(content).unwrap_err().to_string();
            assert!(message.contains(want) && message.contains("ids.txt"), "{content:?}: {message}");
        }
        let (_folder, path) = saved("ids.txt", b"1\n\nx\n");
        assert!(ids(&path, Some(IdKind::Number)).unwrap_err().to_string().contains("line 2"));
        let (_folder, path) = saved("ids.txt", b"1\nx\n");
        let message = ids(&path, Some(IdKind::Number)).unwrap_err().to_string();
        assert!(message.contains("line 2: id is 'x'"), "{message}");
        for (content, want) in [(&b"\xff\xfea\0"[..], "UTF-16"), (b"a\n\xff\n", "line 2 is no UTF-8")] {
            let (_folder, path) = saved("ids.txt", content);
            let message = ids(&path, None).unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
