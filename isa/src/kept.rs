//! The table kept in the documentation: put there, read back, and compared to.

use crate::{
    Kernel,
    radv::Compilation,
    table::{self, heads},
};
use std::{collections::BTreeMap, io::Write as _, path::Path};

const BEGIN: &str = "<!-- isa:begin -->\n";
const END: &str = "<!-- isa:end -->";
const SECTION: &str = "\n## What the GPU kernels compile to\n\n";

/// How to accept fresh figures.
const ACCEPT: &str = "run `cargo xtask isa --keep` to accept";

/// Vector registers may grow by this factor before the comparison complains.
const REGISTERS: f64 = 1.10;

/// The share of multiply-adds may fall by this many percentage points.
const POINTS: f64 = 3.0;

/// Figures as the documentation has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The driver that made them, as `Mesa 22.3.6`.
    pub driver: String,
    kernels: BTreeMap<String, Figures>,
}

/// What is compared of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    vgprs: usize,
    spilled: usize,
    lds: usize,
    waves: usize,
    share: f64,
}

impl Kept {
    /// Reads the table in a document; `None` where it has none.
    pub fn read(document: &str) -> Option<Self> {
        let (_, rest) = document.split_once(BEGIN)?;
        let (block, _) = rest.split_once(END)?;
        let driver = block.split_once("compiled by ")?.1.split_once(". `")?.0.to_owned();
        let mut rows = block.lines().filter_map(|line| {
            let cells = line.trim().strip_prefix('|')?.strip_suffix('|')?;
            Some(cells.split('|').map(str::trim).collect::<Vec<_>>())
        });
        let heads = rows.next()?;
        let column = |head: &str| heads.iter().position(|h| *h == head);
        let number = |row: &[&str], head: &str| row.get(column(head)?)?.parse::<f64>().ok();
        let figures = |row: &[&str]| {
            Some(Figures {
                vgprs: number(row, heads::VGPRS)? as usize,
                spilled: number(row, heads::SPILLED)? as usize,
                lds: number(row, heads::LDS)? as usize,
                waves: number(row, heads::WAVES)? as usize,
                share: number(row, heads::SHARE)?,
            })
        };
        let name = column(heads::KERNEL)?;
        let kernels = rows.filter_map(|row| Some(((*row.get(name)?).to_owned(), figures(&row)?))).collect();
        Some(Self { driver, kernels })
    }

    /// What is worse in fresh figures of all kernels than in the kept ones, a sentence each.
    ///
    /// Another version of the driver allots registers differently, and only spills are held against it.
    pub fn complaints(&self, fresh: &Compilation) -> Vec<String> {
        let strict = self.driver == fresh.driver;
        let mut all: Vec<String> =
            fresh.kernels.iter().flat_map(|kernel| self.of_kernel(kernel, strict)).collect();
        let gone = self.kernels.keys().filter(|name| !fresh.kernels.iter().any(|k| k.name == **name));
        all.extend(gone.map(|name| format!("{name}: in the kept table, but no such kernel; {ACCEPT}")));
        all
    }

    fn of_kernel(&self, kernel: &Kernel, strict: bool) -> Vec<String> {
        let name = &kernel.name;
        let Some(kept) = self.kernels.get(name) else {
            return vec![format!("{name}: not in the kept table; {ACCEPT}")];
        };
        let share = kernel.mix.fma_percent();
        let complaint = |what: &str, kept: String, fresh: String| {
            format!("{name}: {what}: kept {kept}, fresh {fresh}; {ACCEPT}")
        };
        let count = |what, kept: usize, fresh: usize| complaint(what, kept.to_string(), fresh.to_string());
        let mut all = Vec::new();
        if kernel.spilled() > kept.spilled {
            all.push(count("registers spill", kept.spilled, kernel.spilled()));
        }
        if !strict {
            return all;
        }
        if kernel.vgprs as f64 > kept.vgprs as f64 * REGISTERS {
            all.push(count("more vector registers", kept.vgprs, kernel.vgprs));
        }
        if kernel.waves < kept.waves {
            all.push(count("fewer waves", kept.waves, kernel.waves));
        }
        if kernel.lds_bytes > kept.lds {
            all.push(count("more bytes of workgroup memory", kept.lds, kernel.lds_bytes));
        }
        if share < kept.share - POINTS {
            let percent = |share: f64| format!("{share:.1} %");
            all.push(complaint("fewer multiply-adds in the loop", percent(kept.share), percent(share)));
        }
        all
    }
}

/// A document with its table renewed, or appended where it has none.
pub fn renewed(document: &str, fresh: &Compilation) -> String {
    let table = table::markdown(fresh);
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{BEGIN}{table}{END}{after}"),
        None => format!("{}\n{SECTION}{BEGIN}{table}{END}\n", document.trim_end()),
    }
}

/// Renews the table in a file, which at any time is complete, old or new.
///
/// # Errors
/// Where the file cannot be read or written.
pub fn keep(path: &Path, fresh: &Compilation) -> std::io::Result<()> {
    let document = std::fs::read_to_string(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(renewed(&document, fresh).as_bytes())?;
    // A temporary file can be read by its owner alone.
    file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
