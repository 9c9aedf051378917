//! Whether a quantity grows: a slope that noise does not hide and a cache that fills does not feign.

/// What is said of a quantity that should stay flat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// Growth per round: the median of the slopes between all pairs of samples (Sen 1968).
    pub(crate) slope: f64,
    /// What it is at least, with 99.9 % confidence where the noise of samples is independent.
    pub(crate) at_least: f64,
    /// Whether it leaks; `None` where there are too few samples to tell.
    pub(crate) leaks: Option<bool>,
}

/// Samples of this share at the start are warm-up: pools fill, kernels are compiled.
const WARM_UP: f64 = 0.25;
/// The normal distribution's quantile of 99.9 %.
const SURE: f64 = 3.09;
/// Most points that slopes are taken between; more samples go into bins.
const POINTS: usize = 256;
/// Fewer samples in a half than this show nothing.
const FEWEST: usize = 8;

/// Judges samples `(round, value)` in their order. A quantity leaks where it surely grows by more than `allowed` per
/// round, and does so in both halves of the time after warm-up: what fills up slows down, a leak does not.
pub(crate) fn judge(samples: &[(f64, f64)], allowed: f64) -> Trend {
    let warm = &samples[(samples.len() as f64 * WARM_UP) as usize..];
    let (first, second) = warm.split_at(warm.len() / 2);
    let (slope, at_least) = sen(&binned(warm));
    let grows = |half: &[(f64, f64)]| sen(&binned(half)).1 > allowed;
    let leaks = || at_least > allowed && grows(first) && grows(second);
    Trend { slope, at_least, leaks: (first.len() >= FEWEST).then(leaks) }
}

/// The medians of at most [`POINTS`] bins of neighbouring samples, each in the middle of its bin.
fn binned(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = samples.len().div_ceil(POINTS).max(1);
    let middle = |bin: &[(f64, f64)]| {
        let mut values: Vec<f64> = bin.iter().map(|(_, y)| *y).collect();
        values.sort_by(f64::total_cmp);
        (0.5 * (bin[0].0 + bin[bin.len() - 1].0), values[values.len() / 2])
    };
    samples.chunks(size).map(middle).collect()
}

/// The median of all slopes, and the one that the true slope is above with 99.9 % confidence, by the normal
/// approximation of Kendall's statistic. Outliers move neither.
fn sen(points: &[(f64, f64)]) -> (f64, f64) {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    let mut slopes: Vec<f64> = pairs.map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
    if slopes.is_empty() {
        return (0.0, 0.0);
    }
    slopes.sort_by(f64::total_cmp);
    let (n, all) = (points.len() as f64, slopes.len() as f64);
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let rank = ((all - SURE * deviation) / 2.0).floor().max(0.0) as usize;
    (slopes[slopes.len() / 2], slopes[rank])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident memory of an hour as it may look: a level, jitter of `noise` bytes, now and then a peak, a slow wave of the
    /// allocator, caches that fill, and `leak` bytes a round.
    fn hour(rounds: usize, noise: f64, leak: f64) -> Vec<(f64, f64)> {
        let mut state = 42_u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let sample = |round: usize| {
            let x = round as f64;
            let peak = if uniform() > 0.48 { 50.0 * noise } else { 0.0 };
            let fills = 30.0 * noise * (1.0 - (-20.0 * x / rounds as f64).exp());
            let wave = 0.5 * noise * (60.0 * x / rounds as f64).sin();
            (x, 3e8 + fills + wave + noise * uniform() + peak + leak * x)
        };
        (0..rounds).map(sample).collect()
    }

    #[test]
    fn a_leak_of_100_bytes_a_round_is_found() {
        for (rounds, noise) in [(200, 500.0), (1800, 4e4), (5000, 2e5)] {
            let trend = judge(&hour(rounds, noise, 100.0), 16.0);
            assert_eq!(trend.leaks, Some(true), "{rounds} rounds, {noise}: {trend:?}");
            assert!(trend.slope > 60.0 && trend.slope < 140.0, "{rounds} rounds, {noise}: {trend:?}");
        }
    }

    #[test]
    fn noise_peaks_waves_and_caches_are_no_leak() {
        for (rounds, noise) in [(24, 1e4), (40, 1e4), (200, 500.0), (1800, 4e4), (5000, 2e5)] {
            let trend = judge(&hour(rounds, noise, 0.0), 16.0);
            assert_eq!(trend.leaks, Some(false), "{rounds} rounds, {noise}: {trend:?}");
        }
    }

    #[test]
    fn what_fills_late_and_then_rests_is_no_leak() {
        let filling = |x: f64| (x, (x * 1000.0).min(60_000.0));
        let samples: Vec<_> = (0..100).map(|i| filling(f64::from(i))).collect();
        assert_eq!(judge(&samples, 16.0).leaks, Some(false));
    }

    #[test]
    fn a_handle_every_tenth_round_is_found() {
        let handles = |rounds: usize, every: usize| {
            let samples: Vec<_> = (0..rounds).map(|i| (i as f64, (30 + i / every) as f64)).collect();
            judge(&samples, 0.002).leaks == Some(true)
        };
        assert!(handles(400, 10) && handles(1800, 100));
        // Two threads of a pool that have woken late.
        assert!(!handles(400, 150));
    }

    #[test]
    fn too_few_samples_say_nothing() {
        for rounds in 0..21 {
            assert_eq!(judge(&hour(rounds, 10.0, 1e6), 16.0).leaks, None, "{rounds}");
        }
        assert_eq!(judge(&hour(24, 10.0, 1e6), 16.0).leaks, Some(true));
    }
}
