//! Queries so far from all patterns that f32 does not tell these apart. The CPU goes to f64 by itself; a GPU has none, so what it has
//! found of them is replaced by what the CPU finds.

use super::DenseMemory;
use crate::{
    Device, Precision, Result, Rows,
    contract::{Form, Landscape, Outcome, Plan, Terms, clamp_row},
    memory::Memory,
    ops::{Term, descent::descend},
    tensor::Shards,
};

impl DenseMemory {
    /// Recalls the queries again for which f32 was not enough. It brings all patterns to the host.
    pub(super) fn mend_far(
        &self,
        outcome: &mut Outcome,
        form: Form,
        queries: &Rows<'_>,
        mask: Option<&[bool]>,
        plan: &Plan<'_>,
    ) -> Result<()> {
        let single = form.resolution.single;
        let far: Vec<usize> = match single {
            // Inner products are what the GPU makes of them: there is no better form there.
            ..0.0 => Vec::new(),
            _ => (0..outcome.farthest.len()).filter(|i| outcome.farthest[*i] > single).collect(),
        };
        if far.is_empty() {
            return Ok(());
        }
        let d = self.dim();
        let numbers: Vec<u32> = (0..self.len() as u32).collect();
        let on_host = |shards: &Shards| -> Result<Shards> {
            let mut copy = Shards::new(&Device::Cpu, shards.columns(), Precision::F32)?;
            copy.append(&Rows::new(shards.gather(&numbers)?, shards.columns())?, None)?;
            Ok(copy)
        };
        let patterns = on_host(&self.patterns)?;
        let values = plan.values.map(on_host).transpose()?;
        let hidden = |i: usize| self.is_forgotten(i as u32) || mask.is_some_and(|m| !m[i]);
        let term =
            |i: usize| if hidden(i) { Term::HIDDEN } else { Term::new(self.similarity, self.squared[i]) };
        let terms = Terms::Cpu((0..self.len()).map(term).collect());
        let clamp: Option<Vec<bool>> = plan.clamp.map(|c| match c.len() == d {
            true => c.to_vec(),
            false => far.iter().flat_map(|i| clamp_row(c, *i, d)).copied().collect(),
        });
        let some: Vec<f32> = far.iter().flat_map(|i| queries.row(*i)).copied().collect();
        let landscape = Landscape { patterns: &patterns, terms: &terms, form };
        let plan = Plan { clamp: clamp.as_deref(), values: values.as_ref(), progress: None, ..*plan };
        let again = descend(&landscape, &Rows::new(some, d)?, &plan)?;
        outcome.replace(&far, again);
        Ok(())
    }
}
