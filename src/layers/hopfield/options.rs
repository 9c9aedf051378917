//! How a Hopfield layer is built.

use crate::{
    Error, Result,
    layers::NormOptions,
    ops::{Unary, check_beta},
};

/// The arguments of a Hopfield layer, named as `PyTorch`'s `hflayers.Hopfield` names them where it has them.
///
/// The default is the static mode: no projections, no norms, no output map, `beta` 1. It is the memory of
/// [`DenseMemory`](crate::memory::DenseMemory) with the dot similarity, needs no weights and takes inputs of
/// any size. [`HopfieldOptions::pytorch`] has `PyTorch`'s defaults.
///
/// ```
/// use attractor::layers::HopfieldOptions;
/// let trained = HopfieldOptions { num_heads: 4, update_steps: Some(3), ..HopfieldOptions::pytorch(64) };
/// assert!(!trained.is_static() && HopfieldOptions::default().is_static());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HopfieldOptions {
    /// Columns of the states, and of the other inputs where nothing else is said. Only the static mode does
    /// without.
    pub input_size: Option<usize>,
    /// Columns of a head's association space. `None`: `input_size / num_heads`.
    pub hidden_size: Option<usize>,
    /// Columns of a head's values. `None`: as `hidden_size`.
    pub pattern_size: Option<usize>,
    /// Columns of the output. `None`: as `input_size`.
    pub output_size: Option<usize>,
    /// Columns of the stored patterns. `None`: as `input_size`.
    pub stored_pattern_size: Option<usize>,
    /// Columns of the pattern projection's input. `None`: as `input_size`.
    pub pattern_projection_size: Option<usize>,
    /// Heads side by side.
    pub num_heads: usize,
    /// Inverse temperature (`PyTorch`'s `scaling`): one for all heads, or one for each. Empty: `1 /
    /// sqrt(hidden_size)`, in the static mode 1.
    ///
    /// With one for each, every score of head `h` is multiplied by `beta[h]`. The official code multiplies
    /// feature `i` of the projected states by `scaling[i % heads]` instead, also within each head from the
    /// second update on, so that results differ unless all are equal.
    pub beta: Vec<f32>,
    /// Most updates of the states before the values are read out (`PyTorch`'s `update_steps_max`); 0 is plain
    /// attention. `None`: until converged, 10,000 at most.
    pub update_steps: Option<u32>,
    /// A head stops when the Frobenius norm of the change of its weights `[L, S]` in an update is no
    /// larger than this in any entry of the batch (`PyTorch`'s `update_steps_eps`).
    pub update_eps: f32,
    /// Norm of the stored patterns.
    pub normalize_stored_pattern: Option<NormOptions>,
    /// Norm of the states.
    pub normalize_state_pattern: Option<NormOptions>,
    /// Norm of the pattern projection's input.
    pub normalize_pattern_projection: Option<NormOptions>,
    /// Norm of projected states and stored patterns, per head, with weights that all heads share.
    pub normalize_hopfield_space: Option<NormOptions>,
    /// Stored patterns are taken as they are, by all heads.
    pub stored_pattern_as_static: bool,
    /// States are taken as they are, by all heads.
    pub state_pattern_as_static: bool,
    /// Values are the pattern projection's input as it is.
    pub pattern_projection_as_static: bool,
    /// Values are projected from the projected stored patterns, not from the input.
    pub pattern_projection_as_connected: bool,
    /// Whether projections and the output map have biases.
    pub input_bias: bool,
    /// One more stored pattern and value per head, which are weights. The official code has the argument
    /// and the weights, but never uses them: leave it out to get the official results.
    pub concat_bias_pattern: bool,
    /// One more stored pattern and value per head, all zeros, so that a state may be associated with
    /// nothing.
    pub add_zero_association: bool,
    /// The heads' results side by side are the output.
    pub disable_out_projection: bool,
    /// Applied to the output.
    pub association_activation: Option<Unary>,
}

impl Default for HopfieldOptions {
    fn default() -> Self {
        Self {
            input_size: None,
            hidden_size: None,
            pattern_size: None,
            output_size: None,
            stored_pattern_size: None,
            pattern_projection_size: None,
            num_heads: 1,
            beta: Vec::new(),
            update_steps: Some(0),
            update_eps: 1e-4,
            normalize_stored_pattern: None,
            normalize_state_pattern: None,
            normalize_pattern_projection: None,
            normalize_hopfield_space: None,
            stored_pattern_as_static: true,
            state_pattern_as_static: true,
            pattern_projection_as_static: true,
            pattern_projection_as_connected: false,
            input_bias: true,
            concat_bias_pattern: false,
            add_zero_association: false,
            disable_out_projection: true,
            association_activation: None,
        }
    }
}

impl HopfieldOptions {
    /// `PyTorch`'s defaults: all projections, affine norms of all inputs, one head, no update.
    pub fn pytorch(input_size: usize) -> Self {
        Self {
            input_size: Some(input_size),
            normalize_stored_pattern: Some(NormOptions::default()),
            normalize_state_pattern: Some(NormOptions::default()),
            normalize_pattern_projection: Some(NormOptions::default()),
            stored_pattern_as_static: false,
            state_pattern_as_static: false,
            pattern_projection_as_static: false,
            disable_out_projection: false,
            ..Self::default()
        }
    }

    /// Whether the layer has neither projections nor an output map (norms of its inputs it may have).
    pub fn is_static(&self) -> bool {
        self.stored_pattern_as_static
            && self.state_pattern_as_static
            && self.pattern_projection_as_static
            && !self.pattern_projection_as_connected
            && self.normalize_hopfield_space.is_none()
            && self.disable_out_projection
    }

    /// Whether values are projected from projected stored patterns; those that are static are not projected.
    pub(super) fn values_from_keys(&self) -> bool {
        self.pattern_projection_as_connected && !self.stored_pattern_as_static
    }

    /// Columns of stored patterns, by the options alone.
    pub(super) fn stored_size(&self) -> Option<usize> {
        self.stored_pattern_size.or(self.input_size)
    }

    /// Columns of the pattern projection's input, by the options alone.
    pub(super) fn projection_size(&self) -> Option<usize> {
        self.pattern_projection_size.or(self.input_size)
    }

    /// Refuses what does not depend on sizes.
    fn check(&self) -> Result<()> {
        let heads = self.num_heads;
        if heads == 0 {
            return Err(Error::parameter("num_heads", 0, "at least 1"));
        }
        if !(self.beta.len() <= 1 || self.beta.len() == heads) {
            let want = format!("1, or one for each of the {heads} heads");
            return Err(Error::parameter("number of beta", self.beta.len(), want));
        }
        self.beta.iter().try_for_each(|beta| check_beta(*beta))?;
        if !(self.update_eps > 0.0 && self.update_eps.is_finite()) {
            return Err(Error::parameter("update_eps", self.update_eps, "a positive, finite number"));
        }
        if self.concat_bias_pattern && (self.stored_pattern_as_static || self.pattern_projection_as_static) {
            return Err(Error::parameter("concat_bias_pattern", true, "false where patterns are static"));
        }
        Ok(())
    }

    /// The sizes that follow, where they and the rest are right.
    pub(super) fn sizes(&self) -> Result<Sizes> {
        self.check()?;
        let (states, stored, projection) = (self.input_size, self.stored_size(), self.projection_size());
        if self.is_static() {
            return Ok(Sizes { states, stored, projection, space: None });
        }
        let Some(input) = self.input_size else {
            return Err(Error::parameter("input_size", "missing", "given, since the layer has weights"));
        };
        let heads = self.num_heads;
        let hidden = match self.hidden_size {
            Some(hidden) => hidden,
            None if input.is_multiple_of(heads) => input / heads,
            None => {
                let want = format!("a multiple of the {heads} heads, or hidden_size given");
                return Err(Error::parameter("input_size", input, want));
            }
        };
        let values = self.pattern_size.unwrap_or(hidden);
        let space = Space { hidden, values, output: self.output_size.unwrap_or(input) };
        if [states, stored, projection, Some(hidden), Some(values), Some(space.output)].contains(&Some(0)) {
            return Err(Error::parameter("a size of the layer", 0, "at least 1"));
        }
        let connected = self.pattern_projection_as_connected;
        if connected && projection != stored {
            let (got, want) = (projection.unwrap_or(0), stored.unwrap_or(0));
            return Err(Error::dimension("pattern_projection_size of connected values", got, want));
        }
        if (connected || self.concat_bias_pattern) && values != hidden {
            let what = "pattern_size of connected values, or with bias patterns";
            return Err(Error::dimension(what, values, hidden));
        }
        // What is taken as it is must have the size of what it stands for; side by side values may have any.
        let projection = match (self.pattern_projection_as_static, self.disable_out_projection) {
            (true, _) if self.values_from_keys() => projection,
            (true, true) if self.normalize_pattern_projection.is_none() => None,
            (true, true) => projection,
            (true, false) => Some(values),
            (false, _) => projection,
        };
        Ok(Sizes {
            states: if self.state_pattern_as_static { Some(hidden) } else { states },
            stored: if self.stored_pattern_as_static { Some(hidden) } else { stored },
            projection,
            space: Some(space),
        })
    }
}

/// Columns of the inputs, where they are fixed, and of what lies within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) states: Option<usize>,
    pub(super) stored: Option<usize>,
    pub(super) projection: Option<usize>,
    /// `None` in the static mode.
    pub(super) space: Option<Space>,
}

/// Columns within a head, and of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) hidden: usize,
    pub(super) values: usize,
    pub(super) output: usize,
}
