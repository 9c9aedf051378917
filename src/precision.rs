//! How numbers are kept.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// How stored patterns are kept. Computation is in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floating point: as given.
    #[default]
    F32,
    /// 16-bit floating point: half the memory and half the traffic, about three decimal digits, values
    /// up to 65,504.
    F16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::F16 { "f16" } else { "f32" })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            _ => Err(Error::parameter("precision", s, "f32 or f16")),
        }
    }
}
