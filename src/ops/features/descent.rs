//! Descents on the energy of random features that stay on a GPU: looks and steps are recorded together, and the host only asks
//! from time to time whether any state still moves. The CPU has no need of that: see [`crate::memory::FeatureMemory::descend`].

use super::{Factors, FeatureVector, Features};
pub(crate) use crate::gpu::features::walk::{End, Walker};
use crate::{
    Result, Rows,
    gpu::features::walk::{Rules, Walk},
    tensor::Place,
};

/// Steps between looks at whether any state still moves.
const LOOK: u32 = 64;

/// How to walk; see [`crate::memory::FeatureDescent`].
pub(crate) struct FeatureRules {
    pub(crate) steps: u32,
    pub(crate) step_size: f32,
    pub(crate) backtrack: bool,
    pub(crate) tolerance: f32,
    pub(crate) longest: Option<f32>,
    /// What sums of kernels are clipped to.
    pub(crate) epsilon: f32,
    /// The weight of the patterns.
    pub(crate) weight: f64,
}

/// Where states have ended.
pub(crate) struct FeatureWalk {
    /// `[b * d]`
    pub(crate) states: Vec<f32>,
    pub(crate) walkers: Vec<Walker>,
}

impl Features {
    /// Walks states `[b, d]` to their ends; `free` `[b, d]` is 1 where a coordinate may move, else 0. `None` on the CPU.
    ///
    /// # Errors
    /// Faults of the device.
    pub(crate) fn walk(
        &self,
        states: &Rows<'_>,
        free: &Rows<'_>,
        memory: &FeatureVector,
        rules: &FeatureRules,
        tell: &dyn Fn(u32) -> Result<()>,
    ) -> Result<Option<FeatureWalk>> {
        let Some(context) = self.device.as_gpu().filter(|_| states.rows() > 0) else { return Ok(None) };
        let Factors { scale, slope, pull } = self.factors();
        let of_kernel = Rules {
            step_size: rules.step_size,
            backtrack: rules.backtrack,
            tolerance: rules.tolerance,
            longest: rules.longest.unwrap_or(0.0),
            beta: self.spec.beta,
            epsilon: rules.epsilon,
            root: rules.weight.sqrt() as f32,
            scale,
            slope,
            pull,
            unit: self.unit() as f32,
            decay: self.decay(),
        };
        let walk = Walk::new(context, states, free, &of_kernel)?;
        let look = |start: bool| -> Result<()> {
            let (u, g) = self.look_on_gpu(&walk.scaled, &walk.shift, &memory.sides)?;
            match (u.place(), g.place(), walk.scaled.place(), walk.shift.place()) {
                (Place::Gpu(u), Place::Gpu(g), Place::Gpu(scaled), Place::Gpu(shift)) => {
                    walk.advance((u, g), (scaled, shift), &of_kernel, start)
                }
                _ => Ok(()),
            }
        };
        look(true)?;
        let (mut done, mut walkers) = (0, walk.walkers()?);
        while done < rules.steps && walkers.iter().any(|walker| walker.end().is_none()) {
            let more = LOOK.min(rules.steps - done);
            (0..more).try_for_each(|_| look(false))?;
            done += more;
            walkers = walk.walkers()?;
            tell(done)?;
        }
        Ok(Some(FeatureWalk { states: walk.states()?, walkers }))
    }
}
