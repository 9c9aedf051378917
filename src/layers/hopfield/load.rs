//! From the weights of the `PyTorch` layers to heads.

use super::{
    Head, Hopfield, HopfieldOptions,
    options::{Sizes, Space},
};
use crate::{
    Device, Error, Result, Tensor,
    layers::{linear::Linear, norm::Norm, weights::Reader},
};
use std::ops::Range;

/// Weights, or the absence of them.
type Part<'a> = Option<&'a [f32]>;

/// What is weighed within the association, all heads one after the other.
struct Core<'a> {
    device: &'a Device,
    space: Space,
    heads: usize,
    /// Of states, stored patterns and pattern projection: weights `[heads * columns, inputs]`.
    weights: [Part<'a>; 3],
    /// `[heads * columns]`
    biases: [Part<'a>; 3],
    /// `[output, heads * values]`
    output: Part<'a>,
    /// An appended pattern and value, `[heads * hidden]` each.
    bias_rows: Option<[&'a [f32]; 2]>,
}

impl Core<'_> {
    /// The map of states, stored patterns or pattern projection (0, 1, 2), for these heads.
    fn projection(&self, which: usize, heads: Range<usize>) -> Result<Option<Linear>> {
        let Some(weight) = self.weights[which] else { return Ok(None) };
        let columns = [self.space.hidden, self.space.hidden, self.space.values][which];
        let inputs = weight.len() / (self.heads * columns);
        let (start, end) = (heads.start * columns, heads.end * columns);
        let bias = self.biases[which].map(|bias| &bias[start..end]);
        Linear::new(self.device, &weight[start * inputs..end * inputs], inputs, bias).map(Some)
    }

    /// A head's columns of the output map.
    fn output(&self, head: usize) -> Result<Option<Linear>> {
        let Some(weight) = self.output else { return Ok(None) };
        let columns = self.space.values;
        let own = |row: &[f32]| row[head * columns..(head + 1) * columns].to_vec();
        let block: Vec<f32> = weight.chunks_exact(self.heads * columns).flat_map(own).collect();
        Linear::new(self.device, &block, columns, None).map(Some)
    }

    /// The pattern and the value that a head gets beside its own.
    fn bias_rows(&self, head: usize) -> Result<Option<(Tensor, Tensor)>> {
        let Some(rows) = self.bias_rows else { return Ok(None) };
        let columns = self.space.hidden;
        let own = |row: &[f32]| {
            Tensor::from_flat(self.device, &row[head * columns..(head + 1) * columns], &[columns])
        };
        Ok(Some((own(rows[0])?, own(rows[1])?)))
    }
}

/// The layer of the weights whose names begin with `prefix`.
pub(super) fn load(reader: &mut Reader<'_>, options: &HopfieldOptions, prefix: &str) -> Result<Hopfield> {
    let sizes = options.sizes()?;
    let mut norm = |wanted, size: Option<usize>, name: &str| match (wanted, size) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(Error::parameter("input_size", "missing", "given, since the layer has norms")),
        (Some(norm), Some(size)) => {
            let names = ["weight", "bias"].map(|what| format!("{prefix}{name}.{what}"));
            Norm::load(norm, size, (&names[0], &names[1]), reader).map(Some)
        }
    };
    let mut layer = Hopfield {
        norm_stored: norm(options.normalize_stored_pattern, sizes.stored, "norm_stored_pattern")?,
        norm_states: norm(options.normalize_state_pattern, sizes.states, "norm_state_pattern")?,
        norm_projection: norm(
            options.normalize_pattern_projection,
            sizes.projection,
            "norm_pattern_projection",
        )?,
        options: options.clone(),
        sizes,
        ..Hopfield::new(reader.device())
    };
    let default_beta = sizes.space.map_or(1.0, |space| (space.hidden as f32).sqrt().recip());
    let beta = |head: usize| match options.beta.as_slice() {
        [] => default_beta,
        [one] => *one,
        each => each[head],
    };
    let heads = 0..options.num_heads;
    let Some(space) = sizes.space else {
        layer.heads = heads.map(|head| Head { beta: beta(head), ..Head::default() }).collect();
        return Ok(layer);
    };
    let name = |name: &str| format!("{prefix}association_core.{name}");
    if let Some(norm) = options.normalize_hopfield_space {
        let names = (&*name("p_norm_weight"), &*name("p_norm_bias"));
        layer.norm_space = Some(Norm::load(norm, space.hidden, names, reader)?);
    }
    let (weights, biases) = projections(reader, options, sizes, space, name)?;
    let mut output = None;
    if !options.disable_out_projection {
        let shape = [space.output, options.num_heads * space.values];
        output = Some(reader.values(&name("out_proj.weight"), &shape)?);
        if options.input_bias {
            layer.output_bias = Some(reader.tensor(&name("out_proj.bias"), &[space.output])?);
        }
    }
    let bias_names = ["bias_k", "bias_v"].map(name);
    let bias_rows = if options.concat_bias_pattern {
        let shape = [1, 1, options.num_heads * space.hidden];
        Some([reader.values(&bias_names[0], &shape)?, reader.values(&bias_names[1], &shape)?])
    } else {
        bias_names.iter().for_each(|name| reader.ignore(name));
        None
    };
    let core =
        Core { device: reader.device(), space, heads: options.num_heads, weights, biases, output, bias_rows };
    if options.values_from_keys() && !options.pattern_projection_as_static {
        layer.connection = core.projection(1, heads.clone())?;
    }
    let head = |i: usize| -> Result<Head> {
        let key = core.projection(1, i..i + 1)?;
        let value = match core.projection(2, i..i + 1)? {
            None if options.values_from_keys() => key.clone(),
            value => value,
        };
        let (query, output) = (core.projection(0, i..i + 1)?, core.output(i)?);
        Ok(Head { beta: beta(i), query, key, value, output, bias_rows: core.bias_rows(i)? })
    };
    layer.heads = heads.map(head).collect::<Result<_>>()?;
    Ok(layer)
}

/// Weights and biases of states, stored patterns and pattern projection.
fn projections<'a>(
    reader: &mut Reader<'a>,
    options: &HopfieldOptions,
    sizes: Sizes,
    space: Space,
    name: impl Fn(&str) -> String,
) -> Result<([Part<'a>; 3], [Part<'a>; 3])> {
    let heads = options.num_heads;
    let projected = [
        !options.state_pattern_as_static,
        !options.stored_pattern_as_static,
        !options.pattern_projection_as_static,
    ];
    let rows = [heads * space.hidden, heads * space.hidden, heads * space.values];
    let input = options.input_size.unwrap_or(0);
    // One array for all, where PyTorch makes it so.
    let together = options.stored_size() == options.input_size
        && options.projection_size() == options.input_size
        && options.pattern_size.is_none()
        && !options.pattern_projection_as_connected;

    let mut weights = [None; 3];
    if together {
        let all = (0..3).filter(|i| projected[*i]).map(|i| rows[i]).sum();
        if all > 0 {
            let mut rest = reader.values(&name("in_proj_weight"), &[all, input])?;
            for i in (0..3).filter(|i| projected[*i]) {
                let (own, others) = rest.split_at(rows[i] * input);
                (weights[i], rest) = (Some(own), others);
            }
        }
    } else {
        let inputs = [
            sizes.states,
            sizes.stored,
            if options.values_from_keys() { Some(heads * space.hidden) } else { sizes.projection },
        ];
        for (i, own) in ["q_proj_weight", "k_proj_weight", "v_proj_weight"].iter().enumerate() {
            if projected[i] {
                let shape = [rows[i], inputs[i].unwrap_or(input)];
                weights[i] = Some(reader.values(&name(own), &shape)?);
            }
        }
    }

    let mut biases = [None; 3];
    if options.input_bias && projected.contains(&true) {
        // PyTorch's layers have a bias for values even where these are static; it is of no effect.
        let has = [projected[0], projected[1], true];
        let all = (0..3).filter(|i| has[*i]).map(|i| rows[i]).sum();
        let mut rest = reader.values(&name("in_proj_bias"), &[all])?;
        for i in (0..3).filter(|i| has[*i]) {
            let (own, others) = rest.split_at(rows[i]);
            (biases[i], rest) = (Some(own), others);
        }
    }
    Ok((weights, biases))
}
