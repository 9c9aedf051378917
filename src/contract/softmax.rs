//! Inverse temperatures.

use crate::{Error, Result};

/// Refuses an inverse temperature that is not a positive number.
pub(crate) fn check_beta(beta: f32) -> Result<()> {
    if beta > 0.0 && beta.is_finite() {
        return Ok(());
    }
    Err(Error::parameter("beta", beta, "a positive, finite number"))
}
