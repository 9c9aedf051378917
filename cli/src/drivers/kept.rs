//! What trials have found, in the cache folder: a line for each machine, set of drivers and environment, the latest last.

use super::Outcome;
use attractor::{gpu::tune::folder, io::write_bytes};
use std::path::PathBuf;

/// Most lines. One that was pushed out costs a trial.
const LINES: usize = 64;

/// Where it is kept, where there is a place for it.
fn file() -> Option<PathBuf> {
    Some(folder()?.join("drivers.tsv"))
}

fn text() -> String {
    let bytes = file().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What has been found for a key.
pub(super) fn find(key: &str) -> Option<Outcome> {
    text().lines().rev().find_map(|line| read(line, key))
}

/// Keeps what has been found for a key. Of programs that do so at once one may be lost, and is found anew.
pub(super) fn keep(key: &str, outcome: &Outcome) -> Result<(), String> {
    let path = file().ok_or("there is no cache folder; ATTRACTOR_CACHE names one")?;
    let before = text();
    let other = |line: &&str| line.split('\t').count() == 3 && !line.starts_with(key);
    let mut lines: Vec<String> = before.lines().filter(other).map(str::to_owned).collect();
    lines.drain(..lines.len().saturating_sub(LINES - 1));
    lines.push(written(key, outcome));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    write_bytes(&path, (lines.join("\n") + "\n").as_bytes()).map_err(|error| error.to_string())
}

fn written(key: &str, outcome: &Outcome) -> String {
    let (name, why) = match outcome {
        Outcome::Gpu => ("gpu", ""),
        Outcome::NoGpu => ("none", ""),
        Outcome::Broken(why) => ("broken", why.as_str()),
    };
    format!("{key}\t{name}\t{}", why.replace(char::is_control, " "))
}

/// The outcome in a line, where it is one for this key.
fn read(line: &str, key: &str) -> Option<Outcome> {
    let fields: Vec<&str> = line.split('\t').collect();
    match fields[..] {
        [of, "gpu", ""] if of == key => Some(Outcome::Gpu),
        [of, "none", ""] if of == key => Some(Outcome::NoGpu),
        [of, "broken", why] if of == key && !why.is_empty() => Some(Outcome::Broken(why.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_as_they_were_written_and_nonsense_is_nothing() {
        for outcome in [Outcome::Gpu, Outcome::NoGpu, Outcome::Broken("it crashes".into())] {
            let line = written("0a1b", &outcome);
            assert_eq!(read(&line, "0a1b"), Some(outcome), "{line}");
            assert_eq!(read(&line, "0a1c"), None, "{line}");
        }
        for line in ["", "0a1b", "0a1b\tgpu", "0a1b\tbroken\t", "0a1b\tgood\t", "0a1b\tgpu\t\t"] {
            assert_eq!(read(line, "0a1b"), None, "{line}");
        }
        let long = Outcome::Broken("one\ttwo\nthree".into());
        assert_eq!(read(&written("k", &long), "k"), Some(Outcome::Broken("one two three".into())));
    }
}
