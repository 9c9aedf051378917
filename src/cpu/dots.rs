//! Inner products and distances of a few queries with rows, with the coordinates in the lanes.
//! Rows are read one after another, as they lie in memory: that is what processors fetch ahead best.

use super::kernel::{Absolute, KnownAbsolute, KnownSquare, Metric, Multiply, Square, Summand};
use crate::simd::stored::{OverRows, Stored, Value};
use pulp::Simd;

/// `out[q][r] = sum_j f(queries[q][j], rows[r][j])`, where the metric says what `f` is.
pub(crate) struct Dots<'a> {
    /// `[b][d]`
    pub(crate) queries: &'a [f32],
    /// `[n][d]`
    pub(crate) rows: Stored<'a>,
    pub(crate) d: usize,
    /// `[b][stride]`, of which the first `n` of each row are written.
    pub(crate) out: &'a mut [f32],
    pub(crate) stride: usize,
    pub(crate) metric: Metric,
}

impl Dots<'_> {
    pub(crate) fn run(self) {
        self.rows.run(self);
    }
}

impl OverRows for Dots<'_> {
    #[inline(always)]
    fn run<S: Simd, V: Value<S>>(mut self, simd: S, rows: &[V]) {
        match self.metric {
            Metric::Product => all::<S, V, Multiply>(simd, &mut self, rows),
            Metric::Absolute => all::<S, V, Absolute>(simd, &mut self, rows),
            Metric::Squared => all::<S, V, Square>(simd, &mut self, rows),
            Metric::KnownAbsolute => all::<S, V, KnownAbsolute>(simd, &mut self, rows),
            Metric::KnownSquared => all::<S, V, KnownSquare>(simd, &mut self, rows),
        }
    }
}

/// Independent sums of a query.
const SUMS: usize = 4;

#[inline(always)]
fn all<S: Simd, V: Value<S>, M: Summand>(simd: S, dots: &mut Dots<'_>, rows: &[V]) {
    let b = dots.queries.len() / dots.d;
    for (r, row) in rows.chunks_exact(dots.d).enumerate() {
        let mut q = 0;
        while q < b {
            // Independent sums hide the latency of an addition. Each query has as many, whatever comes with it: its terms are
            // added in one order then.
            q += match b - q {
                2.. => some::<S, V, M, 2, SUMS>(simd, dots, q, r, row),
                _ => some::<S, V, M, 1, SUMS>(simd, dots, q, r, row),
            };
        }
    }
}

/// The products of `Q` queries from `first` on with row `r`, in `W` sums each; gives `Q`.
#[inline(always)]
fn some<S: Simd, V: Value<S>, M: Summand, const Q: usize, const W: usize>(
    simd: S,
    dots: &mut Dots<'_>,
    first: usize,
    r: usize,
    row: &[V],
) -> usize {
    let d = dots.d;
    let (head, tail) = V::vectors(row);
    let mut x: [&[S::f32s]; Q] = [&[]; Q];
    for (q, x) in x.iter_mut().enumerate() {
        let query = &dots.queries[(first + q) * d..(first + q + 1) * d];
        *x = &S::as_simd_f32s(query).0[..head.len()];
    }
    let mut sums = [[simd.splat_f32s(0.0); W]; Q];
    let mut i = 0;
    while i + W <= head.len() {
        for w in 0..W {
            let y = V::load(simd, head[i + w]);
            for q in 0..Q {
                sums[q][w] = M::add(simd, sums[q][w], x[q][i + w], y);
            }
        }
        i += W;
    }
    while i < head.len() {
        let y = V::load(simd, head[i]);
        for q in 0..Q {
            sums[q][0] = M::add(simd, sums[q][0], x[q][i], y);
        }
        i += 1;
    }
    if !tail.is_empty() {
        let y = V::load_some(simd, tail);
        for (q, sums) in sums.iter_mut().enumerate() {
            let query = &dots.queries[(first + q + 1) * d - tail.len()..(first + q + 1) * d];
            sums[W - 1] = M::add(simd, sums[W - 1], simd.partial_load_f32s(query), y);
        }
    }
    for (q, sums) in sums.iter_mut().enumerate() {
        let mut width = W / 2;
        while width > 0 {
            for w in 0..width {
                sums[w] = simd.add_f32s(sums[w], sums[w + width]);
            }
            width /= 2;
        }
        dots.out[(first + q) * dots.stride + r] = simd.reduce_sum_f32s(sums[0]);
    }
    Q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_number_of_rows() {
        for d in (1..70).chain([127, 384]) {
            for n in [0, 1, 3, 4, 5, 9] {
                for metric in Metric::ALL {
                    // Small whole numbers: every sum is exact.
                    let value = |i: usize, m: usize| (i % m) as f32 - (m / 2) as f32;
                    for b in [1, 2, 3, 4, 7] {
                        let queries: Vec<f32> = (0..b * d).map(|i| value(i, 5)).collect();
                        let rows: Vec<f32> = (0..n * d).map(|i| value(i, 7)).collect();
                        let mut out = vec![0.0; b * (n + 1)];
                        let stride = n + 1;
                        Dots {
                            queries: &queries,
                            rows: Stored::Single(&rows),
                            d,
                            out: &mut out,
                            stride,
                            metric,
                        }
                        .run();
                        all_again(&queries, &rows, &out, (b, n, d), metric);
                        for (q, x) in queries.chunks_exact(d).enumerate() {
                            for (r, y) in rows.chunks_exact(d).enumerate() {
                                let want: f32 = x.iter().zip(y).map(|(a, b)| metric.of(*a, *b)).sum();
                                assert_eq!(out[q * stride + r], want, "{b} {n} {d} {metric:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Where sums are rounded: a query has the same products to the bit alone and in any place among others.
    #[test]
    fn a_query_has_the_same_products_in_every_place() {
        for d in (1..100).chain([127, 384]) {
            for metric in Metric::ALL {
                let value = |i: usize| ((i * 7919 + d) % 10_007) as f32 / 3001.7 - 1.6;
                let (b, n) = (7, 3);
                let queries: Vec<f32> = (0..b * d).map(value).collect();
                let rows: Vec<f32> = (b * d..(b + n) * d).map(value).collect();
                let products = |queries: &[f32]| {
                    let mut out = vec![0.0; queries.len() / d * n];
                    let rows = Stored::Single(&rows);
                    Dots { queries, rows, d, out: &mut out, stride: n, metric }.run();
                    out
                };
                let alone: Vec<f32> = queries.chunks_exact(d).flat_map(products).collect();
                for start in 0..b {
                    for end in start + 1..=b {
                        let together = products(&queries[start * d..end * d]);
                        assert_eq!(together, alone[start * n..end * n], "{start}..{end} of {d}, {metric:?}");
                    }
                }
            }
        }
    }

    /// Small whole numbers are exact as f16 too.
    fn all_again(
        queries: &[f32],
        rows: &[f32],
        want: &[f32],
        (b, n, d): (usize, usize, usize),
        metric: Metric,
    ) {
        let half: Vec<half::f16> = rows.iter().map(|v| half::f16::from_f32(*v)).collect();
        let Some(rows) = Stored::half(&half) else { return };
        let mut out = vec![0.0; b * (n + 1)];
        Dots { queries, rows, d, out: &mut out, stride: n + 1, metric }.run();
        assert_eq!(out, want, "f16: {b} {n} {d} {metric:?}");
    }
}
