//! Numbers that took long to compute, kept in a file as they come, so that an experiment goes on where it was stopped.

use crate::{
    failure::{Failure, Result},
    lines::Lines,
    stop,
};
use std::{cell::RefCell, collections::BTreeMap, path::Path};

/// Numbers by what they are: a line each, the name, a tab, the numbers.
pub(crate) struct Kept {
    file: RefCell<Lines>,
    known: BTreeMap<String, Vec<f64>>,
}

impl Kept {
    /// The numbers in a file, which is made where it is missing. `about` is its first line: what the numbers depend on. Those of
    /// anything else are refused.
    pub(crate) fn open(path: &Path, about: &str) -> Result<Self> {
        let head = format!("# {about}");
        let (mut file, known) = Lines::open(path, |whole, torn| {
            let theirs = match whole.lines().next() {
                None if head.as_bytes().starts_with(torn) => return Ok(None),
                Some(first) if first == head => return Ok(Some(whole.lines().filter_map(parse).collect())),
                Some(first) => first.to_owned(),
                None => String::from_utf8_lossy(torn).into_owned(),
            };
            let theirs: String = theirs.chars().take(200).collect();
            Err(Failure::data(format!(
                "{}: holds the numbers of \"{theirs}\", and this is \"{head}\": name another folder, or remove it",
                path.display()
            )))
        })?;
        if known.is_none() {
            file.add(&head)?;
        }
        Ok(Self { file: RefCell::new(file), known: known.unwrap_or_default() })
    }

    /// The numbers of this name: from the file, or made and put there.
    pub(crate) fn numbers(&self, name: &str, make: impl FnOnce() -> Result<Vec<f64>>) -> Result<Vec<f64>> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        stop::go_on()?;
        let made = make()?;
        let words: Vec<String> = made.iter().map(f64::to_string).collect();
        self.file.borrow_mut().add(&format!("{name}\t{}", words.join(" ")))?;
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
        drop(kept);
        let other = Kept::open(&path, "seed 2").err().unwrap().to_string();
        assert!(other.contains("seed 1") && other.contains("another folder"), "{other}");
    }

    /// A file of each version; its first line names the version of the program, and another one computes anew.
    #[test]
    fn kept_files_are_read() {
        let text = include_bytes!("../../../tests/fixtures/formats/kept-1.tsv");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.tsv");
        std::fs::write(&path, text).unwrap();
        let about = "attractor 0.1.0, uhop, seed 7, data bilder-é.npy, cpu";
        let file = Kept::open(&path, about).unwrap();
        let numbers = |name| file.numbers(name, || Err(Failure::data("not there"))).unwrap();
        assert_eq!(numbers("a of é"), [0.1 + 0.2, -0.0, 5e-324, f64::INFINITY]);
        assert!(numbers("b")[0].is_nan() && numbers("none").is_empty());
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), text);
        let later = Kept::open(&path, &about.replace("0.1.0", "0.2.0")).err().unwrap().to_string();
        assert!(later.contains("attractor 0.1.0") && later.contains("another folder"), "{later}");
        // Written again, it is the same.
        let again = folder.path().join("again.tsv");
        let file = Kept::open(&again, about).unwrap();
        for (name, numbers) in [
            ("a of é", vec![0.1 + 0.2, -0.0, 5e-324, f64::INFINITY]),
            ("b", vec![f64::NAN]),
            ("none", Vec::new()),
        ] {
            file.numbers(name, || Ok(numbers)).unwrap();
        }
        drop(file);
        assert_eq!(std::fs::read(&again).unwrap(), text);
    }
}
