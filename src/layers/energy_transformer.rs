//! The block of Hoover et al. 2023.

use super::{
    linear::Linear,
    norm::Norm,
    weights::{Reader, Weights},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{
        Axis, Binary, Layout, MASKED, Reduction, Unary, batched_matmul, binary, check_beta, log_sum_exp,
        matmul, reduce, softmax, unary,
    },
};

/// How an [`EnergyTransformer`] descends.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyTransformerOptions {
    /// Steps of a forward pass; the published weights were trained for 12.
    pub steps: u32,
    /// Size of a step, `alpha`.
    pub step_size: f32,
    /// Inverse temperature of the attention. `None`: `1 / sqrt(Y)`, `Y` being the columns of a key.
    pub beta: Option<f32>,
    /// Whether a token attends to itself. The published weights were trained so, against the paper.
    pub self_attention: bool,
    /// Added to the variance in the norm.
    pub eps: f32,
}

impl Default for EnergyTransformerOptions {
    /// 12 steps of 0.1 without self-attention.
    fn default() -> Self {
        Self { steps: 12, step_size: 0.1, beta: None, self_attention: false, eps: 1e-5 }
    }
}

/// The energy transformer block (Hoover et al. 2023, arXiv 2302.07253), forward only: tokens `x`
/// `[N, D]` go down the energy of their normalised forms `g`,
///
/// `E = -(1/beta) sum_h sum_c log sum_{b != c} exp(beta K_hb.Q_hc) - 1/2 sum max(g Xi, 0)^2`,
///
/// by `x <- x - alpha dE/dg`, with keys `K_h = g Wk_h^T` and queries `Q_h = g Wq_h^T`. The norm is per token,
/// with one gain for all columns and a bias per column.
///
/// ```
/// use attractor::{Device, layers::{EnergyTransformer, EnergyTransformerOptions, Weights}};
/// let mut weights = Weights::default();
/// weights.insert("Wk", &[1, 2, 3], vec![0.5, 0.0, 0.1, 0.0, 0.5, -0.2])?;
/// weights.insert("Wq", &[1, 2, 3], vec![0.3, 0.1, 0.0, 0.2, 0.4, 0.0])?;
/// weights.insert("Xi", &[3, 2], vec![0.6, 0.0, 0.0, 0.6, 0.1, 0.1])?;
/// weights.insert("LNORM_gamma", &[], vec![1.0])?;
/// let block = EnergyTransformer::load(&Device::cpu(), EnergyTransformerOptions::default(), &weights)?;
/// let (tokens, energy) = block.forward_rows(&[[1.0, 0.0, 0.2], [0.0, 1.0, -0.3], [0.5, 0.4, 0.1]])?;
/// assert_eq!((tokens.rows(), energy.len()), (3, 13));
/// assert!(energy.windows(2).all(|pair| pair[1] < pair[0]));
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EnergyTransformer {
    device: Device,
    heads: Vec<Head>,
    /// `[D, M]`
    memories: Tensor,
    norm: Norm,
    columns: usize,
    beta: f32,
    options: EnergyTransformerOptions,
}

/// From normalised tokens to keys and queries.
#[derive(Clone, Debug)]
struct Head {
    key: Linear,
    query: Linear,
}

/// Where tokens ended, and the way down.
#[derive(Clone, Debug)]
pub struct Descent {
    /// Tokens of the shape that they came in.
    pub tokens: Tensor,
    /// Energies of the states `0..=steps`, for each entry of the batch.
    pub energy: Vec<Vec<f32>>,
}

impl EnergyTransformer {
    /// A block with weights named as in the published checkpoint: `Wk` and `Wq` `[heads, Y, D]`, `Xi` `[D, M]`,
    /// `LNORM_gamma` (one number) and, where there is one, `LNORM_bias` `[D]`. Other arrays, such as those of
    /// an encoder beside the block, are left alone.
    ///
    /// # Errors
    /// [`Error::Weight`] for a weight that is missing or of another shape; [`Error::InvalidParameter`] for
    /// options outside their range; faults of the device.
    pub fn load(device: &Device, options: EnergyTransformerOptions, weights: &Weights) -> Result<Self> {
        let mut reader = Reader::new(device, weights);
        let Some(&[heads, space, columns]) = reader.shape("Wk").filter(|shape| !shape.contains(&0)) else {
            let shape = reader.shape("Wk");
            let got = shape.map_or("is missing".to_owned(), |shape| format!("has the shape {shape:?}"));
            let want = "the shape [heads, Y, D], none of them 0".to_owned();
            return Err(Error::Weight { name: "Wk".into(), got, want });
        };
        let memories = match reader.shape("Xi") {
            Some(&[_, memories]) => memories,
            _ => 1,
        };
        let beta = options.beta.unwrap_or((space as f32).sqrt().recip());
        check_beta(beta)?;
        if !(options.step_size > 0.0 && options.step_size.is_finite()) {
            return Err(Error::parameter("step_size", options.step_size, "a positive, finite number"));
        }
        let key_weights = reader.values("Wk", &[heads, space, columns])?;
        let query_weights = reader.values("Wq", &[heads, space, columns])?;
        let each = space * columns;
        let head = |i: usize| -> Result<Head> {
            let map = |all: &[f32]| Linear::new(device, &all[i * each..(i + 1) * each], columns, None);
            Ok(Head { key: map(key_weights)?, query: map(query_weights)? })
        };
        let gain_shape: &[usize] = if reader.shape("LNORM_gamma") == Some(&[1]) { &[1] } else { &[] };
        let gain = reader.values("LNORM_gamma", gain_shape)?[0];
        let bias = match reader.shape("LNORM_bias") {
            None => Tensor::from_flat(device, &vec![0.0; columns], &[columns])?,
            Some(_) => reader.tensor("LNORM_bias", &[columns])?,
        };
        let gain = Tensor::from_flat(device, &vec![gain; columns], &[columns])?;
        Ok(Self {
            device: device.clone(),
            heads: (0..heads).map(head).collect::<Result<_>>()?,
            memories: reader.tensor("Xi", &[columns, memories])?,
            norm: Norm::new(options.eps, Some((gain, bias))),
            columns,
            beta,
            options,
        })
    }

    /// Where the block lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Tokens `[N, D]`, or `[B, N, D]` of a batch, after all steps, and the energies on the way, which come
    /// to the host at the end.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] and [`Error::InvalidParameter`] for tokens of another shape, or a single
    /// token where none attends to itself; [`Error::DeviceMismatch`], and faults of the device.
    pub fn forward(&self, tokens: &Tensor) -> Result<Descent> {
        let (batch, count, columns) = match *tokens.shape() {
            [count, columns] => (1, count, columns),
            [batch, count, columns] => (batch, count, columns),
            _ => return Err(Error::parameter("rank of tokens", tokens.shape().len(), "2 or 3")),
        };
        if columns != self.columns {
            return Err(Error::dimension("columns of tokens", columns, self.columns));
        }
        let least = if self.options.self_attention { 1 } else { 2 };
        if count < least {
            let want = format!("at least {least}: each attends to others");
            return Err(Error::parameter("number of tokens", count, want));
        }
        let mask = if self.options.self_attention { None } else { Some(self.diagonal(batch, count)?) };
        let mut x = tokens.with_shape(&[batch, count, columns])?;
        let mut energies = Vec::new();
        for step in 0..=self.options.steps {
            let g = self.norm.forward(&x)?;
            let (down, energy) = self.descent(&g, mask.as_ref(), step < self.options.steps)?;
            energies.push(energy);
            if let Some(down) = down {
                x = binary(Binary::Add, &x, &unary(Unary::Scale(self.options.step_size), &down)?)?;
            }
        }
        let mut trace = vec![Vec::with_capacity(energies.len()); batch];
        for parts in energies {
            let mut totals = vec![0.0_f64; batch];
            for part in parts {
                for (total, of_tokens) in totals.iter_mut().zip(part.to_vec()?.chunks(count)) {
                    *total -= of_tokens.iter().copied().map(f64::from).sum::<f64>();
                }
            }
            trace.iter_mut().zip(totals).for_each(|(trace, total)| trace.push(total as f32));
        }
        Ok(Descent { tokens: x.with_shape(tokens.shape())?, energy: trace })
    }

    /// Rows of the host as the tokens `[N, D]` of one batch: tokens after all steps, and the energies.
    ///
    /// # Errors
    /// As [`EnergyTransformer::forward`], and [`Error::NonFinite`] for NaN and infinities.
    pub fn forward_rows(&self, tokens: &dyn ToRows) -> Result<(Rows<'static>, Vec<f32>)> {
        let tokens = tokens.to_rows()?;
        tokens.check_finite("tokens")?;
        let shape = [1, tokens.rows(), tokens.columns()];
        let mut ended = self.forward(&Tensor::from_flat(&self.device, tokens.as_slice(), &shape)?)?;
        Ok((Rows::new(ended.tokens.to_vec()?, self.columns)?, ended.energy.remove(0)))
    }

    /// What hides each token from itself, `[batch * count, count]`.
    fn diagonal(&self, batch: usize, count: usize) -> Result<Tensor> {
        let mut mask = vec![0.0; batch * count * count];
        for (row, mask) in mask.chunks_exact_mut(count).enumerate() {
            mask[row % count] = MASKED;
        }
        Tensor::from_flat(&self.device, &mask, &[batch * count, count])
    }

    /// `-dE/dg` of normalised tokens `[B, N, D]`, where it is wanted, and parts `[B * N]` whose sum is `-E`.
    fn descent(
        &self,
        g: &Tensor,
        mask: Option<&Tensor>,
        wanted: bool,
    ) -> Result<(Option<Tensor>, Vec<Tensor>)> {
        let mut parts = Vec::new();
        let active = unary(Unary::Relu, &matmul(g, &self.memories, Layout::NN)?)?;
        let squares = reduce(&unary(Unary::Square, &active)?, Reduction::Sum, Axis::Columns)?;
        parts.push(unary(Unary::Scale(0.5), &squares)?);
        let mut down = if wanted {
            Some(matmul(&active, &self.memories, Layout::NT)?.with_shape(g.shape())?)
        } else {
            None
        };
        for head in &self.heads {
            let (keys, queries) = (head.key.forward(g)?, head.query.forward(g)?);
            let mut scores = batched_matmul(&queries, &keys, Layout::NT)?;
            if let Some(mask) = mask {
                scores = binary(Binary::Add, &scores, mask)?;
            }
            parts.push(log_sum_exp(&scores, self.beta)?);
            if let Some(sum) = down.as_mut() {
                let p = softmax(&scores, self.beta)?;
                // What a token's query, and what its key, pulls it to.
                let of_query = head.query.back(&batched_matmul(&p, &keys, Layout::NN)?)?;
                let of_key = head.key.back(&batched_matmul(&p, &queries, Layout::TN)?)?;
                *sum = binary(Binary::Add, &binary(Binary::Add, sum, &of_query)?, &of_key)?;
            }
        }
        Ok((down, parts))
    }
}
