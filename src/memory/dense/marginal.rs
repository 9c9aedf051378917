//! Comparing known coordinates alone: see [`crate::memory::known`].

use super::{DenseMemory, shifted, unshifted};
use crate::{
    Device, Error, Result, Rows,
    contract::{Form, KnownBeta, Landscape, Plan},
    memory::{
        Beta, Memory, Recall, RecallOptions,
        known::{Compare, KnownCache, Marginal, Stored, Together, beside},
    },
    ops::{Resolution, Similarity, SimilarityForm, check_beta, check_reach, check_small, descent::descend},
};

impl Marginal for DenseMemory {
    fn stored(&self) -> Result<Stored> {
        let numbers: Vec<u32> = (0..self.len() as u32).collect();
        let kept = Rows::new(self.patterns.gather(&numbers)?, self.dim())?;
        let patterns = match &self.centre {
            Some(centre) => unshifted(&kept, centre)?,
            None => kept,
        };
        let values = self.values.as_ref().map(|v| Rows::new(v.gather(&numbers)?, v.columns())).transpose()?;
        Ok(Stored { patterns, values })
    }

    fn of_columns(&self, patterns: &Rows<'_>, _: &[usize]) -> Result<Box<dyn Marginal>> {
        let mut builder = Self::builder().device(self.device()).similarity(self.similarity).beta(self.beta);
        if let Some(form) = self.similarity_form {
            builder = builder.similarity_form(form);
        }
        let mut hidden: Vec<u32> = (0..self.len() as u32).filter(|k| self.is_forgotten(*k)).collect();
        let has_no_direction = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>() < f32::MIN_POSITIVE;
        let mut values = patterns.as_slice().to_vec();
        if self.similarity == Similarity::Cosine {
            // Of which nothing is left has no cosine with anything, and cannot answer.
            for (k, row) in values.chunks_exact_mut(patterns.columns()).enumerate() {
                if has_no_direction(row) {
                    row.fill(1.0);
                    hidden.push(k as u32);
                }
            }
        }
        hidden.sort_unstable();
        hidden.dedup();
        let mut memory = builder.build(&Rows::new(values, patterns.columns())?)?;
        memory.forget(&hidden)?;
        Ok(Box::new(memory))
    }

    fn cache(&self) -> &KnownCache {
        &self.known
    }

    fn together(&self, beta: Option<f32>) -> Option<Together> {
        let compare = match self.similarity {
            Similarity::L2 | Similarity::L1 => Compare::Differences,
            Similarity::Dot => Compare::Products,
            // Lengths of what is known are others for each mask.
            Similarity::Cosine => return None,
        };
        let beta = beta.or(if let Beta::Fixed(beta) = self.beta { Some(beta) } else { None });
        Some(Together { compare, beta })
    }

    fn on_host(&self) -> Result<Box<dyn Marginal>> {
        let Stored { patterns, values } = self.stored()?;
        let mut memory = Self::builder().device(&Device::Cpu).similarity(self.similarity).build(&patterns)?;
        let hidden: Vec<u32> = (0..self.len() as u32).filter(|k| self.is_forgotten(*k)).collect();
        memory.forget(&hidden)?;
        if let Some(values) = values {
            memory.associate(&values)?;
        }
        Ok(Box::new(memory))
    }

    fn by_differences(
        &self,
        queries: &Rows<'_>,
        (beta, of): (f32, KnownBeta),
        options: &RecallOptions<'_>,
    ) -> Result<Recall> {
        let limits = self.limits();
        limits.check(queries, options.mask)?;
        let plan = Plan { values: Some(&self.patterns), ..limits.plan(options, queries.rows())? };
        let (count, widest) = self.eligible(options.mask);
        if count == 0 {
            return Err(Error::NoEligiblePattern { patterns: self.live() });
        }
        let plan = Plan { top_k: plan.top_k.min(count), ..plan };
        check_beta(beta)?;
        let d = self.dim();
        let moved = match &self.centre {
            Some(centre) => shifted(queries, centre)?,
            None => queries.clone().into_owned(),
        };
        let longest = moved.iter().map(|x| x.iter().filter(|v| !v.is_nan()).map(|v| v * v).sum::<f32>());
        let longest = f64::from(longest.fold(widest, f32::max));
        check_reach(beta, self.similarity.reach(longest, d))?;
        check_small(beta.into(), self.similarity, d)?;
        let resolution = Resolution::of(SimilarityForm::Difference, self.similarity, beta, longest, d);
        let form = Form { resolution, known: Some(of), ..Form::new(self.similarity, beta, count, widest) };
        let terms = self.terms(options.mask)?;
        let landscape = Landscape { patterns: &self.patterns, terms: &*terms, form };
        let outcome = descend(&landscape, &moved, &plan)?;
        let mut recall = Recall::of(outcome, &plan, d, beta)?.listing(limits.listed(options)?)?;
        for (energy, x) in recall.energy.iter_mut().zip(moved.iter()) {
            *energy /= of.factor(x.iter().map(|v| v.is_nan()));
        }
        let read = recall.values.take().unwrap_or_else(|| Rows::empty(d));
        let read = match &self.centre {
            Some(centre) => unshifted(&read, centre)?,
            None => read,
        };
        recall.values = Some(match &self.values {
            None => read,
            Some(values) => {
                let plan = Plan { values: Some(values), ..plan };
                let of_values = Rows::new(descend(&landscape, &moved, &plan)?.values, values.columns())?;
                beside(&read, Some(&of_values))?
            }
        });
        Ok(recall)
    }
}
