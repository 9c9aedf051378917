//! Descents that stay on the device: `walk.wgsl` takes each step or takes it back, and makes the next state to look at.

use super::super::{Context, Dispatch, Matrix, parameters, softmax::by_rows};
use crate::{Result, Rows, tensor::Tensor};
use std::sync::Arc;

/// One state's descent; see `shaders/walk.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Walker {
    /// The sum of kernels and the energy of the state that was taken last.
    pub(crate) u: f32,
    pub(crate) energy: f32,
    length: f32,
    step_size: f32,
    pub(crate) halvings: u32,
    pub(crate) steps: u32,
    status: u32,
    unused: u32,
}

/// How a descent has ended.
pub(crate) enum End {
    Converged,
    NonFinite,
    /// The sum of kernels is clipped.
    Dead,
    /// Every further step would have raised the energy.
    Rises,
}

impl Walker {
    /// How it has ended; `None` while it moves.
    pub(crate) fn end(&self) -> Option<End> {
        match self.status {
            0 => None,
            1 => Some(End::Converged),
            2 => Some(End::NonFinite),
            3 => Some(End::Dead),
            _ => Some(End::Rises),
        }
    }
}

/// How to walk; see [`crate::memory::FeatureDescent`].
pub(crate) struct Rules {
    pub(crate) step_size: f32,
    pub(crate) backtrack: bool,
    pub(crate) tolerance: f32,
    /// 0 for any length.
    pub(crate) longest: f32,
    pub(crate) beta: f32,
    pub(crate) epsilon: f32,
    /// The square root of the patterns' weight.
    pub(crate) root: f32,
    /// Factors of sums of features, of their gradients, and of the pull to the origin.
    pub(crate) scale: f32,
    pub(crate) slope: f32,
    pub(crate) pull: f32,
    /// What states are multiplied by for products, and their squares for what is taken off exponents.
    pub(crate) unit: f32,
    pub(crate) decay: f32,
}

/// States under way.
pub(crate) struct Walk {
    walkers: super::super::Buffer,
    taken: Matrix,
    trials: Matrix,
    /// The next states to look at, times their unit `[b, d]`, and what is taken off their exponents `[1, b]`.
    pub(crate) scaled: Tensor,
    pub(crate) shift: Tensor,
}

impl Walk {
    /// Puts states `[b, d]` where they start; `free` `[b, d]` is 1 where a coordinate may move, else 0.
    pub(crate) fn new(
        context: &Arc<Context>,
        states: &Rows<'_>,
        free: &Rows<'_>,
        rules: &Rules,
    ) -> Result<Self> {
        let (b, d) = (states.rows(), states.columns());
        let walkers = vec![Walker { step_size: rules.step_size, ..Walker::default() }; b];
        let mut taken = states.as_slice().to_vec();
        taken.resize(2 * b * d, 0.0);
        taken.extend_from_slice(free.as_slice());
        let scaled: Vec<f32> = states.as_slice().iter().map(|v| rules.unit * v).collect();
        let squares = |x: &[f32]| rules.decay * x.iter().map(|v| v * v).sum::<f32>();
        let shift: Vec<f32> = states.iter().map(squares).collect();
        let upload = |rows: Rows<'_>| {
            let (rows_, columns) = (rows.rows(), rows.columns());
            Matrix::upload(context, &rows, rows_, columns)
        };
        Ok(Self {
            walkers: context.upload("walkers", bytemuck::cast_slice(&walkers))?,
            taken: upload(Rows::new(taken, d)?)?,
            trials: upload(states.slice(0..b))?,
            scaled: Tensor::on_gpu(upload(Rows::new(scaled, d)?)?, &[b, d])?,
            shift: Tensor::on_gpu(upload(Rows::new(shift, b)?)?, &[1, b])?,
        })
    }

    /// Records what follows a look that found `sums` `[1, b]` and `slopes` `[b, d]`.
    pub(crate) fn advance(
        &self,
        (sums, slopes): (&Matrix, &Matrix),
        (scaled, shift): (&Matrix, &Matrix),
        rules: &Rules,
        start: bool,
    ) -> Result<()> {
        let (b, width) = (self.trials.rows(), self.trials.width4());
        let context = self.trials.context();
        let (kernel, groups, trips) = by_rows(context, ("walk.serial", "walk.group"), b, width, (3, 4));
        context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Walk {
                rows: b as u32,
                width: width as u32,
                start: u32::from(start),
                backtrack: u32::from(rules.backtrack),
                beta: rules.beta,
                scale: rules.scale,
                slope: rules.slope,
                pull: rules.pull,
                epsilon: rules.epsilon,
                tolerance: rules.tolerance,
                longest: rules.longest,
                root: rules.root,
                unit: rules.unit,
                decay: rules.decay,
            },
            buffers: &[
                &self.walkers,
                self.taken.buffer(),
                self.trials.buffer(),
                scaled.buffer(),
                shift.buffer(),
                sums.buffer(),
                slopes.buffer(),
            ],
            groups,
            trips,
            work: 10.0 * (b * 4 * width) as f64,
        })
    }

    /// Waits for what is recorded: how far each state has come.
    pub(crate) fn walkers(&self) -> Result<Vec<Walker>> {
        let bytes = self.trials.context().read(&[&self.walkers])?;
        Ok(bytemuck::pod_collect_to_vec(&bytes[0]))
    }

    /// The states that were taken last, `[b * d]`.
    pub(crate) fn states(&self) -> Result<Vec<f32>> {
        let mut all = self.taken.download()?;
        all.truncate(self.trials.rows() * self.trials.columns());
        Ok(all)
    }
}
