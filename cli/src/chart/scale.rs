//! Axes: from values to places, and the values that are labelled.

/// How an axis runs.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) log: bool,
    /// Ends, where the data must not set them.
    pub(crate) range: Option<(f64, f64)>,
    /// Values that are labelled, where round ones would say less.
    pub(crate) labelled: Vec<f64>,
}

impl Axis {
    pub(crate) fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), log: false, range: None, labelled: Vec::new() }
    }

    pub(crate) fn log(label: &str) -> Self {
        Self { label: label.to_owned(), log: true, range: None, labelled: Vec::new() }
    }

    pub(crate) fn labelled(mut self, values: impl Iterator<Item = f64>) -> Self {
        self.labelled = values.collect();
        self
    }

    pub(crate) fn within(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }
}

/// A scale from values to places.
pub(super) struct Scale {
    pub(super) log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    pub(super) fn of(axis: &Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let usable = values.filter(|v| v.is_finite() && (!axis.log || *v > 0.0));
        let (mut low, mut high) =
            usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if let Some((l, h)) = axis.range {
            (low, high) = (l, h);
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        if axis.range.is_none() {
            if axis.log {
                (low, high) = (low / 1.25, high * 1.25);
            } else {
                let room = 0.06 * (high - low).max(1e-12 * high.abs()).max(1e-300);
                (low, high) = (low - room, high + room);
            }
        }
        if high - low <= 0.0 {
            high = low + 1.0;
        }
        Self { log: axis.log, low, high, from, to }
    }

    pub(super) fn place(&self, v: f64) -> f64 {
        let along = if self.log {
            (v.max(1e-300) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (v - self.low) / (self.high - self.low)
        };
        self.from + along.clamp(-0.5, 1.5) * (self.to - self.from)
    }

    pub(super) fn holds(&self, v: f64) -> bool {
        v.is_finite() && v >= self.low * (1.0 - 1e-9) - 1e-12 && v <= self.high * (1.0 + 1e-9) + 1e-12
    }

    /// Places of labels, and of the small ticks between them.
    pub(super) fn ticks(&self) -> (Vec<f64>, Vec<f64>) {
        if self.log { self.log_ticks() } else { (self.linear_ticks(), Vec::new()) }
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|v| self.holds(*v)).take(20).collect()
    }

    fn log_ticks(&self) -> (Vec<f64>, Vec<f64>) {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = self.high.log10() - self.low.log10();
        let apart = (decades / 8.0).ceil().max(1.0) as i32;
        let mut labels: Vec<f64> = (first..=last)
            .filter(|e| e.rem_euclid(apart) == 0)
            .map(|e| 10_f64.powi(e))
            .filter(|v| self.holds(*v))
            .collect();
        let small = (first..=last).flat_map(|e| (2..10).map(move |m| f64::from(m) * 10_f64.powi(e)));
        let small: Vec<f64> = small.filter(|v| decades < 8.0 && self.holds(*v)).collect();
        if labels.len() < 3 {
            // A short range: twos and fives too.
            let more = small.iter().filter(|v| {
                let digit = (*v / 10_f64.powf(v.log10().floor())).round();
                digit == 2.0 || digit == 5.0
            });
            labels.extend(more);
            labels.sort_by(f64::total_cmp);
        }
        (labels, small)
    }
}

/// A number as an axis shows it.
pub(super) fn tick(v: f64, log: bool) -> String {
    let size = v.abs();
    if v == 0.0 {
        return "0".to_owned();
    }
    let exponent = size.log10().floor() as i32;
    if (log && !(-2..3).contains(&exponent)) || (!log && !(-3..6).contains(&exponent)) {
        let mantissa = v / 10_f64.powi(exponent);
        let power = superscript(exponent);
        return match (mantissa - 1.0).abs() < 1e-9 {
            true => format!("10{power}"),
            false => format!("{}\u{b7}10{power}", trimmed(mantissa, 2)),
        };
    }
    trimmed(v, 4)
}

/// Without zeros at the end.
fn trimmed(v: f64, digits: usize) -> String {
    let text = format!("{v:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '\u{207b}',
            '1' => '\u{b9}',
            '2' => '\u{b2}',
            '3' => '\u{b3}',
            digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let axis = Axis::log("n");
        let scale = Scale::of(&axis, [2.0, 40_000.0].into_iter(), 0.0, 1.0);
        assert_eq!(scale.ticks().0, [10.0, 100.0, 1000.0, 10_000.0]);
        let short = Scale::of(&axis, [3.0, 60.0].into_iter(), 0.0, 1.0);
        assert_eq!(short.ticks().0, [5.0, 10.0, 20.0, 50.0]);
        let linear = Scale::of(&Axis::linear("p").within(0.0, 1.0), [].into_iter(), 0.0, 1.0);
        let ticks: Vec<String> = linear.ticks().0.into_iter().map(|v| tick(v, false)).collect();
        assert_eq!(ticks, ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(
            (tick(1e6, true), tick(5e-7, true), tick(1000.0, true)),
            ("10\u{2076}".into(), "5\u{b7}10\u{207b}\u{2077}".into(), "10\u{b3}".into())
        );
    }
}
