//! What a command says on stdout and stderr.

use crate::failure::{Failure, Result, plain};
use std::{
    io::{ErrorKind, Write},
    path::Path,
};

/// Prints a line on stdout. A reader that has gone away (`| head`) has what it wanted.
pub(crate) fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::data(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// A path as JSON can have it, which knows nothing but text.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Prints a line on stderr; where that fails there is no one left to tell.
pub(crate) fn complaint(text: &str) {
    said("attractor", text);
}

/// Prints a line on stderr that begins with who or what speaks. What it says may come out of a file: it stays one line.
pub(crate) fn said(who: &str, text: &str) {
    let text: String = text.chars().map(plain).collect();
    let _ = writeln!(std::io::stderr(), "{who}: {text}");
}
