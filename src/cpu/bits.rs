//! Updates of states of -1 and 1 on the CPU: overlaps by counting equal bits, sums over patterns by flipping signs.
//!
//! An overlap is one of `d + 1` whole numbers, so what follows from it is worked out once per number that occurs, not per pattern: overlaps
//! are counted into a histogram first. Patterns without weight are then skipped in blocks.

use crate::simd::math::simd;
use crate::{
    contract::{FlipTable, Flips, Wanted},
    tensor::{Packed, TOGETHER},
};
use rayon::prelude::*;

/// Queries that read a pattern together.
pub(super) const QUERIES: usize = 4;
/// Groups of eight patterns to a task.
const SEGMENT: usize = 2048;
/// Sums of so many rows in f32 go into those in f64.
const ROWS: usize = 256;
/// Patterns that are skipped together.
const BLOCK: usize = 64;

/// See [`crate::ops::flips`].
pub(crate) fn flips(states: &Packed, patterns: &Packed, table: &FlipTable, wanted: Wanted) -> Flips {
    let starts: Vec<usize> = (0..states.rows).step_by(QUERIES).collect();
    let blocks: Vec<Flips> = starts
        .into_par_iter()
        .map(|first| {
            let queries: Vec<usize> = (first..(first + QUERIES).min(states.rows)).collect();
            flips_of(states, &queries, patterns, table, wanted)
        })
        .collect();
    let mut all = Flips::default();
    for block in blocks {
        all.fields.extend(block.fields);
        all.energy.extend(block.energy);
        all.indices.extend(block.indices);
        all.weights.extend(block.weights);
        all.effective.extend(block.effective);
    }
    all
}

/// Equal bits of each pattern with some queries, in segments: `[segment][query][pattern]`, and how often each number occurs.
struct Agreements {
    counts: Vec<u16>,
    /// `[query][d + 1]`
    histograms: Vec<Vec<u32>>,
}

/// See [`crate::ops::overlaps`].
pub(crate) fn overlaps(states: &Packed, patterns: &Packed) -> Vec<f32> {
    let d = patterns.columns as f32;
    let of_query = |query: usize| {
        let counts = agreements(states, &[query], patterns).counts;
        counts.into_iter().take(patterns.rows).map(move |c| 2.0 * f32::from(c) - d)
    };
    (0..states.rows).into_par_iter().flat_map_iter(of_query).collect()
}

pub(super) fn words_of(states: &Packed, query: usize) -> Vec<u64> {
    (0..states.width()).map(|w| states.word(query, w)).collect()
}

fn agreements(states: &Packed, queries: &[usize], patterns: &Packed) -> Agreements {
    let (q, d, width) = (queries.len(), patterns.columns, patterns.width());
    let x: Vec<Vec<u64>> = queries.iter().map(|i| words_of(states, *i)).collect();
    let segment = SEGMENT * TOGETHER;
    let segments = patterns.rows.div_ceil(segment);
    let mut counts = vec![0_u16; segments * q * segment.min(patterns.rows.next_multiple_of(TOGETHER))];
    let size = counts.len() / segments.max(1);
    let partial: Vec<Vec<Vec<u32>>> = counts
        .par_chunks_mut(size.max(1))
        .enumerate()
        .map(|(s, counts)| {
            let first = s * segment;
            let rows = segment.min(patterns.rows - first);
            let groups = &patterns.words[first / TOGETHER * width..];
            let groups = &groups[..rows.div_ceil(TOGETHER) * width];
            count_all(groups, width, d, &x, counts);
            counts
                .chunks_exact(size / q)
                .map(|counts| {
                    let mut tally = Tally::new(d);
                    tally.add(&counts[..rows]);
                    tally.finish()
                })
                .collect()
        })
        .collect();
    let mut histograms = vec![vec![0; d + 1]; q];
    for partial in partial {
        for (all, part) in histograms.iter_mut().zip(partial) {
            all.iter_mut().zip(part).for_each(|(a, p)| *a += p);
        }
    }
    Agreements { counts, histograms }
}

/// How often each number of equal bits occurs.
pub(super) struct Tally(
    /// Four, since equal numbers often follow one another.
    Vec<[u32; 4]>,
);

impl Tally {
    pub(super) fn new(d: usize) -> Self {
        Self(vec![[0; 4]; d + 1])
    }

    pub(super) fn add(&mut self, counts: &[u16]) {
        for (i, count) in counts.iter().enumerate() {
            self.0[usize::from(*count)][i % 4] += 1;
        }
    }

    pub(super) fn finish(self) -> Vec<u32> {
        self.0.into_iter().map(|p| p.iter().sum()).collect()
    }
}

/// Equal bits of up to [`QUERIES`] queries with groups of eight patterns, `[query][pattern]`.
pub(super) fn count_all(groups: &[[u64; TOGETHER]], width: usize, d: usize, x: &[Vec<u64>], out: &mut [u16]) {
    match x {
        [a, b, c, e] => count::<4>(groups, width, d, [a, b, c, e], out),
        _ => {
            let each = out.len() / x.len();
            for (x, out) in x.iter().zip(out.chunks_exact_mut(each)) {
                count::<1>(groups, width, d, [x], out);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type! {
    /// Vectors that count bits by themselves.
    struct Counting {
        avx512f: "avx512f",
        avx512vpopcntdq: "avx512vpopcntdq",
    }
}

/// Equal bits of `Q` queries with groups of eight patterns.
fn count<const Q: usize>(
    groups: &[[u64; TOGETHER]],
    width: usize,
    d: usize,
    x: [&Vec<u64>; Q],
    out: &mut [u16],
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(counting) = Counting::try_new() {
        let once = crate::simd::math::Once;
        return counting.vectorize(
            #[inline(always)]
            || {
                // See `simd!` for why the closure takes up a value.
                let crate::simd::math::Once = { once };
                count_words(groups, width, d, x, out);
            },
        );
    }
    simd!(count_words(groups, width, d, x, out));
}

#[inline(always)]
fn count_words<const Q: usize>(
    groups: &[[u64; TOGETHER]],
    width: usize,
    d: usize,
    x: [&Vec<u64>; Q],
    out: &mut [u16],
) {
    let each = out.len() / Q;
    for (g, group) in groups.chunks_exact(width).enumerate() {
        let mut different = [[0_u64; TOGETHER]; Q];
        for (w, words) in group.iter().enumerate() {
            for q in 0..Q {
                let of_query = x[q][w];
                for lane in 0..TOGETHER {
                    different[q][lane] += u64::from((words[lane] ^ of_query).count_ones());
                }
            }
        }
        for q in 0..Q {
            let out = &mut out[q * each + g * TOGETHER..][..TOGETHER];
            for lane in 0..TOGETHER {
                out[lane] = (d as u64 - different[q][lane]) as u16;
            }
        }
    }
}

/// What a histogram of overlaps comes to.
struct Weights {
    /// By number of equal bits.
    of: Vec<f32>,
    /// Sum of the corrections, sizes of all weights, energy, and `exp(H)` of the weights' shares.
    correction: f64,
    total: f64,
    /// What a field must exceed.
    noise: f64,
    energy: f32,
    effective: f32,
    /// Numbers of equal bits that have no weight: from, and how many.
    idle: (u16, u16),
}

impl Weights {
    fn new(histogram: &[u32], table: &FlipTable) -> Self {
        let found = || histogram.iter().enumerate().filter(|(_, count)| **count > 0);
        let log = |i: usize| f64::from(table.entries[i][0]) + f64::from(table.entries[i][1]);
        let largest = found().map(|(i, _)| log(i)).fold(f64::MIN, f64::max);
        let mut of = vec![0.0; histogram.len()];
        let (mut correction, mut total, mut corrections) = (0.0, 0.0, 0.0);
        for (i, count) in found() {
            let size = (log(i) - largest).exp();
            let [_, _, w, c] = table.entries[i];
            of[i] = (f64::from(w) * size) as f32;
            correction += f64::from(*count) * f64::from(c) * size;
            corrections += f64::from(*count) * f64::from(c.abs()) * size;
            total += f64::from(*count) * f64::from(of[i].abs());
        }
        let entropy: f64 = found()
            .filter(|(i, _)| of[*i] != 0.0)
            .map(|(i, count)| {
                let share = f64::from(of[i].abs()) / total;
                -f64::from(*count) * share * share.ln()
            })
            .sum();
        let d = histogram.len() as f64 - 1.0;
        let energy = match table.energies.is_empty() {
            false => -found().map(|(i, count)| f64::from(*count) * f64::from(table.energies[i])).sum::<f64>(),
            true => {
                let most = found().map(|(i, _)| i).max().unwrap_or(0) as f64;
                let sum: f64 =
                    found().map(|(i, count)| f64::from(*count) * (2.0 * (i as f64 - most)).exp()).sum();
                -(2.0 * most - d + sum.ln())
            }
        };
        // The run without weight round the most frequent number.
        let mode = found().max_by_key(|(_, count)| **count).map_or(0, |(i, _)| i);
        let idle = if of[mode] == 0.0 {
            let from = of[..mode].iter().rposition(|w| *w != 0.0).map_or(0, |i| i + 1);
            let to = of[mode..].iter().position(|w| *w != 0.0).map_or(of.len(), |i| mode + i);
            (from as u16, (to - from) as u16)
        } else {
            (0, 0)
        };
        let effective = if total > 0.0 { entropy.exp() as f32 } else { 0.0 };
        let noise = table.noise(total + corrections);
        Self { of, correction, total, noise, energy: energy as f32, effective, idle }
    }

    /// Whether a block of patterns has no weight at all.
    fn skips(&self, counts: &[u16]) -> bool {
        let (from, length) = self.idle;
        length > 0 && simd!(counts.iter().fold(true, |all, c| all & (c.wrapping_sub(from) < length)))
    }
}

fn flips_of(
    states: &Packed,
    queries: &[usize],
    patterns: &Packed,
    table: &FlipTable,
    wanted: Wanted,
) -> Flips {
    let (q, d) = (queries.len(), patterns.columns);
    let Agreements { counts, histograms } = agreements(states, queries, patterns);
    let weights: Vec<Weights> = histograms.iter().map(|h| Weights::new(h, table)).collect();
    let segment = SEGMENT * TOGETHER;
    let size = counts.len() / patterns.rows.div_ceil(segment).max(1);
    // One segment's sums after another's; none where no fields are wanted.
    let summed = if wanted.fields { &counts[..] } else { &[] };
    let partial: Vec<Vec<Vec<f64>>> = summed
        .par_chunks(size.max(1))
        .enumerate()
        .map(|(s, counts)| {
            let rows = segment.min(patterns.rows - s * segment);
            let of_query = |(counts, weights): (&[u16], &Weights)| {
                let mut sum = SignedSum::new(d);
                for (block, counts) in counts[..rows].chunks(BLOCK).enumerate() {
                    if weights.skips(counts) {
                        continue;
                    }
                    for (i, count) in counts.iter().enumerate() {
                        let weight = weights.of[usize::from(*count)];
                        if weight != 0.0 {
                            sum.add(patterns, s * segment + block * BLOCK + i, weight);
                        }
                    }
                }
                sum.finish()
            };
            counts.chunks_exact(size / q).zip(&weights).map(of_query).collect()
        })
        .collect();
    let mut out = Flips::default();
    for (at, (weights, query)) in weights.iter().zip(queries).enumerate() {
        let mut fields = vec![0.0; if wanted.fields { d } else { 0 }];
        for segment in &partial {
            fields.iter_mut().zip(&segment[at]).for_each(|(f, s)| *f += s);
        }
        for (i, field) in fields.iter().enumerate() {
            let set = states.word(*query, i / 64) >> (i % 64) & 1 == 1;
            let field = field + if set { weights.correction } else { -weights.correction };
            out.fields.push(if field.abs() > weights.noise { field as f32 } else { 0.0 });
        }
        out.energy.push(weights.energy);
        out.effective.push(weights.effective);
        if wanted.top_k > 0 {
            let of_query = counts.chunks_exact(size).flat_map(|c| &c[at * (size / q)..(at + 1) * (size / q)]);
            let best = best(of_query.copied().take(patterns.rows), weights, &histograms[at], wanted.top_k);
            for (k, weight) in best {
                out.indices.push(k);
                out.weights.push((f64::from(weight) / weights.total.max(f64::MIN_POSITIVE)) as f32);
            }
        }
    }
    out
}

/// The `k` patterns of the largest weights in size, largest first, equal ones by number.
fn best(
    counts: impl Iterator<Item = u16>,
    weights: &Weights,
    histogram: &[u32],
    k: usize,
) -> Vec<(u32, f32)> {
    let size = |i: usize| weights.of[i].abs();
    let mut order: Vec<usize> = (0..histogram.len()).filter(|i| histogram[*i] > 0).collect();
    order.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
    let mut reached = 0;
    let last = order.into_iter().find(|i| {
        reached += histogram[*i] as usize;
        reached >= k
    });
    let least = last.map_or(0.0, size);
    let (mut above, mut equal) = (Vec::new(), Vec::new());
    for (at, count) in counts.enumerate() {
        let size = size(usize::from(count));
        let entry = (at as u32, weights.of[usize::from(count)]);
        if size > least {
            above.push(entry);
        } else if size == least && equal.len() < k {
            equal.push(entry);
        }
    }
    above.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    above.extend(equal);
    above.truncate(k);
    above
}

/// Rows of bits summed with weights: short sums in f32, of which long ones in f64 are made.
pub(super) struct SignedSum {
    sums: Vec<f32>,
    all: Vec<f64>,
    rows: usize,
}

impl SignedSum {
    pub(super) fn new(d: usize) -> Self {
        Self { sums: vec![0.0; d.next_multiple_of(64)], all: vec![0.0; d], rows: 0 }
    }

    pub(super) fn add(&mut self, patterns: &Packed, k: usize, weight: f32) {
        let width = patterns.width();
        let first = k / TOGETHER * width;
        let words = &patterns.words[first..first + width];
        simd!(for (sums, words) in self.sums.chunks_exact_mut(64).zip(words) {
            let word = words[k % TOGETHER];
            for part in 0..4 {
                let bits = !(word >> (16 * part)) as u32;
                for lane in 0..16 {
                    // A clear bit turns the weight's sign.
                    let sign = (bits >> lane) << 31;
                    sums[16 * part + lane] += f32::from_bits(weight.to_bits() ^ sign);
                }
            }
        });
        self.rows += 1;
        if self.rows == ROWS {
            self.flush();
        }
    }

    /// Multiplies what was summed so far.
    pub(super) fn scale(&mut self, factor: f64) {
        self.flush();
        self.all.iter_mut().for_each(|v| *v *= factor);
    }

    fn flush(&mut self) {
        for (all, sum) in self.all.iter_mut().zip(&mut self.sums) {
            *all += f64::from(*sum);
            *sum = 0.0;
        }
        self.rows = 0;
    }

    pub(super) fn finish(mut self) -> Vec<f64> {
        self.flush();
        self.all
    }
}

/// See [`crate::ops::sweep`].
pub(crate) fn sweep(
    states: &Packed,
    patterns: &Packed,
    table: &FlipTable,
    order: &[u32],
    clamp: &[bool],
) -> Vec<f32> {
    let d = patterns.columns;
    let of_query = |query: usize| {
        let Agreements { counts, .. } = agreements(states, &[query], patterns);
        let mut counts = counts[..patterns.rows].to_vec();
        let mut state = words_of(states, query);
        let (mut weights, mut all) = weigh(&counts, d, table);
        for &i in order {
            let (word, bit) = (i as usize / 64, i % 64);
            if clamp[query * d + i as usize] {
                continue;
            }
            let set = state[word] >> bit & 1 == 1;
            let sum = signed_total(patterns, &weights, word, bit);
            let field = sum + if set { all.correction } else { -all.correction };
            if field.abs() <= all.noise || (field > 0.0) == set {
                continue;
            }
            state[word] ^= 1 << bit;
            for (k, count) in counts.iter_mut().enumerate() {
                // What was equal to the bit is not any more.
                let equal = (patterns.word(k, word) >> bit & 1 == 1) == set;
                *count = if equal { *count - 1 } else { *count + 1 };
            }
            (weights, all) = weigh(&counts, d, table);
        }
        (0..d).map(move |i| if state[i / 64] >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 }).collect::<Vec<f32>>()
    };
    (0..states.rows).into_par_iter().flat_map_iter(of_query).collect()
}

/// The weight of each pattern, and what all of them come to.
fn weigh(counts: &[u16], d: usize, table: &FlipTable) -> (Vec<f32>, Weights) {
    let mut histogram = vec![0; d + 1];
    counts.iter().for_each(|c| histogram[usize::from(*c)] += 1);
    let weights = Weights::new(&histogram, table);
    (counts.iter().map(|c| weights.of[usize::from(*c)]).collect(), weights)
}

/// The sum of the weights with the sign of one bit of each pattern.
fn signed_total(patterns: &Packed, weights: &[f32], word: usize, bit: u32) -> f64 {
    let width = patterns.width();
    let groups = patterns.words.chunks_exact(width.max(1));
    simd!({
        let mut total = 0.0_f64;
        let (whole, rest) = weights.as_chunks::<TOGETHER>();
        let mut groups = groups;
        for block in whole.chunks(64) {
            let mut sums = [0.0_f32; TOGETHER];
            for (weights, group) in block.iter().zip(&mut groups) {
                for lane in 0..TOGETHER {
                    let clear = (!(group[word][lane] >> bit) & 1) as u32;
                    sums[lane] += f32::from_bits(weights[lane].to_bits() ^ clear << 31);
                }
            }
            total += sums.iter().map(|s| f64::from(*s)).sum::<f64>();
        }
        if let Some(group) = groups.next() {
            for (lane, weight) in rest.iter().enumerate() {
                let sign = if group[word][lane] >> bit & 1 == 1 { 1.0 } else { -1.0 };
                total += sign * f64::from(*weight);
            }
        }
        total
    })
}

/// See [`crate::ops::matrix_sweep`].
pub(crate) fn sweep_matrix(
    states: &[f32],
    fields: &[f32],
    matrix: &[f32],
    noise: &[f32],
    order: &[u32],
    clamp: &[bool],
) -> Vec<f32> {
    let d = order.len();
    let mut out = states.to_vec();
    out.par_chunks_exact_mut(d).enumerate().for_each(|(q, state)| {
        let mut fields = fields[q * d..(q + 1) * d].to_vec();
        for &i in order {
            let i = i as usize;
            let x = state[i];
            if clamp[q * d + i] || fields[i].abs() <= noise[i] || fields[i] * x > 0.0 {
                continue;
            }
            state[i] = -x;
            let row = &matrix[i * d..(i + 1) * d];
            simd!(fields.iter_mut().zip(row).for_each(|(f, w)| *f -= 2.0 * x * w));
        }
    });
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    /// With and without the machine's own population count, for one query and for four, whatever is left of the last word.
    #[test]
    fn every_way_of_counting_agrees() {
        let mut random = crate::random::Stream::new(5, crate::random::purpose::BITS, 0);
        let mut next = || u64::from(random.word()) << 32 | u64::from(random.word());
        for width in 1..5 {
            let d = 64 * width;
            let groups: Vec<[u64; TOGETHER]> =
                (0..3 * width).map(|_| [(); TOGETHER].map(|()| next())).collect();
            let x: Vec<Vec<u64>> = (0..4).map(|_| (0..width).map(|_| next()).collect()).collect();
            let want: Vec<u16> = x
                .iter()
                .flat_map(|x| {
                    let of = |i: usize| {
                        let words = &groups[i / TOGETHER * width..][..width];
                        let same =
                            |(x, w): (&u64, &[u64; TOGETHER])| (!(x ^ w[i % TOGETHER])).count_ones() as u16;
                        x.iter().zip(words).map(same).sum::<u16>()
                    };
                    (0..3 * TOGETHER).map(of).collect::<Vec<u16>>()
                })
                .collect();
            let mut out = vec![0; want.len()];
            let four: [&Vec<u64>; 4] = [&x[0], &x[1], &x[2], &x[3]];
            count::<4>(&groups, width, d, four, &mut out);
            assert_eq!(out, want);
            out.fill(0);
            simd!(count_words::<4>(&groups, width, d, four, &mut out));
            assert_eq!(out, want);
            out.fill(0);
            for (x, out) in x.iter().zip(out.chunks_exact_mut(3 * TOGETHER)) {
                count::<1>(&groups, width, d, [x], out);
            }
            assert_eq!(out, want);
        }
    }
}
