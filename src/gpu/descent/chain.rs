//! A pass over the patterns as a chain of products: scores of a chunk, weights with the running maximum
//! and sums, weighted sums (cut into slices where there are few outputs, then added).

use super::{
    super::{
        Context, Dispatch, matmul::Product, padded, parameters, row_columns, softmax::by_rows, topk::Best,
    },
    Batch, Chunk,
};
use crate::{
    Precision, Result,
    contract::{Form, MASKED, Similarity},
};

/// What the names of the kernels start with that score patterns in this form.
pub(in crate::gpu) fn scores_family(form: Form, precision: Precision) -> String {
    let metric = match form.similarity {
        Similarity::L1 => "l1.",
        _ if form.squares() => "squared.",
        _ => "",
    };
    format!("scores.{metric}{precision}")
}

/// What a pass over the patterns is for.
pub(super) struct Pass<'a> {
    /// Columns of the rows that are summed; 0 where nothing is.
    pub(super) width: usize,
    /// Precision of those rows.
    pub(super) precision: Precision,
    /// Whether settled queries are left out.
    pub(super) skip: bool,
    /// Whether scores become weights.
    pub(super) weigh: bool,
    pub(super) best: Option<&'a mut Best>,
}

impl Batch<'_> {
    /// Slices that the weighted sums of a chunk are cut into, so that enough invocations are busy.
    pub(super) fn most_splits(
        context: &Context,
        b: usize,
        width: usize,
        chunk: usize,
        bytes: usize,
    ) -> usize {
        let tiles = b.div_ceil(8) * width.div_ceil(8).max(1);
        let room = bytes / (b * padded(width) * 4).max(1);
        (context.breadth() / tiles).clamp(1, (chunk / 256).max(1)).min(room.max(1))
    }

    /// Records a pass over some chunks; `fresh` says that nothing has been summed yet.
    pub(super) fn pass(&self, chunks: &[Chunk<'_>], pass: &mut Pass<'_>, fresh: bool) -> Result<()> {
        for (i, chunk) in chunks.iter().enumerate() {
            self.score(chunk, pass)?;
            if pass.width > 0 {
                self.sum(chunk, pass, fresh && i == 0)?;
            }
        }
        Ok(())
    }

    /// Scores of a chunk, and weights from them.
    fn score(&self, chunk: &Chunk<'_>, pass: &mut Pass<'_>) -> Result<()> {
        let (b, n) = (self.queries.count, chunk.rows.len());
        let Form { similarity, .. } = self.form;
        Product {
            family: &scores_family(self.form, self.precision),
            per_trip: 4,
            buffers: &[
                self.states,
                chunk.patterns,
                &self.scores,
                &self.queries.active,
                &self.queries.queries,
                chunk.terms,
            ],
            m: b,
            n,
            k: self.d,
            columns: [self.d, row_columns(self.d, self.precision), n],
            b_first: chunk.rows.start,
            slice: self.d.next_multiple_of(4),
            batch: None,
            skip: pass.skip,
            padding: MASKED,
            tile: self.tile,
        }
        .record(self.context)?;
        let width = padded(n) / 4;
        if let Some(best) = &mut pass.best {
            best.scan(self.context, &self.scores, n, width, chunk.first)?;
        }
        if !pass.weigh {
            return Ok(());
        }
        let (kernel, groups, trips) =
            by_rows(self.context, ("weights.serial", "weights.group"), b, width, (2, 4));
        self.context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Weights {
                rows: b as u32,
                columns: n as u32,
                width: width as u32,
                first: chunk.rows.start as u32,
                skip: u32::from(pass.skip),
                cosine: u32::from(similarity == Similarity::Cosine),
            },
            buffers: &[&self.scores, &self.queries.queries, chunk.terms],
            groups,
            trips,
            work: 20.0 * b as f64 * n as f64,
        })
    }

    /// Weighted sums of a chunk's rows, added to those before.
    fn sum(&self, chunk: &Chunk<'_>, pass: &Pass<'_>, fresh: bool) -> Result<()> {
        let (b, n) = (self.queries.count, chunk.rows.len());
        let (rows, first) = chunk.readout.unwrap_or((chunk.patterns, chunk.rows.start));
        let splits = Self::most_splits(self.context, b, pass.width, n, self.slices.bytes() as usize);
        let product = Product {
            family: &format!("product.{}", pass.precision),
            per_trip: 4,
            buffers: &[&self.scores, rows, &self.slices, &self.queries.active],
            m: b,
            n: pass.width,
            k: n,
            columns: [n, row_columns(pass.width, pass.precision), pass.width],
            b_first: first,
            slice: n.div_ceil(splits).next_multiple_of(16),
            batch: None,
            skip: pass.skip,
            padding: 0.0,
            tile: self.tile,
        };
        product.record(self.context)?;
        let width = padded(pass.width) / 4;
        self.context.dispatch(&Dispatch {
            kernel: "accumulate",
            parameters: &parameters::Accumulate {
                rows: b as u32,
                width: width as u32,
                splits: product.splits() as u32,
                skip: u32::from(pass.skip),
                fresh: u32::from(fresh),
            },
            buffers: &[&self.slices, &self.queries.queries, &self.sums],
            groups: (b * width).div_ceil(64),
            trips: product.splits(),
            work: (b * pass.width * product.splits()) as f64,
        })
    }
}
