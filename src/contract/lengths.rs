//! Lengths of rows that scores can be made of.

use super::Similarity;
use crate::{Error, Result};

/// Largest squared length of a pattern or query, and largest `beta` times a similarity: beyond, scores
/// leave the range in which f32 and the mask's sentinel are safe.
pub(crate) const LARGEST: f64 = 1e28;

impl Similarity {
    /// The largest similarity that can occur between rows of `d` columns of at most this squared length.
    pub(crate) fn reach(self, squared: f64, d: usize) -> f64 {
        match self {
            Self::L2 | Self::Dot => squared,
            Self::Cosine => 1.0,
            Self::L1 => 2.0 * (d as f64 * squared).sqrt(),
        }
    }

    /// The largest squared length of rows of `d` columns whose similarities are safe at `beta`.
    pub(crate) fn longest(self, beta: f32, d: usize) -> f32 {
        let most = LARGEST / f64::from(beta);
        let squared = match self {
            Self::L2 | Self::Dot => most,
            Self::Cosine => LARGEST,
            Self::L1 => (0.5 * most).powi(2) / d as f64,
        };
        squared.min(LARGEST) as f32
    }
}

/// Refuses an inverse temperature that is too large for similarities of this reach.
pub(crate) fn check_reach(beta: f32, reach: f64) -> Result<()> {
    if f64::from(beta) * reach <= LARGEST {
        return Ok(());
    }
    let want = format!("at most {:e} for rows of this length, so that scores fit f32", LARGEST / reach);
    Err(Error::parameter("beta", beta, want))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_safe_row_just_reaches_the_limit() {
        for similarity in Similarity::ALL {
            for (beta, d) in [(1e-6, 1), (1.0, 7), (1e3, 100), (1e20, 3)] {
                let longest = f64::from(similarity.longest(beta, d));
                let reach = similarity.reach(longest, d);
                // Up to the rounding to f32, of which a square root may be taken.
                assert!(f64::from(beta) * reach <= LARGEST * (1.0 + 1e-6), "{similarity} {beta} {d}");
                assert!(longest == f64::from(LARGEST as f32) || f64::from(beta) * reach > 0.99 * LARGEST);
            }
        }
    }
}
