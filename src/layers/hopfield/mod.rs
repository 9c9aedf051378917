//! The layers of Ramsauer et al. 2021.

mod load;
mod lookup;
mod masks;
mod options;
mod pooling;

pub use lookup::HopfieldLayer;
pub use options::HopfieldOptions;
pub use pooling::HopfieldPooling;

use super::{
    linear::Linear,
    norm::Norm,
    weights::{Reader, Weights},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{
        Axis, Binary, Layout, Reduction, Unary, append_row, batched_matmul, binary, reduce, softmax, unary,
    },
};
use options::Sizes;

/// Most updates where none is said.
const MOST_UPDATES: u32 = 10_000;

/// Associates states with stored patterns: `softmax(beta Q K^T) V` per head, with `Q` projected from
/// states, `K` from stored patterns and `V` from the pattern projection's input, and with updates `Q <-
/// softmax(beta Q K^T) K` before the values are read out (Ramsauer et al. 2021, section 3). Forward only.
///
/// [`Hopfield::new`] has the static mode, where inputs are what they are: the memory itself.
/// [`Hopfield::load`] takes the weights of a trained `hflayers.Hopfield`.
///
/// ```
/// use attractor::{Device, layers::Hopfield};
/// let layer = Hopfield::new(&Device::cpu());
/// let stored = [[5.0, 0.0], [0.0, 5.0]];
/// let out = layer.forward_rows(&stored, &[[0.9, 0.1]])?;
/// assert!(out[(0, 0)] > 4.8);
/// # Ok::<(), attractor::Error>(())
/// ```
///
/// Where the official code does otherwise than it says, this layer does what is said:
/// [`beta` of each head](HopfieldOptions::beta), [`concat_bias_pattern`](HopfieldOptions::concat_bias_pattern),
/// and static inputs of several heads, which the official code mixes up over the batch.
#[derive(Clone, Debug)]
pub struct Hopfield {
    device: Device,
    norm_stored: Option<Norm>,
    norm_states: Option<Norm>,
    norm_projection: Option<Norm>,
    norm_space: Option<Norm>,
    /// What the pattern projection's input goes through ahead of the heads.
    connection: Option<Linear>,
    heads: Vec<Head>,
    output_bias: Option<Tensor>,
    options: HopfieldOptions,
    sizes: Sizes,
}

/// What is a head's own; inputs without a map are taken as they are.
#[derive(Clone, Debug, Default)]
struct Head {
    beta: f32,
    query: Option<Linear>,
    key: Option<Linear>,
    value: Option<Linear>,
    /// Its part of the output map.
    output: Option<Linear>,
    /// A stored pattern and a value that are appended.
    bias_rows: Option<(Tensor, Tensor)>,
}

/// What goes into a [`Hopfield`] layer: tensors `[B, L, d]` of a batch, or `[L, d]` of one. Stored patterns
/// and projection without a batch are shared by all entries of a batch of states.
///
/// ```
/// use attractor::{Device, Tensor, layers::{Hopfield, HopfieldInput}};
/// let device = Device::cpu();
/// let stored = Tensor::from_flat(&device, &[5.0, 0.0, 0.0, 5.0], &[2, 2])?;
/// let states = Tensor::from_flat(&device, &[0.9, 0.1], &[1, 1, 2])?;
/// let second_is_padding = [false, true];
/// let input = HopfieldInput { padding: Some(&second_is_padding), ..HopfieldInput::new(&stored, &states) };
/// let out = Hopfield::new(&device).forward(&input)?;
/// assert_eq!((out.shape(), out.to_vec()?), (&[1, 1, 2][..], vec![5.0, 0.0]));
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HopfieldInput<'a> {
    /// Stored patterns `[B, S, d]`.
    pub stored: &'a Tensor,
    /// States `[B, L, d]`.
    pub states: &'a Tensor,
    /// What the values are projected from, `[B, S, d]`.
    pub projection: &'a Tensor,
    /// `[B, S]`, `true` where a stored pattern is padding: no state is associated with it.
    pub padding: Option<&'a [bool]>,
    /// `[L, S]`, `true` where a state must not be associated with a stored pattern.
    pub association_mask: Option<&'a [bool]>,
}

impl<'a> HopfieldInput<'a> {
    /// Without masks, and with values that are projected from the stored patterns too.
    pub fn new(stored: &'a Tensor, states: &'a Tensor) -> Self {
        Self { stored, states, projection: stored, padding: None, association_mask: None }
    }
}

/// Entries of the batch, states and stored patterns of each.
#[derive(Clone, Copy)]
struct Counts {
    batch: usize,
    states: usize,
    patterns: usize,
    /// Matrices of stored patterns: 1 where they are shared.
    groups: usize,
}

impl Hopfield {
    /// The static mode with `beta` 1, which needs no weights.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
            norm_stored: None,
            norm_states: None,
            norm_projection: None,
            norm_space: None,
            connection: None,
            heads: vec![Head { beta: 1.0, ..Head::default() }],
            output_bias: None,
            options: HopfieldOptions::default(),
            sizes: Sizes { states: None, stored: None, projection: None, space: None },
        }
    }

    /// A layer with weights, which have the names of the `state_dict` of `hflayers.Hopfield`.
    ///
    /// # Errors
    /// [`Error::Weight`] for a weight that is missing, of another shape or left over;
    /// [`Error::InvalidParameter`] and [`Error::DimensionMismatch`] for options that do not fit each other;
    /// faults of the device.
    ///
    /// ```
    /// use attractor::{Device, layers::{Hopfield, HopfieldOptions, Weights}};
    /// let error = Hopfield::load(&Device::cpu(), &HopfieldOptions::pytorch(8), &Weights::default()).unwrap_err();
    /// assert_eq!(error.to_string(), "weight 'norm_stored_pattern.weight' is missing; want the shape [8]");
    /// // Without norms and projections there is nothing to load.
    /// let updates = HopfieldOptions { update_steps: None, beta: vec![4.0], ..HopfieldOptions::default() };
    /// assert!(Hopfield::load(&Device::cpu(), &updates, &Weights::default()).is_ok());
    /// ```
    pub fn load(device: &Device, options: &HopfieldOptions, weights: &Weights) -> Result<Self> {
        let mut reader = Reader::new(device, weights);
        let layer = load::load(&mut reader, options, "")?;
        reader.finish()?;
        Ok(layer)
    }

    /// Where the layer lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The output `[B, L, out]`, or `[L, out]` where the states have no batch. Updates until convergence,
    /// and more than one, wait for the device after each, to see whether it is the last.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] and [`Error::InvalidParameter`] for shapes that do not fit;
    /// [`Error::EmptyMemory`] without stored patterns; [`Error::NoEligiblePattern`] where masks hide all
    /// from a state; [`Error::DeviceMismatch`], and faults of the device.
    pub fn forward(&self, input: &HopfieldInput<'_>) -> Result<Tensor> {
        let counts = self.check(input)?;
        let mut sum: Option<Tensor> = None;
        for (i, (weights, values)) in self.associate(input, counts)?.into_iter().enumerate() {
            let read = batched_matmul(&weights, &values, Layout::NN)?;
            let part = match &self.heads[i].output {
                Some(output) => output.forward(&read)?,
                None if self.heads.len() == 1 => read,
                None => {
                    let columns = read.shape()[2];
                    Linear::placing(&self.device, columns, i, self.heads.len())?.forward(&read)?
                }
            };
            sum = Some(match sum {
                None => part,
                Some(sum) => binary(Binary::Add, &sum, &part)?,
            });
        }
        // `num_heads` is at least 1.
        let Some(mut out) = sum else { return Err(Error::parameter("num_heads", 0, "at least 1")) };
        if let Some(bias) = &self.output_bias {
            out = binary(Binary::Add, &out, bias)?;
        }
        if let Some(activation) = self.options.association_activation {
            out = unary(activation, &out)?;
        }
        let mut shape = input.states.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = out.shape()[2];
        }
        out.with_shape(&shape)
    }

    /// Weights `[B, L, S]` of each head: how much of each value a state is given. Appended patterns (bias,
    /// zeros) come after the `S` that are stored.
    ///
    /// # Errors
    /// As [`Hopfield::forward`].
    pub fn associations(&self, input: &HopfieldInput<'_>) -> Result<Vec<Tensor>> {
        let counts = self.check(input)?;
        let of_heads = self.associate(input, counts)?;
        let shaped = |(weights, _): (Tensor, Tensor)| {
            weights.with_shape(&[counts.batch, counts.states, weights.shape()[2]])
        };
        of_heads.into_iter().map(shaped).collect()
    }

    /// The output `[L, out]` for rows of the host, values being projected from the stored patterns.
    ///
    /// # Errors
    /// As [`Hopfield::forward`], and [`Error::NonFinite`] for NaN and infinities.
    pub fn forward_rows(&self, stored: &dyn ToRows, states: &dyn ToRows) -> Result<Rows<'static>> {
        let stored = self.upload("stored patterns", stored)?;
        let states = self.upload("states", states)?;
        let out = self.forward(&HopfieldInput::new(&stored, &states))?;
        Rows::new(out.to_vec()?, out.shape()[1])
    }

    /// Rows of the host on the device.
    fn upload(&self, what: &str, rows: &dyn ToRows) -> Result<Tensor> {
        let rows = rows.to_rows()?;
        rows.check_finite(what)?;
        Tensor::from_flat(&self.device, rows.as_slice(), &[rows.rows(), rows.columns()])
    }

    fn check(&self, input: &HopfieldInput<'_>) -> Result<Counts> {
        let seen = |what: &'static str, x: &Tensor, columns: Option<usize>| {
            let (batch, rows, got) = match *x.shape() {
                [rows, columns] => (None, rows, columns),
                [batch, rows, columns] => (Some(batch), rows, columns),
                _ => return Err(Error::parameter("rank of an input of a layer", x.shape().len(), "2 or 3")),
            };
            if let Some(want) = columns.filter(|want| *want != got) {
                return Err(Error::dimension(format!("columns of the {what}"), got, want));
            }
            Ok((batch, rows, got))
        };
        let (batch, states, columns) = seen("states", input.states, self.sizes.states)?;
        let (groups, patterns, stored_columns) = seen("stored patterns", input.stored, self.sizes.stored)?;
        let (values_batch, values, _) = seen("pattern projection", input.projection, self.sizes.projection)?;
        if self.sizes.space.is_none() && stored_columns != columns {
            return Err(Error::dimension(
                "columns of the stored patterns (as states have)",
                stored_columns,
                columns,
            ));
        }
        if patterns == 0 {
            return Err(Error::EmptyMemory);
        }
        if values != patterns {
            return Err(Error::dimension(
                "rows of the pattern projection (as stored patterns)",
                values,
                patterns,
            ));
        }
        let all = batch.unwrap_or(1);
        if groups.is_some_and(|groups| groups != all) {
            return Err(Error::dimension(
                "batch of the stored patterns (as of states)",
                groups.unwrap_or(1),
                all,
            ));
        }
        if values_batch != groups {
            let (got, want) = (values_batch.unwrap_or(1), groups.unwrap_or(1));
            return Err(Error::dimension(
                "batch of the pattern projection (as of stored patterns)",
                got,
                want,
            ));
        }
        Ok(Counts { batch: all, states, patterns, groups: groups.unwrap_or(1) })
    }

    /// Weights `[groups, L, S]` and values `[groups, S, v]` of each head.
    fn associate(&self, input: &HopfieldInput<'_>, counts: Counts) -> Result<Vec<(Tensor, Tensor)>> {
        let Counts { batch, states: rows, patterns, groups } = counts;
        let normed = |norm: &Option<Norm>, x: &Tensor| match norm {
            None => Ok(x.clone()),
            Some(norm) => norm.forward(x),
        };
        let shaped = |x: Tensor, rows: usize| {
            let columns = x.shape().last().copied().unwrap_or(0);
            x.with_shape(&[groups, rows, columns])
        };
        let states =
            shaped(normed(&self.norm_states, input.states)?, if groups == 1 { batch * rows } else { rows })?;
        let stored = shaped(normed(&self.norm_stored, input.stored)?, patterns)?;
        let mut projection = shaped(normed(&self.norm_projection, input.projection)?, patterns)?;
        if let Some(connection) = &self.connection {
            projection = connection.forward(&projection)?;
        }
        let extra =
            usize::from(self.options.concat_bias_pattern) + usize::from(self.options.add_zero_association);
        let mask = masks::mask(&self.device, input, [batch, rows, patterns], extra)?;
        let one = |head: &Head| {
            let mapped = |map: &Option<Linear>, x: &Tensor| match map {
                None => Ok(x.clone()),
                Some(map) => map.forward(x),
            };
            let query = normed(&self.norm_space, &mapped(&head.query, &states)?)?;
            let mut keys = normed(&self.norm_space, &mapped(&head.key, &stored)?)?;
            let mut values = mapped(&head.value, &projection)?;
            if let Some((key, value)) = &head.bias_rows {
                (keys, values) = (append_row(&keys, key)?, append_row(&values, value)?);
            }
            if self.options.add_zero_association {
                let zeros =
                    |x: &Tensor| Tensor::from_flat(&self.device, &vec![0.0; x.shape()[2]], &[x.shape()[2]]);
                (keys, values) = (append_row(&keys, &zeros(&keys)?)?, append_row(&values, &zeros(&values)?)?);
            }
            Ok((self.settle(query, &keys, mask.as_ref(), head.beta, counts)?, values))
        };
        self.heads.iter().map(one).collect()
    }

    /// The weights after as many updates as there are to be.
    fn settle(
        &self,
        query: Tensor,
        keys: &Tensor,
        mask: Option<&Tensor>,
        beta: f32,
        counts: Counts,
    ) -> Result<Tensor> {
        let weights = |query: &Tensor| {
            let mut scores = batched_matmul(query, keys, Layout::NT)?;
            if let Some(mask) = mask {
                scores = binary(Binary::Add, &scores, mask)?;
            }
            softmax(&scores, beta)
        };
        let mut now = weights(&query)?;
        let updates = self.options.update_steps.unwrap_or(MOST_UPDATES);
        for update in 1..=updates {
            let next = weights(&batched_matmul(&now, keys, Layout::NN)?)?;
            let before = std::mem::replace(&mut now, next);
            if update < updates && change(&before, &now, counts)? <= f64::from(self.options.update_eps) {
                break;
            }
        }
        Ok(now)
    }
}

/// The largest Frobenius norm of the change of an entry's weights.
fn change(before: &Tensor, after: &Tensor, counts: Counts) -> Result<f64> {
    let squares = unary(Unary::Square, &binary(Binary::Sub, after, before)?)?;
    let of_states = reduce(&squares, Reduction::Sum, Axis::Columns)?.to_vec()?;
    let of_entries =
        of_states.chunks(counts.states.max(1)).map(|rows| rows.iter().copied().map(f64::from).sum::<f64>());
    Ok(of_entries.fold(0.0, f64::max).sqrt())
}
