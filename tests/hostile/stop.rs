//! In the place of the command's `stop`: no signal comes to a test.

use crate::failure::Result;

pub(crate) fn go_on() -> Result<()> {
    Ok(())
}
