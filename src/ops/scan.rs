//! One look of queries at all patterns of a bank, in one stream and in constant memory.

use super::{Bank, LARGEST, Look, Scan, ScanOptions, check_beta, check_lengths, report};
use crate::{Device, Error, Result, Rows, cpu, gpu};
use std::ops::Range;

impl Bank {
    /// Looks at all patterns in one stream: for each query `[q, d]` the largest scores, the softmax sums at `beta`, and how the
    /// pattern `targets[q]` fares (`targets` may be empty). Patterns are made as they are needed and never stored. Cost: `2 n q d`
    /// operations, an exponential for each pair, and some 10 operations for each value of a pattern, once for up to 1024 queries.
    ///
    /// Where queries and patterns are -1 and 1, scores are counted from bits and are whole numbers, so ties are ties. Else they are
    /// products in f32: of the same bits for the target and the stream on the CPU, so that equal patterns have equal scores there.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for queries of another length, or another number of targets than queries or none;
    /// [`Error::InvalidParameter`] for a `beta` that is not positive, a target beyond the bank or a query with a squared length
    /// beyond 1e28; [`Error::NonFinite`]; faults of the device.
    ///
    /// ```
    /// use attractor::{Device, ops::{Bank, Ensemble, ScanOptions}};
    /// let bank = Bank::new(Ensemble::Sphere, 42, 100_000, 16)?;
    /// let queries = bank.gather(&[5, 77_777])?;
    /// let options = ScanOptions { update: true, ..ScanOptions::default() };
    /// let found = bank.scan(&queries, &[5, 77_777], 16.0, &Device::cpu(), &options)?;
    /// assert_eq!(found[1].index, 77_777);
    /// assert_eq!(found[1].target.map(|t| t.above), Some(0));
    /// assert!(found[1].participation() > 1.0);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn scan(
        &self,
        queries: &Rows<'_>,
        targets: &[u64],
        beta: f32,
        device: &Device,
        options: &ScanOptions<'_>,
    ) -> Result<Vec<Scan>> {
        self.scan_range(0..self.n(), queries, targets, beta, device, options)
    }

    /// [`Bank::scan`] of some of the patterns; targets may be any of the bank's. What ranges find merges to what the whole finds, so a
    /// long scan can be cut, and gone on with, as one likes.
    ///
    /// # Errors
    /// Those of [`Bank::scan`]; [`Error::InvalidParameter`] for a range beyond the bank.
    pub fn scan_range(
        &self,
        range: Range<u64>,
        queries: &Rows<'_>,
        targets: &[u64],
        beta: f32,
        device: &Device,
        options: &ScanOptions<'_>,
    ) -> Result<Vec<Scan>> {
        check_beta(beta)?;
        self.check(&range)?;
        let q = queries.rows();
        if q > 0 && queries.columns() != self.d() {
            return Err(Error::dimension("columns of queries", queries.columns(), self.d()));
        }
        if !targets.is_empty() && targets.len() != q {
            return Err(Error::dimension("targets (one per query, or none)", targets.len(), q));
        }
        if let Some(target) = targets.iter().find(|t| **t >= self.n()) {
            return Err(Error::parameter("target", target, format!("below {}", self.n())));
        }
        if q == 0 {
            return Ok(Vec::new());
        }
        let squared: Vec<f32> = queries.iter().map(cpu::similarity::squared).collect();
        check_lengths(queries, &squared, LARGEST, "queries")?;
        let Range { start, end } = range;
        let (chunk, update) = (options.chunk, options.update);
        let look =
            Look { bank: self, range, queries, targets, beta, chunk, update, on_host: cpu::bank::rows };
        let total = (end - start).saturating_mul(q as u64);
        let tell = |done: u64| report(options.progress, done, total);
        let bits = look.bits(device).transpose()?;
        let mut scans = match device {
            Device::Cpu => match bits {
                Some(bits) => cpu::scan::bits(&look, bits.packed(), &tell)?,
                None => cpu::scan::scan(&look, &tell)?,
            },
            Device::Gpu(context) => gpu::scan::scan(context, &look, bits.as_ref(), &tell)?,
        };
        look.without_targets(&mut scans);
        match scans.iter().position(|s| s.best.is_nan() || s.best == f64::INFINITY || s.sum.is_nan()) {
            None => Ok(scans),
            // Queries whose products leave f32.
            Some(row) => Err(Error::NonFinite {
                what: "scores of queries".into(),
                row,
                column: 0,
                value: scans[row].best as f32,
            }),
        }
    }
}
