//! Comparing known coordinates alone: see [`crate::memory::known`].

use super::{DenseMemory, unshifted};
use crate::{
    Result, Rows,
    memory::{
        Beta, Memory,
        known::{KnownCache, Marginal, Stored, Together},
    },
    ops::{Resolution, Similarity, SimilarityForm},
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

    fn of_columns(&self, patterns: &Rows<'_>, columns: &[usize]) -> Result<Box<dyn Memory>> {
        let mut builder = Self::builder().device(self.device()).similarity(self.similarity).beta(self.beta);
        if let Some(form) = self.similarity_form {
            builder = builder.similarity_form(form);
        }
        if columns.is_empty() {
            builder = builder.similarity(Similarity::Dot).beta(Beta::Fixed(1.0));
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
        let is_distance = match self.similarity {
            Similarity::L2 => true,
            Similarity::Dot => false,
            // Their lengths, or their distances, depend on the mask otherwise than by products.
            Similarity::Cosine | Similarity::L1 => return None,
        };
        let beta = beta.or(if let Beta::Fixed(beta) = self.beta { Some(beta) } else { None });
        Some(Together { is_distance, beta, centre: self.centre.clone() })
    }

    fn products_suffice(&self, beta: f32) -> bool {
        // The columns of patterns and of their squares. (Dot products have no other form.)
        let d = 2 * self.dim();
        let form = || Resolution::choose(Similarity::L2, beta, self.widest.into(), d, self.far).form;
        let form = self.similarity_form.unwrap_or_else(form);
        self.similarity == Similarity::Dot || form == SimilarityForm::Product
    }
}
