//! What a soak has seen: samples, judgement, table, files.

use crate::{
    sample::QUANTITIES,
    trend::{Trend, judge},
};
use attractor::Device;
use std::{fmt::Write, fs, io, path::Path, time::Duration};

/// A sample after a round.
struct Sample {
    at: Duration,
    round: usize,
    values: [Option<f64>; QUANTITIES.len()],
}

/// All samples in their order.
pub(crate) struct Record {
    samples: Vec<Sample>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self { samples: Vec::new() }
    }

    /// When the last sample was taken.
    pub(crate) fn last(&self) -> Option<Duration> {
        self.samples.last().map(|sample| sample.at)
    }

    /// Rounds up to the last sample.
    pub(crate) fn rounds(&self) -> usize {
        self.samples.last().map_or(0, |sample| sample.round)
    }

    pub(crate) fn take(&mut self, at: Duration, round: usize, devices: &[Device]) {
        // Room is made ahead of time in steps: what the record itself takes is no growth of the library.
        if self.samples.len() == self.samples.capacity() {
            self.samples.reserve(1 << 14);
        }
        let values = std::array::from_fn(|i| (QUANTITIES[i].read)(devices));
        self.samples.push(Sample { at, round, values });
    }

    /// Rounds and values of one quantity.
    fn series(&self, quantity: usize) -> Vec<(f64, f64)> {
        let of = |sample: &Sample| Some((sample.round as f64, sample.values[quantity]?));
        self.samples.iter().filter_map(of).collect()
    }

    fn trend(&self, quantity: usize) -> Trend {
        judge(&self.series(quantity), QUANTITIES[quantity].allowed)
    }

    /// Names of what leaks.
    pub(crate) fn leaks(&self) -> impl Iterator<Item = &'static str> {
        let leaks = |(i, _): &(usize, _)| self.trend(*i).leaks == Some(true);
        QUANTITIES.iter().enumerate().filter(leaks).map(|(_, quantity)| quantity.name)
    }

    /// Whether there are enough samples for a judgement.
    pub(crate) fn says_something(&self) -> bool {
        self.trend(0).leaks.is_some()
    }

    /// The last sample in a line.
    pub(crate) fn progress(&self) -> String {
        let Some(Sample { at, round, values }) = self.samples.last() else { return String::new() };
        let mut line = format!("{:5.1} min, round {round}:", at.as_secs_f64() / 60.0);
        for (quantity, value) in QUANTITIES.iter().zip(values) {
            if let Some(value) = value {
                let _ = write!(line, " {} {},", quantity.name, short(*value));
            }
        }
        line.pop();
        line
    }

    /// Each quantity with its levels and its growth per round.
    pub(crate) fn table(&self) -> String {
        let mut out = format!(
            "{:18} {:>10} {:>10} {:>10} {:>10} {:>12} {:>12} {:>10}",
            "", "first", "quarter", "end", "most", "growth/round", "at least", "allowed"
        );
        for (i, quantity) in QUANTITIES.iter().enumerate() {
            let series = self.series(i);
            let (Some(first), Some(end)) = (series.first(), series.last()) else {
                let _ = write!(out, "\n{:18} not known on this system", quantity.name);
                continue;
            };
            let most = series.iter().fold(0.0, |most: f64, (_, v)| most.max(*v));
            let (trend, warm) = (self.trend(i), series[series.len() / 4].1);
            let _ = write!(
                out,
                "\n{:18} {:>10} {:>10} {:>10} {:>10} {:>12.3} {:>12.3} {:>10} {}",
                quantity.name,
                short(first.1),
                short(warm),
                short(end.1),
                short(most),
                trend.slope,
                trend.at_least,
                quantity.allowed,
                match trend.leaks {
                    Some(true) => "LEAKS",
                    Some(false) => "flat",
                    None => "too few samples",
                }
            );
        }
        out
    }

    /// Writes `soak.csv` and `soak.svg` to a folder.
    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("soak.csv"), self.csv())?;
        fs::write(folder.join("soak.svg"), self.svg())
    }

    fn csv(&self) -> String {
        let names: Vec<String> = QUANTITIES.iter().map(|q| q.name.replace(' ', "_")).collect();
        let mut out = format!("seconds,round,{}\n", names.join(","));
        for Sample { at, round, values } in &self.samples {
            let values: Vec<String> =
                values.iter().map(|v| v.map_or(String::new(), |v| v.to_string())).collect();
            let _ = writeln!(out, "{:.1},{round},{}", at.as_secs_f64(), values.join(","));
        }
        out
    }

    /// A panel for each quantity, over rounds, from 0 to its largest value.
    fn svg(&self) -> String {
        const WIDTH: f64 = 760.0;
        const PANEL: f64 = 90.0;
        let height = PANEL * QUANTITIES.len() as f64 + 10.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (i, quantity) in QUANTITIES.iter().enumerate() {
            let (series, bottom) = (self.series(i), PANEL * (i + 1) as f64 - 8.0);
            let most = series.iter().fold(f64::MIN_POSITIVE, |most, (_, v)| most.max(*v));
            let last = series.last().map_or(1.0, |(x, _)| x.max(1.0));
            let place = |(x, y): &(f64, f64)| {
                format!("{:.1},{:.1}", 10.0 + (WIDTH - 20.0) * x / last, bottom - 60.0 * y / most)
            };
            let points: Vec<String> = series.iter().map(place).collect();
            let _ = write!(
                out,
                "<text x=\"10\" y=\"{:.0}\">{}: at most {}, {:+.2} a round over {last} rounds</text>\n\
                 <line x1=\"10\" x2=\"{:.0}\" y1=\"{bottom}\" y2=\"{bottom}\" stroke=\"#999\"/>\n\
                 <polyline fill=\"none\" stroke=\"#1763a6\" points=\"{}\"/>\n",
                bottom - 66.0,
                quantity.name,
                short(most),
                self.trend(i).slope,
                WIDTH - 10.0,
                points.join(" ")
            );
        }
        out + "</svg>\n"
    }
}

/// A number in at most seven characters.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.3}G", v / 1e9),
        v if v >= 1e6 => format!("{:.3}M", v / 1e6),
        v if v >= 1e4 => format!("{:.2}k", v / 1e3),
        v => format!("{v}"),
    }
}
