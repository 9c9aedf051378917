//! Learned stored patterns.

use super::{Hopfield, HopfieldInput, HopfieldOptions, load, pooling::learned};
use crate::{
    Device, Result, Rows, Tensor, ToRows,
    layers::weights::{Reader, Weights},
};

/// A [`Hopfield`] layer whose stored patterns are `quantity` learned vectors: a table in which states look
/// up values (Ramsauer et al. 2021, section 3). Takes the weights of `hflayers.HopfieldLayer`.
///
/// ```
/// use attractor::{Device, layers::{HopfieldLayer, HopfieldOptions, Weights}};
/// let mut weights = Weights::default();
/// weights.insert("lookup_weights", &[1, 2, 2], vec![9.0, 0.0, 0.0, 9.0])?;
/// weights.insert("target_weights", &[1, 2, 1], vec![1.0, -1.0])?;
/// let layer = HopfieldLayer::load(&Device::cpu(), &HopfieldOptions::default(), &weights)?;
/// let found = layer.forward_rows(&[[2.0, 0.0], [0.0, 2.0]])?;
/// assert!(found[(0, 0)] > 0.99 && found[(1, 0)] < -0.99);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HopfieldLayer {
    hopfield: Hopfield,
    /// `[quantity, d]`
    stored: Tensor,
    /// `[quantity, v]`; the stored patterns where it has no own.
    targets: Tensor,
}

impl HopfieldLayer {
    /// A layer with weights named as in the `state_dict` of `hflayers.HopfieldLayer`; `quantity` is read
    /// from the shape of `lookup_weights`, and whether values have weights of their own from whether there
    /// are `target_weights`.
    ///
    /// # Errors
    /// As [`Hopfield::load`].
    pub fn load(device: &Device, options: &HopfieldOptions, weights: &Weights) -> Result<Self> {
        let sizes = options.sizes()?;
        let mut reader = Reader::new(device, weights);
        let stored = learned(&mut reader, "lookup_weights", sizes.stored)?;
        let stored = Tensor::from_flat(device, stored.as_slice(), &[stored.rows(), stored.columns()])?;
        let targets = if reader.shape("target_weights").is_some() {
            let targets = learned(&mut reader, "target_weights", sizes.projection)?;
            Tensor::from_flat(device, targets.as_slice(), &[targets.rows(), targets.columns()])?
        } else {
            stored.clone()
        };
        let hopfield = load::load(&mut reader, options, "hopfield.")?;
        reader.finish()?;
        Ok(Self { hopfield, stored, targets })
    }

    /// How many vectors are stored.
    pub fn quantity(&self) -> usize {
        self.stored.shape()[0]
    }

    /// What states `[B, L, d]` or `[L, d]` find, `[B, L, out]` or `[L, out]`. `padding` is `[B, quantity]`,
    /// `association_mask` `[L, quantity]`.
    ///
    /// # Errors
    /// As [`Hopfield::forward`].
    pub fn forward(
        &self,
        states: &Tensor,
        padding: Option<&[bool]>,
        association_mask: Option<&[bool]>,
    ) -> Result<Tensor> {
        let (stored, projection) = (&self.stored, &self.targets);
        self.hopfield.forward(&HopfieldInput { stored, states, projection, padding, association_mask })
    }

    /// What rows of the host find, `[L, out]`.
    ///
    /// # Errors
    /// As [`Hopfield::forward_rows`].
    pub fn forward_rows(&self, states: &dyn ToRows) -> Result<Rows<'static>> {
        let out = self.forward(&self.hopfield.upload("states", states)?, None, None)?;
        Rows::new(out.to_vec()?, out.shape()[1])
    }
}
