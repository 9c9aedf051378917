//! Comparing known coordinates alone: see [`crate::memory::known`].

use super::{Post, Settings, SparseMemory};
use crate::{
    Device, Error, Result, Rows, Tensor,
    contract::KnownBeta,
    memory::{
        Beta, Memory, Recall, RecallOptions, Status,
        dense::{shifted, unshifted},
        known::{Compare, KnownCache, Marginal, Stored, Together, beside},
        mixture::{batch, behind, best},
    },
    ops::{
        Binary, MASKED, Similarity, SimilarityForm, binary, by_row, check_beta, check_small,
        known_similarity, separate, weighted_sum,
    },
};

impl Marginal for SparseMemory {
    fn stored(&self) -> Result<Stored> {
        if self.settings.post != Post::None {
            let want = "none where coordinates are known: it is of whole rows";
            return Err(Error::parameter("post-transform", self.settings.post, want));
        }
        let kept = Rows::new(self.patterns.to_vec()?, self.dim())?;
        let patterns = match &self.centre {
            Some(centre) => unshifted(&kept, centre)?,
            None => kept,
        };
        let values = self.values.as_ref().map(|v| Rows::new(v.to_vec()?, v.matrix_shape().1)).transpose()?;
        Ok(Stored { patterns, values })
    }

    fn of_columns(&self, patterns: &Rows<'_>, _: &[usize]) -> Result<Box<dyn Marginal>> {
        Ok(Box::new(Self::with(patterns, self.settings.clone())?))
    }

    fn cache(&self) -> &KnownCache {
        &self.known
    }

    fn together(&self, beta: Option<f32>) -> Option<Together> {
        let given = if let Beta::Fixed(beta) = self.settings.beta { Some(beta) } else { None };
        let differences = Together { compare: Compare::Differences, beta: beta.or(given) };
        (self.settings.similarity == Similarity::L2).then_some(differences)
    }

    fn on_host(&self) -> Result<Box<dyn Marginal>> {
        let Stored { patterns, values } = self.stored()?;
        let settings = Settings { device: Some(Device::Cpu), ..self.settings.clone() };
        let mut memory = Self::with(&patterns, settings)?;
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
        let plan = limits.plan(options, queries.rows())?;
        let listed = limits.listed(options)?;
        check_beta(beta)?;
        check_small(beta.into(), self.settings.similarity, self.dim())?;
        let count = options.mask.map_or(self.len(), |mask| mask.iter().filter(|may| **may).count());
        if count == 0 {
            return Err(Error::NoEligiblePattern { patterns: self.len() });
        }
        let separation = self.settings.separation;
        separation.check(count)?;
        let moved = match &self.centre {
            Some(centre) => shifted(queries, centre)?,
            None => queries.clone().into_owned(),
        };
        let (hidden, bias) = match options.mask {
            None => (None, None),
            Some(mask) => {
                let bias: Vec<f32> = mask.iter().map(|may| if *may { 0.0 } else { MASKED }).collect();
                let bias = Tensor::from_flat(self.device(), &bias, &[self.len()])?;
                (Some(behind(mask, self.device())?), Some(bias))
            }
        };
        let mut all = Recall::none(self.dim(), &plan, beta);
        for first in (0..moved.rows()).step_by(batch(self.len(), self.dim())) {
            let end = (first + batch(self.len(), self.dim())).min(moved.rows());
            let x = moved.slice(first..end);
            let scores = known_similarity(&Tensor::new(self.device(), &x)?, &self.patterns)?;
            let factors: Vec<f32> = x.iter().map(|x| of.factor(x.iter().map(|v| v.is_nan()))).collect();
            let mut scores =
                by_row(Binary::Mul, &scores, &Tensor::from_flat(self.device(), &factors, &[factors.len()])?)?;
            if let Some(bias) = &bias {
                scores = binary(Binary::Add, &scores, bias)?;
            }
            let separated = separate(&scores, beta, separation)?;
            let summary = separated.summary.to_vec()?;
            let best = best(&separated.weights, &summary, self.values.as_ref(), hidden.as_ref(), plan.top_k)?;
            let mut read =
                Rows::new(weighted_sum(&separated.weights, &self.patterns)?.to_vec()?, self.dim())?;
            let total = separation.total();
            if total != 1.0 {
                read = Rows::new(
                    read.into_vec().into_iter().map(|v| v / total).collect::<Vec<_>>(),
                    self.dim(),
                )?;
            }
            if let Some(centre) = &self.centre {
                read = unshifted(&read, centre)?;
            }
            let status = summary
                .chunks_exact(4)
                .map(|s| if s[2] == 0.0 { Status::OutOfSupport } else { Status::MaxSteps });
            let mut part = Recall::new(x.into_owned(), vec![0; factors.len()], status.collect());
            part.energy = summary.chunks_exact(4).zip(&factors).map(|(s, f)| -s[0] / f).collect();
            (part.indices, part.weights, part.top_k) = (best.indices, best.weights, plan.top_k);
            (part.effective, part.support) = (best.effective, best.support);
            part.values = Some(beside(&read, best.values.as_ref())?);
            all.extend(part)?;
        }
        all.similarity_form = Some(SimilarityForm::Difference);
        all.listing(listed)
    }

    fn total(&self) -> f32 {
        if self.settings.similarity == Similarity::L2 { self.settings.separation.total() } else { 1.0 }
    }
}
