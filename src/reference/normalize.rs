//! Rows brought to a common scale.

use crate::contract::Normalization;

/// The row normalised; see [`Normalization`].
pub fn normalize(row: &[f64], how: Normalization) -> Vec<f64> {
    let n = row.len() as f64;
    let (mean, square) = match how {
        Normalization::Layer { eps } => {
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            (mean, variance + f64::from(eps))
        }
        Normalization::L2 => (0.0, row.iter().map(|v| v * v).sum::<f64>()),
    };
    let of = |v: &f64| match square {
        s if s < f64::from(f32::MIN_POSITIVE) => 0.0,
        s if s > f64::from(f32::MAX) => f64::NAN,
        s => (v - mean) / s.sqrt(),
    };
    row.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_numbers() {
        assert_eq!(normalize(&[3.0, -4.0], Normalization::L2), [0.6, -0.8]);
        assert_eq!(normalize(&[0.0, 0.0], Normalization::L2), [0.0, 0.0]);
        // Mean 3, variance 4.
        let layer = Normalization::Layer { eps: 0.0 };
        assert_eq!(normalize(&[1.0, 5.0, 1.0, 5.0], layer), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(normalize(&[7.0, 7.0], layer), [0.0, 0.0]);
        // Variance 4 and 5 make 9.
        let row = normalize(&[1.0, 5.0], Normalization::Layer { eps: 5.0 });
        assert_eq!(row, [-2.0 / 3.0, 2.0 / 3.0]);
    }
}
