//! The weights of a layer, by name.

use crate::{Device, Error, Result, Rows, Tensor, io::Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// Named arrays, such as the `state_dict` of a trained network.
///
/// A layer takes every one of them, as `PyTorch`'s `load_state_dict` does: a name that it has no use for
/// is an error, since it mostly means that the layer's options are not those of the training. Of a
/// larger network, [`Weights::under`] gives what belongs to one layer.
///
/// ```
/// use attractor::layers::Weights;
/// let mut network = Weights::default();
/// network.insert("encoder.norm_state_pattern.weight", &[2], vec![1.0, 0.5])?;
/// network.insert("decoder.bias", &[1], vec![0.0])?;
/// let layer = network.under("encoder.");
/// assert_eq!(layer.names().collect::<Vec<_>>(), ["norm_state_pattern.weight"]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Weights {
    arrays: BTreeMap<String, Array>,
}

/// Shape and values; clones share the values.
#[derive(Clone, Debug)]
struct Array {
    shape: Vec<usize>,
    values: Arc<[f32]>,
}

impl Weights {
    /// All arrays of a `.safetensors` (or `.npz`) file.
    ///
    /// # Errors
    /// Those of [`Source::open`] and [`Source::values`]; [`Error::NonFinite`] naming the file and the array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let source = Source::open_file(path)?.checked()?;
        let mut weights = Self::default();
        for (name, shape, values) in source.all_values()? {
            weights.insert(&name, &shape, values).map_err(|error| match error {
                Error::NonFinite { what, row, column, value } => {
                    Error::NonFinite { what: format!("{}: {what}", path.display()), row, column, value }
                }
                other => other,
            })?;
        }
        Ok(weights)
    }

    /// Adds an array, or replaces the one of that name; an empty shape is a single number.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where the shape has another number of elements,
    /// [`Error::NonFinite`] for NaN and infinities.
    pub fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Result<()> {
        let wanted = shape.iter().try_fold(1_usize, |all, &d| all.checked_mul(d)).unwrap_or(usize::MAX);
        if values.len() != wanted {
            return Err(Error::dimension(format!("values of weight '{name}'"), values.len(), wanted));
        }
        let rows = Rows::new(values, shape.last().copied().unwrap_or(1).max(1))?;
        rows.check_finite(&format!("weight '{name}'"))?;
        self.arrays.insert(name.to_owned(), Array { shape: shape.to_vec(), values: rows.into_vec().into() });
        Ok(())
    }

    /// Those whose names begin with `prefix`, named by what follows it.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        let own =
            |(name, array): (&String, &Array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()));
        Self { arrays: self.arrays.iter().filter_map(own).collect() }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }
}

/// Takes weights one by one, and knows which are left.
pub(super) struct Reader<'a> {
    weights: &'a Weights,
    device: &'a Device,
    left: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(device: &'a Device, weights: &'a Weights) -> Self {
        Self { weights, device, left: weights.names().collect() }
    }

    /// Where the layer goes.
    pub(super) fn device(&self) -> &'a Device {
        self.device
    }

    /// The shape of a weight that is there.
    pub(super) fn shape(&self, name: &str) -> Option<&'a [usize]> {
        self.weights.arrays.get(name).map(|array| array.shape.as_slice())
    }

    /// The values of a weight that must have this shape.
    pub(super) fn values(&mut self, name: &str, shape: &[usize]) -> Result<&'a [f32]> {
        let wanted = || format!("the shape {shape:?}");
        match self.weights.arrays.get(name) {
            Some(array) if array.shape == shape => {
                self.left.remove(name);
                Ok(&array.values)
            }
            Some(array) => {
                let got = format!("has the shape {:?}", array.shape);
                Err(Error::Weight { name: name.to_owned(), got, want: wanted() })
            }
            None => Err(Error::Weight { name: name.to_owned(), got: "is missing".into(), want: wanted() }),
        }
    }

    /// A weight as a tensor of its shape.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let device = self.device;
        Tensor::from_flat(device, self.values(name, shape)?, shape)
    }

    /// A weight that is of no effect.
    pub(super) fn ignore(&mut self, name: &str) {
        self.left.remove(name);
    }

    /// Refuses weights that nothing has asked for.
    pub(super) fn finish(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(name) => Err(Error::Weight {
                name: (*name).to_owned(),
                got: format!("is not part of this layer ({} such)", self.left.len()),
                want: "the options with which the weights were trained, and the weights of this layer alone \
                       (see `Weights::under`)"
                    .into(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_weight_is_said() {
        let mut weights = Weights::default();
        assert!(weights.insert("a", &[2, 2], vec![0.0; 3]).is_err());
        let error = weights.insert("a", &[2, 2], vec![0.0, 0.0, f32::NAN, 0.0]).unwrap_err();
        assert_eq!(error.to_string(), "weight 'a': row 1, column 0 is NaN; every value must be finite");
        weights.insert("a", &[2, 2], vec![0.0; 4]).unwrap();
        weights.insert("b", &[], vec![1.0]).unwrap();
        let device = Device::cpu();
        let mut reader = Reader::new(&device, &weights);
        let message = |result: Result<&[f32]>| result.unwrap_err().to_string();
        assert_eq!(message(reader.values("a", &[4])), "weight 'a' has the shape [2, 2]; want the shape [4]");
        assert_eq!(message(reader.values("c", &[4, 1])), "weight 'c' is missing; want the shape [4, 1]");
        assert_eq!(reader.values("b", &[]).unwrap(), [1.0]);
        let error = reader.finish().unwrap_err().to_string();
        assert!(error.starts_with("weight 'a' is not part of this layer (1 such); want"), "{error}");
    }
}
