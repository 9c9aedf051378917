//! Loops that are compiled for the widest SIMD of the machine, and what they are made of: elementary functions in vectors, f16 read
//! and widened.

pub(crate) mod math;
pub(crate) mod stored;
pub(crate) mod widen;
