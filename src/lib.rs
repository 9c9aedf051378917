//! Associative memories on the GPU: store patterns, complete noisy or partial cues to the patterns
//! they came from, thousands at once, on any Vulkan, Metal or DX12 GPU, and on the CPU where there
//! is none.
//!
//! ```
//! use attractor::prelude::*;
//! # let patterns = vec![vec![1.0_f32, 1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0, 1.0]];
//! # let cues = vec![vec![0.9_f32, 0.7, 0.1, -0.2]];
//! let memory = DenseMemory::new(&patterns)?;
//! let recalled = memory.recall(&cues)?;
//!
//! println!("{:?} is pattern {}", recalled.states.row(0), recalled.indices[0]);
//! # assert_eq!(recalled.indices[0], 0);
//! # Ok::<(), attractor::Error>(())
//! ```
//!
//! - [`memory`]: the memories. [`memory::DenseMemory`] is the one to start with.
//! - [`network`]: layers of neurons with an energy, and their dynamics.
//! - [`layers`]: memories as layers of a neural network, with trained weights.
//! - [`store`]: a memory with a life: ids, payloads, changes, on the disk and in memory.
//! - [`capacity`]: how much a memory holds, measured and by theory.
//! - [`ops`]: the operations they are made of, on [`Tensor`]s of a [`Device`].
//! - [`optimize`]: Adam and L-BFGS.
//! - [`codes`]: spherical codes, the memories that are easiest to tell apart: measured, built, looked for, bounded.
//! - [`io`]: `.npy`, `.npz` and `.safetensors` files.
//! - [`narrow`]: f64 and 64-bit integers as the f32 that is computed with, their detail kept.
//! - [`mod@reference`]: every operation in f64 by its formula, the oracle of the tests.
//! - [`machine`]: what a device can do at most, measured.
//! - [`threads`]: how many threads compute.
//! - [`gpu`]: adapters, and what an opened one does and holds.

pub mod capacity;
pub mod codes;
mod contract;
mod cpu;
mod device;
pub mod error;
pub mod gpu;
pub mod io;
pub mod layers;
pub mod machine;
mod matrix;
pub mod memory;
pub mod narrow;
pub mod network;
pub mod ops;
pub mod optimize;
mod precision;
mod random;
pub mod reference;
mod rows;
mod short;
mod simd;
pub mod store;
mod tensor;
pub mod threads;

pub use device::{Device, DeviceName};
pub use error::{Error, Result};
pub use matrix::Matrix;
pub use precision::Precision;
pub use rows::{Element, Rows, SharedRows, ToRows};
pub use short::Short;
pub use tensor::{Bits, Tensor};

/// What most programs need: `use attractor::prelude::*;`
pub mod prelude {
    pub use crate::{
        Device, Precision, Rows, ToRows,
        memory::{Beta, DenseMemory, Memory, Recall, RecallOptions, Status},
        ops::Similarity,
    };
}
