//! Associative memories on the GPU.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cpu;
mod device;
pub mod error;
pub mod gpu;
pub mod io;
pub mod ops;
pub mod reference;
mod rows;
mod tensor;

pub use device::Device;
pub use error::{Error, Result};
pub use rows::{Element, Rows, ToRows};
pub use tensor::{Precision, SharedRows, Tensor};
