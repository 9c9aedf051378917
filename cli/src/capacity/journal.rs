//! Finished cells on the disk, one line each: what was interrupted goes on where it stopped.

use crate::{
    failure::{Failure, Result},
    lines::Lines,
};
use attractor::capacity::{Cell, Journal, Mixing};
use serde_json::{Value, json};
use std::{collections::HashMap, path::Path};

/// Cells of a folder, or in memory alone.
pub(crate) struct Cells {
    known: HashMap<String, Cell>,
    file: Option<Lines>,
    /// How many were there before.
    pub(crate) before: usize,
}

impl Cells {
    /// Cells that are kept nowhere.
    pub(crate) fn in_memory() -> Self {
        Self { known: HashMap::new(), file: None, before: 0 }
    }

    /// The cells of a file, to which more are added.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let no_cell = |line: usize| {
            let message = "no cell of an experiment; remove the line, or the file";
            Failure::data(format!("{}, line {line}: {message}", path.display()))
        };
        let (file, known) = Lines::open(path, |whole, torn| {
            let cell = |(at, line): (usize, &str)| {
                serde_json::from_str(line).ok().as_ref().and_then(read).ok_or_else(|| no_cell(at + 1))
            };
            // What is cut off is the beginning of a cell, or else this is another file.
            if !torn.is_empty() && !torn.starts_with(b"{") {
                return Err(no_cell(whole.lines().count() + 1));
            }
            whole.lines().enumerate().map(cell).collect::<Result<HashMap<_, _>>>()
        })?;
        Ok(Self { before: known.len(), known, file: Some(file) })
    }
}

impl Journal for Cells {
    fn find(&self, key: &str) -> Option<Cell> {
        self.known.get(key).cloned()
    }

    fn keep(&mut self, key: &str, cell: &Cell) -> attractor::Result<()> {
        if let Some(file) = &mut self.file {
            file.add(&written(key, cell).to_string())?;
        }
        self.known.insert(key.to_owned(), cell.clone());
        Ok(())
    }
}

fn written(key: &str, cell: &Cell) -> Value {
    json!({
        "key": key,
        "trials": cell.trials,
        "successes": cell.successes,
        "shared": cell.shared,
        "ties": cell.ties,
        "failed": cell.failed,
        "cosine": cell.cosine,
        "end_cosine": cell.end_cosine,
        "length": cell.length,
        "wrong_signs": cell.wrong_signs,
        "updates": cell.updates,
        "beta": cell.beta,
        "seconds": cell.seconds,
        "copies": cell.copies,
        "participation": cell.participation,
        "mixing": cell.mixing.as_ref().map(mixing_json),
    })
}

/// Mixing statistics as JSON.
pub(crate) fn mixing_json(m: &Mixing) -> Value {
    json!({
        "queries": m.queries, "participation": m.participation, "effective": m.effective, "support": m.support,
        "k90": m.k90, "support_histogram": m.histogram, "exact": m.exact,
    })
}

fn read(line: &Value) -> Option<(String, Cell)> {
    let number = |name: &str| line.get(name)?.as_f64();
    let whole = |name: &str| line.get(name)?.as_u64();
    let mixing = match line.get("mixing")? {
        Value::Null => None,
        m => {
            let number = |name: &str| m.get(name)?.as_f64();
            let shares = m.get("support_histogram")?.as_array()?;
            let shares: Vec<f64> = shares.iter().map(Value::as_f64).collect::<Option<_>>()?;
            Some(Mixing {
                queries: m.get("queries")?.as_u64()? as usize,
                participation: number("participation")?,
                effective: number("effective")?,
                support: number("support")?,
                k90: number("k90")?,
                histogram: shares.try_into().ok()?,
                exact: m.get("exact")?.as_bool()?,
            })
        }
    };
    let successes = line.get("successes")?.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
    let cell = Cell {
        trials: whole("trials")?,
        successes,
        shared: number("shared"),
        ties: whole("ties")?,
        failed: whole("failed")?,
        cosine: number("cosine")?,
        end_cosine: number("end_cosine")?,
        length: number("length")?,
        wrong_signs: number("wrong_signs")?,
        updates: number("updates")?,
        beta: number("beta"),
        mixing,
        participation: number("participation"),
        seconds: number("seconds")?,
        copies: whole("copies")?,
    };
    Some((line.get("key")?.as_str()?.to_owned(), cell))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use std::{fs::OpenOptions, io::Write};

    #[test]
    fn cells_come_back_as_they_were_and_half_a_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let cell = Cell {
            trials: 7,
            successes: vec![3, 1],
            shared: Some(2.5),
            cosine: 0.1 + 0.2,
            beta: None,
            mixing: Mixing::of(&[0.7, 0.3], 2, 2),
            ..Cell::default()
        };
        Cells::open(&path).unwrap().keep("a|b", &cell).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"key\":\"c").unwrap();
        let mut again = Cells::open(&path).unwrap();
        assert_eq!((again.before, again.find("a|b")), (1, Some(cell.clone())));
        again.keep("d", &cell).unwrap();
        drop(again);
        assert_eq!(Cells::open(&path).unwrap().before, 2);
        std::fs::write(&path, "nonsense\n{}\n").unwrap();
        assert!(Cells::open(&path).err().unwrap().to_string().contains("line 1"));
    }

    /// A journal of each version of the format; saved again it is the same.
    #[test]
    fn kept_journals_are_read() {
        let text = include_str!("../../../tests/fixtures/formats/capacity-1/journal.jsonl");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, text).unwrap();
        let cells = Cells::open(&path).unwrap();
        assert_eq!(cells.before, 4);
        for line in text.lines() {
            let (key, cell) = read(&serde_json::from_str(line).unwrap()).unwrap();
            assert_eq!(cells.find(&key), Some(cell.clone()));
            assert_eq!(written(&key, &cell).to_string(), line);
            assert_eq!((cell.trials, cell.copies, cell.failed), (10, 0, 0));
            // The nearest pattern has no temperature and mixes nothing; softmax at lambda 4 in 4 dimensions has beta 16.
            let nearest = key.starts_with("nearest");
            assert_eq!((cell.beta, cell.mixing.is_some()), ((!nearest).then_some(16.0), !nearest));
        }
        drop(cells);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
