//! Numbers for readers.

use std::fmt;

/// A number as text in four significant digits, or all digits of its whole part below a million; very large and very small ones
/// with an exponent.
///
/// ```
/// use attractor::Short;
/// let shown: Vec<String> = [9.210441, 8.0, 0.00023456, 123456.7, 1.1754944e-38, 0.0]
///     .iter()
///     .map(|v| Short(*v).to_string())
///     .collect();
/// assert_eq!(shown, ["9.21", "8", "0.0002346", "123457", "1.175e-38", "0"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scientific = format!("{:.3e}", self.0);
        // NaN and infinities have no exponent.
        let Some((mantissa, exponent)) = scientific.split_once('e') else { return f.pad(&scientific) };
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let trimmed = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        match exponent {
            _ if self.0 == 0.0 => f.pad("0"),
            -4..6 => f.pad(&trimmed(&format!("{:.*}", (3 - exponent).max(0) as usize, self.0))),
            _ => f.pad(&format!("{}e{exponent}", trimmed(mantissa))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_short_whatever_its_size() {
        for (value, want) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.3"),
            (99.996, "100"),
            (9.9996, "10"),
            (1234.5, "1234"),
            (999_999.4, "1e6"),
            (123_456.7, "123457"),
            (1e6, "1e6"),
            (-2.5e20, "-2.5e20"),
            (1e-4, "0.0001"),
            (9.99996e-5, "0.0001"),
            (3.4e-5, "3.4e-5"),
            (f64::from(f32::MIN_POSITIVE), "1.175e-38"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "0"),
        ] {
            assert_eq!(Short(value).to_string(), want);
        }
        assert_eq!(format!("{:>7}|{:<7}|", Short(1.5), Short(1e-9)), "    1.5|1e-9   |");
        for power in -320..308 {
            let text = Short(1.234_567 * 10_f64.powi(power)).to_string();
            assert!(text.len() <= 10, "{text}");
        }
    }
}
