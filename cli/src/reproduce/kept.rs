//! Numbers that took long to compute, kept in a file as they come, so that an experiment goes on where it was stopped.

use crate::failure::{Failure, Result};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// Numbers by what they are: a line each, the name, a tab, the numbers.
pub(crate) struct Kept {
    path: PathBuf,
    file: RefCell<File>,
    known: BTreeMap<String, Vec<f64>>,
}

impl Kept {
    /// The numbers in a file, which is made where it is missing. `about` is its first line: what the numbers depend on. Those of
    /// anything else are refused.
    pub(crate) fn open(path: &Path, about: &str) -> Result<Self> {
        let failed =
            |action: &str, error| Failure::data(format!("{}: cannot {action}: {error}", path.display()));
        let head = format!("# {about}\n");
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read", error)),
        };
        if !text.is_empty() && !text.starts_with(&head) {
            let theirs: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
            return Err(Failure::data(format!(
                "{}: holds the numbers of \"{theirs}\", and this is \"# {about}\": name another folder, or remove it",
                path.display()
            )));
        }
        // A line that was cut off when the program was killed has no end.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let known = whole.lines().filter_map(parse).collect();
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(|error| failed("write", error))?;
        let prepared = file.set_len(whole.len() as u64).and_then(|()| {
            std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
            if whole.is_empty() { file.write_all(head.as_bytes()) } else { Ok(()) }
        });
        prepared.map_err(|error| failed("write", error))?;
        Ok(Self { path: path.to_owned(), file: RefCell::new(file), known })
    }

    /// The numbers of this name: from the file, or made and put there.
    pub(crate) fn numbers(&self, name: &str, make: impl FnOnce() -> Result<Vec<f64>>) -> Result<Vec<f64>> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let made = make()?;
        let words: Vec<String> = made.iter().map(f64::to_string).collect();
        let line = format!("{name}\t{}\n", words.join(" "));
        self.file
            .borrow_mut()
            .write_all(line.as_bytes())
            .map_err(|error| Failure::data(format!("{}: cannot write: {error}", self.path.display())))?;
        Ok(made)
    }
}

fn parse(line: &str) -> Option<(String, Vec<f64>)> {
    let (name, numbers) = line.split_once('\t')?;
    let numbers: Result<Vec<f64>, _> = numbers.split_whitespace().map(str::parse).collect();
    Some((name.to_owned(), numbers.ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_once_and_torn_lines_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.tsv");
        let third = vec![1.0 / 3.0, -0.0, 1e-300, f64::INFINITY];
        let kept = Kept::open(&path, "seed 1").unwrap();
        assert_eq!(kept.numbers("a b", || Ok(third.clone())).unwrap(), third);
        drop(kept);
        // As a program that is killed leaves it.
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += "c\t1 2";
        std::fs::write(&path, text).unwrap();
        let kept = Kept::open(&path, "seed 1").unwrap();
        assert_eq!(kept.numbers("a b", || Err(Failure::data("made twice"))).unwrap(), third);
        assert_eq!(kept.numbers("c", || Ok(vec![3.0])).unwrap(), [3.0]);
        drop(kept);
        let kept = Kept::open(&path, "seed 1").unwrap();
        assert_eq!(kept.numbers("c", || Err(Failure::data("made twice"))).unwrap(), [3.0]);
        let other = Kept::open(&path, "seed 2").err().unwrap().to_string();
        assert!(other.contains("seed 1") && other.contains("another folder"), "{other}");
    }
}
