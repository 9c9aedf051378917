//! Inputs made on purpose: sound files of every kind, and files that lie in every way that has a name.
//!
//! The fuzzer starts from them; `ATTRACTOR_WRITE_CORPUS=1` has the tests write them to `fuzz/corpus`.

mod arrays;
#[cfg(feature = "parquet")]
mod columns;
mod names;
mod saved;
mod zip;

/// An input: of which target, what it is, and the bytes.
pub(crate) struct Seed {
    pub(crate) target: &'static str,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { target, name: name.into(), bytes: bytes.into() }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = arrays::npy_files();
    seeds.extend(zip::npz_files());
    seeds.extend(arrays::safetensors_files());
    seeds.extend(saved::features());
    seeds.extend(saved::weights());
    seeds.extend(saved::stores());
    seeds.extend(saved::journals());
    seeds.extend(names::names());
    seeds.extend(names::tables());
    seeds.extend(names::results());
    #[cfg(feature = "parquet")]
    seeds.extend(columns::parquet_files());
    seeds
}

/// One small sound file for each target, to be cut and changed everywhere.
pub(crate) fn sound() -> Vec<Seed> {
    all().into_iter().filter(|seed| seed.name.starts_with("sound")).collect()
}

/// The bytes with one part replaced by another of any length; the part must be there.
fn replaced(bytes: &[u8], part: &[u8], with: &[u8]) -> Vec<u8> {
    let at = bytes.windows(part.len()).position(|window| window == part).expect("the part to replace");
    [&bytes[..at], with, &bytes[at + part.len()..]].concat()
}
