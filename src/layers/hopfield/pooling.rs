//! Pooling by learned states.

use super::{Hopfield, HopfieldInput, HopfieldOptions, load};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    layers::weights::{Reader, Weights},
};

/// A [`Hopfield`] layer whose states are `quantity` learned vectors: it turns a set of any size into
/// `quantity` vectors (Ramsauer et al. 2021, section 3). Takes the weights of `hflayers.HopfieldPooling`.
///
/// ```
/// use attractor::{Device, Tensor, layers::{HopfieldOptions, HopfieldPooling, Weights}};
/// let mut weights = Weights::default();
/// weights.insert("pooling_weights", &[1, 1, 2], vec![9.0, 0.0])?;
/// let pooling = HopfieldPooling::load(&Device::cpu(), &HopfieldOptions::default(), &weights)?;
/// // The vector of the set that the learned state is most like.
/// let pooled = pooling.forward_rows(&[[2.0, 1.0], [0.0, 3.0], [-1.0, 0.0]])?;
/// assert!((pooled[(0, 0)] - 2.0).abs() < 1e-6 && (pooled[(0, 1)] - 1.0).abs() < 1e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HopfieldPooling {
    hopfield: Hopfield,
    /// `[quantity, d]`, on the host: a batch takes copies.
    states: Rows<'static>,
}

impl HopfieldPooling {
    /// A layer with weights named as in the `state_dict` of `hflayers.HopfieldPooling`; `quantity` is
    /// read from the shape of `pooling_weights`.
    ///
    /// # Errors
    /// As [`Hopfield::load`].
    pub fn load(device: &Device, options: &HopfieldOptions, weights: &Weights) -> Result<Self> {
        let mut reader = Reader::new(device, weights);
        let states = learned(&mut reader, "pooling_weights", options.sizes()?.states)?;
        let hopfield = load::load(&mut reader, options, "hopfield.")?;
        reader.finish()?;
        Ok(Self { hopfield, states })
    }

    /// How many vectors a set is turned into.
    pub fn quantity(&self) -> usize {
        self.states.rows()
    }

    /// The pooled vectors `[B, quantity, out]` of stored patterns and projection `[B, S, d]`, or
    /// `[quantity, out]` where these have no batch. (`PyTorch`'s layer gives the same values in the same order as
    /// `[B, quantity * out]`.) `padding` is `[B, S]`, `association_mask` `[quantity, S]`.
    ///
    /// # Errors
    /// As [`Hopfield::forward`].
    pub fn forward(
        &self,
        stored: &Tensor,
        projection: &Tensor,
        padding: Option<&[bool]>,
        association_mask: Option<&[bool]>,
    ) -> Result<Tensor> {
        let (quantity, columns) = (self.states.rows(), self.states.columns());
        let mut shape = vec![quantity, columns];
        let mut values = self.states.as_slice().to_vec();
        if let [batch, _, _] = *stored.shape() {
            shape.insert(0, batch);
            values = values.repeat(batch);
        }
        let states = Tensor::from_flat(&self.hopfield.device, &values, &shape)?;
        self.hopfield.forward(&HopfieldInput {
            stored,
            states: &states,
            projection,
            padding,
            association_mask,
        })
    }

    /// The pooled vectors `[quantity, out]` of rows of the host.
    ///
    /// # Errors
    /// As [`Hopfield::forward_rows`].
    pub fn forward_rows(&self, stored: &dyn ToRows) -> Result<Rows<'static>> {
        let stored = self.hopfield.upload("stored patterns", stored)?;
        let out = self.forward(&stored, &stored, None, None)?;
        Rows::new(out.to_vec()?, out.shape()[1])
    }
}

/// Learned vectors `[1, quantity, columns]`; any number of columns where it is not known.
pub(super) fn learned(reader: &mut Reader<'_>, name: &str, columns: Option<usize>) -> Result<Rows<'static>> {
    let (quantity, columns) = match (reader.shape(name), columns) {
        (Some(&[1, quantity, own]), columns) => (quantity, columns.unwrap_or(own)),
        (shape, columns) => {
            let got = shape.map_or("is missing".to_owned(), |shape| format!("has the shape {shape:?}"));
            let columns = columns.map_or("columns".to_owned(), |columns| columns.to_string());
            let want = format!("the shape [1, quantity, {columns}]");
            return Err(Error::Weight { name: name.to_owned(), got, want });
        }
    };
    Rows::new(reader.values(name, &[1, quantity, columns])?.to_vec(), columns)
}
