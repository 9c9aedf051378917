//! Files that nobody vouches for: what is kept in `fuzz/corpus`, and sound files cut off and changed everywhere. The same
//! targets run under the fuzzer (`cargo xtask fuzz`). A binary of its own, since its allocator is the whole program's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test that fails should say where; tests are read by their names"
)]

#[path = "../common/alone.rs"]
mod alone;
#[cfg(feature = "parquet")]
#[path = "../common/columns.rs"]
mod columns;
#[path = "../common/counting.rs"]
#[allow(dead_code, reason = "other tests ask for more of it")]
mod counting;
#[path = "../../cli/src/failure.rs"]
#[allow(dead_code, reason = "a part of the command is taken as it is")]
mod failure;
#[path = "../../cli/src/capacity/journal.rs"]
#[allow(dead_code, reason = "a part of the command is taken as it is")]
mod journal;
#[path = "../../cli/src/reproduce/kept.rs"]
#[allow(dead_code, reason = "a part of the command is taken as it is")]
mod kept;
#[path = "../../cli/src/lines.rs"]
#[allow(dead_code, reason = "a part of the command is taken as it is")]
mod lines;
mod seeds;
mod stop;
mod targets;

use alone::alone;
use seeds::Seed;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};
use targets::Scratch;

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

/// Runs a test in a process of its own: what others ask of the allocator would count.
fn counted(name: &str, body: impl FnOnce(&Scratch)) {
    alone(module_path!(), name, &[], || {
        // Without the way to where it happened: finding that takes memory, which would count here.
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        body(&Scratch::new());
    });
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// Tries an input; what it is called is said where it fails.
fn attempt(target: &str, name: &str, bytes: &[u8], scratch: &Scratch) {
    if catch_unwind(AssertUnwindSafe(|| targets::run(target, bytes, scratch))).is_err() {
        panic!("{target}: {name} ({} bytes)", bytes.len());
    }
}

#[test]
fn every_kept_input_is_read_or_refused() {
    counted("every_kept_input_is_read_or_refused", |scratch| {
        for target in targets::ALL {
            let folder = corpus().join(target.name);
            let mut files: Vec<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            assert!(files.len() >= 5, "{}: {} inputs", folder.display(), files.len());
            for file in files {
                let name = file.file_name().unwrap().to_string_lossy();
                attempt(target.name, &name, &fs::read(&file).unwrap(), scratch);
            }
        }
    });
}

#[test]
fn every_lie_with_a_name_is_refused_without_harm() {
    counted("every_lie_with_a_name_is_refused_without_harm", |scratch| {
        for Seed { target, name, bytes } in seeds::all() {
            attempt(target, &name, &bytes, scratch);
            if std::env::var_os("ATTRACTOR_WRITE_CORPUS").is_some() {
                let folder = corpus().join(target);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
    });
}

#[test]
fn a_sound_file_may_be_cut_off_anywhere() {
    counted("a_sound_file_may_be_cut_off_anywhere", |scratch| {
        for Seed { target, name, bytes } in seeds::sound() {
            for length in 0..bytes.len() {
                attempt(target, &format!("{name}, cut off"), &bytes[..length], scratch);
            }
        }
    });
}

#[test]
fn any_bit_of_a_sound_file_may_be_wrong() {
    counted("any_bit_of_a_sound_file_may_be_wrong", |scratch| {
        for Seed { target, name, bytes } in seeds::sound() {
            let mut changed = bytes;
            for at in 0..changed.len() {
                for bit in 0..8 {
                    changed[at] ^= 1 << bit;
                    attempt(target, &format!("{name}, bit {bit} of byte {at}"), &changed, scratch);
                    changed[at] ^= 1 << bit;
                }
            }
        }
    });
}
