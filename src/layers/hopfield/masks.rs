//! Which stored patterns a state may be associated with.

use super::HopfieldInput;
use crate::{Device, Error, Result, Tensor, ops::MASKED};

/// What is added to the scores `[batch * states, patterns + extra]`, where anything is hidden: 0, or what
/// stands for minus infinity. `extra` appended patterns are never hidden.
pub(super) fn mask(
    device: &Device,
    input: &HopfieldInput<'_>,
    [batch, states, patterns]: [usize; 3],
    extra: usize,
) -> Result<Option<Tensor>> {
    let check = |what: &str, mask: Option<&[bool]>, want: usize| match mask {
        Some(mask) if mask.len() != want => Err(Error::dimension(what, mask.len(), want)),
        _ => Ok(()),
    };
    check("entries of the padding mask [batch, patterns]", input.padding, batch * patterns)?;
    check("entries of the association mask [states, patterns]", input.association_mask, states * patterns)?;
    if input.padding.is_none() && input.association_mask.is_none() {
        return Ok(None);
    }
    let hidden = |mask: Option<&[bool]>, row: usize, pattern: usize| {
        mask.is_some_and(|mask| mask[row * patterns + pattern])
    };
    let mut values = vec![0.0; batch * states * (patterns + extra)];
    for (row, values) in values.chunks_exact_mut(patterns + extra).enumerate() {
        let mut eligible = extra;
        for (pattern, value) in values[..patterns].iter_mut().enumerate() {
            if hidden(input.padding, row / states, pattern)
                || hidden(input.association_mask, row % states, pattern)
            {
                *value = MASKED;
            } else {
                eligible += 1;
            }
        }
        if eligible == 0 {
            return Err(Error::NoEligiblePattern { patterns });
        }
    }
    Tensor::from_flat(device, &values, &[batch * states, patterns + extra]).map(Some)
}
