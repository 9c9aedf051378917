//! Settings of a dense memory.

use super::{DenseMemory, Forgotten, Neighbours};
use crate::{
    Device, Error, Precision, Result, Rows, SharedRows, ToRows,
    memory::{Beta, known::KnownCache},
    ops::{Similarity, SimilarityForm, check_beta},
    tensor::Shards,
};
use parking_lot::Mutex;
use std::sync::Arc;

/// Settings of a [`DenseMemory`] before it takes patterns.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    device: Option<Device>,
    similarity: Similarity,
    similarity_form: Option<SimilarityForm>,
    beta: Beta,
    precision: Precision,
    shard_rows: Option<usize>,
}

impl Builder {
    /// Where the memory lives; [`Device::best`] where this is not called.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// How queries and patterns are compared.
    #[must_use]
    pub fn similarity(mut self, similarity: Similarity) -> Self {
        self.similarity = similarity;
        self
    }

    /// How similarities are worked out, whatever is lost or costs; without it, each recall takes the form that tells apart what
    /// `beta` asks for.
    #[must_use]
    pub fn similarity_form(mut self, form: SimilarityForm) -> Self {
        self.similarity_form = Some(form);
        self
    }

    /// The inverse temperature: a number, or [`Beta::Auto`].
    #[must_use]
    pub fn beta(mut self, beta: impl Into<Beta>) -> Self {
        self.beta = beta.into();
        self
    }

    /// How patterns are kept.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// At most so many patterns to a shard, below what the device allows; for trying the borders of
    /// shards with little data.
    #[must_use]
    pub fn shard_rows(mut self, rows: usize) -> Self {
        self.shard_rows = Some(rows);
        self
    }

    /// The memory, with these patterns `[n, d]`.
    ///
    /// # Errors
    /// As [`DenseMemory::new`].
    pub fn build<P: ToRows + ?Sized>(&self, patterns: &P) -> Result<DenseMemory> {
        let rows = patterns.to_rows()?;
        let mut memory = self.empty(rows.columns())?;
        memory.add(&rows, None)?;
        Ok(memory)
    }

    /// The memory, with patterns that someone else holds, for example a mapped file. On the CPU and in
    /// f32 they are used where they are, without a copy.
    ///
    /// # Errors
    /// As [`DenseMemory::new`].
    pub fn build_shared(&self, patterns: SharedRows, columns: usize) -> Result<DenseMemory> {
        let mut memory = self.empty(columns)?;
        let view = Rows::new((*patterns).as_ref(), columns)?;
        memory.add(&view, Some(Arc::clone(&patterns)))?;
        Ok(memory)
    }

    fn empty(&self, columns: usize) -> Result<DenseMemory> {
        if let Beta::Fixed(beta) = self.beta {
            check_beta(beta)?;
        }
        if columns == 0 {
            return Err(Error::EmptyMemory);
        }
        let device = match &self.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let mut patterns = Shards::new(&device, columns, self.precision)?;
        if let Some(context) = device.as_gpu() {
            patterns.may_overflow(context.memory_budget());
        }
        if let Some(rows) = self.shard_rows {
            patterns.limit_rows(rows);
        }
        Ok(DenseMemory {
            patterns,
            values: None,
            similarity: self.similarity,
            similarity_form: self.similarity_form,
            beta: self.beta,
            centre: None,
            far: false,
            squared: Vec::new(),
            widest: 0.0,
            magnitudes: Vec::new(),
            largest: 0.0,
            forgotten: Forgotten::default(),
            hashes: Vec::new(),
            terms: Mutex::new(None),
            neighbours: Mutex::new(Neighbours::default()),
            choice: Mutex::new(None),
            choice_among: Mutex::new(None),
            known: KnownCache::default(),
        })
    }
}
