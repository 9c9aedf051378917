//! Finished cells on the disk, one line each: what was interrupted goes on where it stopped.

use crate::failure::{Failure, Result};
use attractor::{
    Error,
    capacity::{Cell, Journal, Mixing},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Cells of a folder, or in memory alone.
pub(crate) struct Cells {
    known: HashMap<String, Cell>,
    file: Option<(PathBuf, File)>,
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
        let failed =
            |action: &'static str| move |source| Error::File { path: path.to_owned(), action, source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read")(error).into()),
        };
        let mut known = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            match serde_json::from_str(line).ok().as_ref().and_then(read) {
                Some((key, cell)) => _ = known.insert(key, cell),
                // A program that was stopped may have left half a line, and nothing behind it.
                None if at + 1 == text.lines().count() && !text.ends_with('\n') => {}
                None => {
                    let message = format!(
                        "{}, line {}: no cell of an experiment; remove the line, or the file",
                        path.display(),
                        at + 1
                    );
                    return Err(Failure::data(message));
                }
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed("write"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            // What follows must not be read as the rest of that line: the half goes.
            let whole = text.rfind('\n').map_or(0, |at| at + 1);
            file.set_len(whole as u64).map_err(failed("write"))?;
        }
        file.flush().map_err(failed("write"))?;
        let before = known.len();
        Ok(Self { known, file: Some((path.to_owned(), file)), before })
    }
}

impl Journal for Cells {
    fn find(&self, key: &str) -> Option<Cell> {
        self.known.get(key).cloned()
    }

    fn keep(&mut self, key: &str, cell: &Cell) -> attractor::Result<()> {
        if let Some((path, file)) = &mut self.file {
            // In one write, so that a line is there as a whole or cut off at the end.
            let line = format!("{}\n", written(key, cell));
            file.write_all(line.as_bytes()).map_err(|source| Error::File {
                path: path.clone(),
                action: "write",
                source,
            })?;
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
        assert_eq!(Cells::open(&path).unwrap().before, 2);
        std::fs::write(&path, "nonsense\n{}\n").unwrap();
        assert!(Cells::open(&path).err().unwrap().to_string().contains("line 1"));
    }
}
