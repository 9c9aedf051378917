//! What an AMD RDNA2 GPU would run for each kernel of the engine, on a machine that has none:
//! `cargo xtask isa`.
//!
//! Mesa's RADV driver compiles for a named chip without having it. Its machine code and statistics
//! say what decides a kernel's speed there: registers, spills, workgroup memory, waves, and what the
//! hottest loop is made of. The table of all kernels is kept in `docs/performance.md`, and a test
//! compares fresh figures to it, so that a change that spills registers is seen at once.
//!
//! - [`radv`]: kernels through the driver.
//! - [`machine_code`], [`hot_loop`], [`mix`]: its disassembly read, the loop that counts, what it is
//!   made of.
//! - [`kernel`]: all figures of a kernel.
//! - [`table`], [`kept`]: figures as tables and JSON; the kept ones, and the comparison to them.

mod driver;
mod error;
pub mod hot_loop;
pub mod kept;
pub mod kernel;
pub mod machine_code;
pub mod mix;
pub mod radv;
mod spirv;
pub mod table;

pub use error::{Error, Result};
pub use kernel::Kernel;
