//! Numbers as people read them.

/// A count with its thousands apart: `100,000`.
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in the unit that suits it, of three digits or so: `3.91 ms`.
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s < 1e-3 => (1e6 * seconds, "µs"),
        s if s < 1.0 => (1e3 * seconds, "ms"),
        _ => (seconds, "s"),
    };
    let decimals = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// A power of ten of a second, as an axis has it: `100 µs`.
pub(crate) fn decade(power: i32) -> String {
    let (power, unit) = match power {
        i32::MIN..-6 => (power + 9, "ns"),
        -6..-3 => (power + 6, "µs"),
        -3..0 => (power + 3, "ms"),
        _ => (power, "s"),
    };
    format!("{} {unit}", 10_f64.powi(power))
}
