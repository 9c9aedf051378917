//! Text in plots and pages.

use attractor::capacity::{Corruption, Criterion};

/// Names of temperatures in symbols.
pub(crate) fn symbols(name: &str) -> String {
    name.replace("lambda ", "\u{3bb} = ")
        .replace("beta auto", "\u{3b2} automatic")
        .replace("beta ", "\u{3b2} = ")
}

/// What a damage does.
pub(crate) fn damage(corruption: Corruption) -> String {
    let percent = |f: f64| format!("{} %", (1000.0 * f).round() / 10.0);
    match corruption {
        Corruption::Overlap(1.0) => "left as they are".to_owned(),
        Corruption::Overlap(c) => format!("turned to a random direction of cosine {c}"),
        Corruption::Flip(0.0) => "left as they are".to_owned(),
        Corruption::Flip(f) => format!("with {} of their signs turned", percent(f)),
        Corruption::Noise(s) => format!("with Gaussian noise of {s} times their length"),
        Corruption::Mask(f) => format!("with {} of their values set to 0", percent(f)),
        Corruption::Half => "with their second half set to 0".to_owned(),
        Corruption::ImageNoise(s) => {
            format!("with noise of {s} times the range of the data on each value, clamped to that range")
        }
        Corruption::Dropout => {
            "with half of their values dropped at random and the others doubled".to_owned()
        }
    }
}

/// What a criterion asks for.
pub(crate) fn asks(criterion: Criterion) -> String {
    match criterion {
        Criterion::Identity => "the pattern of most weight is the right one".to_owned(),
        Criterion::L2(e) => format!("the state ends within {e} of the pattern's length from it"),
        Criterion::Sign => "all signs are right".to_owned(),
        Criterion::Hamming(h) => format!("at most {h} signs are wrong"),
        Criterion::Ssd(t) => format!("the squared distance to the pattern is at most {t}"),
        Criterion::Weight => "the right pattern has more than half of the weight".to_owned(),
        Criterion::Ball(r) => {
            format!("16 starts at a distance of {r} round the pattern all lead to one state within it")
        }
    }
}

/// A count with a space between thousands, or a power of ten.
pub(crate) fn count(v: f64) -> String {
    if !v.is_finite() || v >= 1e9 {
        return super::record::short(v);
    }
    if v < 1000.0 {
        return if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.1}") };
    }
    let digits = format!("{v:.0}");
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!(
            (count(12.0), count(921.04), count(12_008.3)),
            ("12".into(), "921.0".into(), "12,008".into())
        );
        assert_eq!((count(65_536.0), count(3.05e11)), ("65,536".into(), "3.05e11".into()));
    }
}
