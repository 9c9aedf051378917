//! Looks at generated patterns on the GPU: chunks are made there, scored by products or population counts, and reduced to what each
//! query has found; the host merges that.

use super::{
    Context, Dispatch, Matrix,
    bits::{RowsOfBits, overlaps_of, signed_sum},
    features::frequencies,
    matmul,
    normalize::normalize,
    parameters,
    softmax::{by_rows, check_trips, softmax},
    unpadded,
};
use crate::{
    Bits, Result, Rows,
    contract::{Ensemble, Layout, Look, Normalization, Scan},
    gpu::Buffer,
};
use std::{ops::Range, sync::Arc};

/// Scores of a chunk, and values of its patterns: 64 MiB.
const VALUES: usize = 1 << 24;
/// Most patterns of a chunk: their numbers within it are exact in f32.
const LONGEST: usize = 1 << 18;
/// Most queries that look at a pattern before it is forgotten.
const BATCH: usize = 1024;
/// Chunks whose findings come to the host together.
const TOGETHER: usize = 16;
/// Columns from which on the length of a generated row is never 0.
const NEVER_ZERO: usize = 3;

/// What a chunk's patterns are.
enum Chunk<'a> {
    Values(Matrix),
    /// The queries' bits and those of the patterns.
    Bits(RowsOfBits<'a>, Buffer),
}

/// What was found in a chunk, still on the device.
struct Findings {
    rows: usize,
    first: u64,
    /// `[q, 8]`: see `shaders/scan.wgsl`.
    found: Matrix,
    /// Weighted means of the patterns `[q, d]`, where they are wanted.
    means: Option<Matrix>,
}

/// See [`crate::contract::Bank::scan_range`].
pub(crate) fn scan(
    context: &Arc<Context>,
    look: &Look<'_>,
    bits: Option<&Bits>,
    tell: &dyn Fn(u64) -> Result<()>,
) -> Result<Vec<Scan>> {
    let q = look.queries.rows();
    let patterns = look.range.end - look.range.start;
    let mut all = Vec::with_capacity(q);
    for first in (0..q).step_by(BATCH) {
        let range = first..(first + BATCH).min(q);
        let queries = look.queries.slice(range.clone());
        let done = |of_batch: u64| tell(first as u64 * patterns + of_batch * range.len() as u64);
        let selected = match bits {
            Some(bits) => Some(bits.select(&range.clone().map(|i| i as u32).collect::<Vec<_>>())?),
            None => None,
        };
        all.extend(Batch::new(context, look, range.clone(), &queries, selected.as_ref())?.run(&done)?);
    }
    Ok(all)
}

/// Queries that look at patterns together.
struct Batch<'a> {
    context: &'a Arc<Context>,
    look: &'a Look<'a>,
    /// `[q, d]`, or the same as bits.
    queries: Matrix,
    bits: Option<RowsOfBits<'a>>,
    targets: Buffer,
    scans: Vec<Scan>,
}

impl<'a> Batch<'a> {
    fn new(
        context: &'a Arc<Context>,
        look: &'a Look<'a>,
        range: Range<usize>,
        queries: &Rows<'_>,
        bits: Option<&'a Bits>,
    ) -> Result<Self> {
        let (q, d) = (range.len(), look.bank.d());
        let bits = bits.map(RowsOfBits::of).transpose()?;
        let on_device = Matrix::upload(context, queries, q, d)?;
        let (mut scores, mut words) = (Vec::new(), vec![0; 4 * q]);
        if let Some(targets) = look.targets.get(range.clone()) {
            let patterns = look.bank.gather(targets)?;
            let products = matmul::matmul(
                &on_device,
                &Matrix::upload(context, &patterns, targets.len(), d)?,
                Layout::NT,
            )?;
            let products = products.download()?;
            for (i, (target, words)) in targets.iter().zip(words.chunks_exact_mut(4)).enumerate() {
                let score = products[i * q + i];
                scores.push(f64::from(score));
                words[..3].copy_from_slice(&[score.to_bits(), *target as u32, (*target >> 32) as u32]);
            }
        }
        let targets = context.upload("targets", bytemuck::cast_slice(&words))?;
        let scans = look.start(range, &scores);
        Ok(Self { context, look, queries: on_device, bits, targets, scans })
    }

    fn run(mut self, done: &dyn Fn(u64) -> Result<()>) -> Result<Vec<Scan>> {
        let Range { start, end } = self.look.range;
        let mut waiting = Vec::new();
        let mut at = start;
        while at < end {
            // The upper half of the numbers is one for all of a chunk.
            let border = (at >> 32).saturating_add(1) << 32;
            let rows = (end.min(border.max(at + 1)) - at).min(self.rows_of_chunk() as u64) as usize;
            waiting.push(self.chunk(at, rows)?);
            at += rows as u64;
            if waiting.len() == TOGETHER || at == end {
                self.collect(&std::mem::take(&mut waiting))?;
                done(at - start)?;
            }
        }
        Ok(self.scans)
    }

    /// How many patterns are made at a time.
    fn rows_of_chunk(&self) -> usize {
        let widest = self.queries.rows().max(self.look.bank.d());
        let values = VALUES.min((self.context.binding_limit() / 8) as usize);
        let most = (values / widest).clamp(64, LONGEST);
        if self.look.chunk == 0 { most } else { most.min(self.look.chunk) }
    }

    /// Makes the patterns of a chunk.
    fn make(&self, first: u64, rows: usize) -> Result<Chunk<'a>> {
        let (context, bank) = (self.context, self.look.bank);
        let (d, seed) = (bank.d(), bank.seed());
        Ok(match (bank.ensemble(), self.bits) {
            (_, Some(queries)) => {
                let width = d.div_ceil(128);
                let buffer = context.storage("generated bits", (rows * width * 16) as u64)?;
                context.dispatch(&Dispatch {
                    kernel: "bank_bits",
                    parameters: &parameters::BankBits {
                        rows: rows as u32,
                        columns: d as u32,
                        width: width as u32,
                        first: first as u32,
                        high: (first >> 32) as u32,
                        seed_low: seed as u32,
                        seed_high: (seed >> 32) as u32,
                    },
                    buffers: &[&buffer],
                    groups: (rows * width).div_ceil(64),
                    trips: 10,
                    work: 100.0 * (rows * width) as f64,
                })?;
                Chunk::Bits(queries, buffer)
            }
            (Ensemble::Gaussian, None) => Chunk::Values(frequencies(context, seed, first, rows, d)?),
            (Ensemble::Sphere, None) if d >= NEVER_ZERO => {
                Chunk::Values(normalize(&frequencies(context, seed, first, rows, d)?, Normalization::L2)?)
            }
            // Few values: rows of zeros, or signs for queries that are none.
            (Ensemble::Sphere | Ensemble::Bipolar, None) => {
                let mut values = vec![0.0; rows * d];
                (self.look.on_host)(bank, first..first + rows as u64, &mut values);
                Chunk::Values(Matrix::upload(context, &Rows::new(values, d)?, rows, d)?)
            }
        })
    }

    /// Records all work on a chunk.
    fn chunk(&self, first: u64, rows: usize) -> Result<Findings> {
        let (q, d, beta) = (self.queries.rows(), self.look.bank.d(), self.look.beta);
        let chunk = self.make(first, rows)?;
        let of_bits = |buffer| RowsOfBits { buffer, rows, columns: d };
        let scores = match &chunk {
            Chunk::Bits(queries, buffer) => overlaps_of(self.context, *queries, of_bits(buffer))?,
            Chunk::Values(patterns) => matmul::matmul(&self.queries, patterns, Layout::NT)?,
        };
        let found = Matrix::new(self.context, "findings", q, 8)?;
        let kernels = ("scan.serial", "scan.group");
        let (kernel, groups, trips) = by_rows(self.context, kernels, q, scores.width4(), (2, 8));
        check_trips(trips, rows)?;
        self.context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Scan {
                rows: q as u32,
                columns: rows as u32,
                width: scores.width4() as u32,
                beta,
                first: first as u32,
                high: (first >> 32) as u32,
                targeted: u32::from(!self.look.targets.is_empty()),
            },
            buffers: &[scores.buffer(), &self.targets, found.buffer()],
            groups,
            trips,
            work: 20.0 * (q * rows) as f64,
        })?;
        let means = match (&chunk, self.look.update) {
            (_, false) => None,
            (Chunk::Values(patterns), true) => {
                Some(matmul::matmul(&softmax(&scores, beta)?, patterns, Layout::NN)?)
            }
            (Chunk::Bits(_, buffer), true) => Some(signed_sum(&softmax(&scores, beta)?, of_bits(buffer))?),
        };
        Ok(Findings { rows, first, found, means })
    }

    /// Merges what was found in some chunks.
    fn collect(&mut self, chunks: &[Findings]) -> Result<()> {
        let (q, d) = (self.queries.rows(), self.look.bank.d());
        let matrices: Vec<&Matrix> =
            chunks.iter().map(|c| &c.found).chain(chunks.iter().filter_map(|c| c.means.as_ref())).collect();
        let buffers: Vec<&Buffer> = matrices.iter().map(|m| m.buffer()).collect();
        let bytes = self.context.read(&buffers)?;
        let (found, means) = bytes.split_at(chunks.len());
        for (i, (chunk, found)) in chunks.iter().zip(found).enumerate() {
            let found = unpadded(found, q, 8);
            let means = means.get(i).map_or_else(Vec::new, |bytes| unpadded(bytes, q, d));
            for (k, (scan, f)) in self.scans.iter_mut().zip(found.chunks_exact(8)).enumerate() {
                scan.absorb(&of_chunk(scan, chunk, f, means.get(k * d..(k + 1) * d).unwrap_or(&[])));
            }
        }
        Ok(())
    }
}

/// What a query has found in a chunk.
fn of_chunk(so_far: &Scan, chunk: &Findings, f: &[f32], means: &[f32]) -> Scan {
    let mut scan = Scan::empty(so_far.beta, so_far.target.map(|t| (t.index, t.score)), 0);
    scan.count = chunk.rows as u64;
    scan.best = f[0].into();
    scan.index = chunk.first + f[1] as u64;
    scan.ties = f[2] as u64;
    scan.second = if chunk.rows > 1 { f[3].into() } else { f64::NEG_INFINITY };
    (scan.sum, scan.squares) = (f[4].into(), f[5].into());
    if let Some(target) = &mut scan.target {
        (target.above, target.equal) = (f[6] as u64, f[7] as u64);
    }
    scan.moments = means.iter().map(|mean| f64::from(*mean) * scan.sum).collect();
    scan
}
