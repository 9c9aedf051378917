//! Where patterns come from.

use super::vectors::{dot, length};
use crate::{
    Error, Result, Rows, SharedRows,
    codes::KnownCode,
    cpu,
    ops::{self, Bank, LARGEST, check_lengths},
    random::{
        Stream, key,
        purpose::{AXIS, CLUSTER, ORDER, PATTERN},
        tag,
    },
};
use rayon::prelude::*;
use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

/// A family of random patterns, or the patterns of a file. The first `n` patterns of a seed are the same however many are asked for.
///
/// ```
/// use attractor::capacity::Ensemble;
/// let sphere: Ensemble = "sphere".parse()?;
/// let (few, many) = (sphere.rows(7, 16, 10)?, sphere.rows(7, 16, 1000)?);
/// assert_eq!(few, many.slice(0..10));
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Ensemble {
    /// `sphere` (E1): uniform on the unit sphere.
    Sphere,
    /// `bipolar` (E2): independent -1 and 1.
    Bipolar,
    /// `gaussian` (E3): independent standard normals.
    Gaussian,
    /// `sparse:A` (E4): independent 1 with probability A, else 0.
    Sparse(f64),
    /// `clusters:RHO` (E5): `sqrt(RHO) g_cluster + sqrt(1 - RHO) g`, pattern by pattern from ten clusters in turn.
    Clusters(f64),
    /// `manifold:K` (E6): unit vectors of a random subspace of K dimensions.
    Manifold(usize),
    /// Given rows, in an order of the seed: `code:NAME` (E7), a spherical code of [`crate::codes::KnownCode`], or a file (E8).
    File(FileRows),
}

/// Patterns that were given, with the name that reports call them by.
#[derive(Clone)]
pub struct FileRows {
    name: String,
    rows: SharedRows,
    columns: usize,
    /// Of the values.
    sum: u32,
    /// Least and largest of them.
    range: [f32; 2],
}

impl fmt::Debug for FileRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRows")
            .field("name", &self.name)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// An error about a row of patterns, said of the row of the file that it is where they are in an order of their own.
pub(super) fn in_order(error: Error, order: Option<&[usize]>) -> Error {
    match order {
        Some(order) => error.of_row(|row| order.get(row).copied().unwrap_or(row)),
        None => error,
    }
}

/// How many clusters there are.
const CLUSTERS: u64 = 10;

impl Ensemble {
    /// The ensemble of rows that are given, `columns` wide.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for another number of values; [`Error::NonFinite`]; [`Error::InvalidParameter`] for a row that is too
    /// long; [`Error::NotEnoughPatterns`] for fewer than 2.
    ///
    /// ```
    /// use attractor::capacity::Ensemble;
    /// use std::sync::Arc;
    /// let file = Ensemble::of_rows("three", Arc::new(vec![0.0, 1.0, 1.0, 0.0, 1.0, 1.0]), 2)?;
    /// assert_eq!(file.rows(0, 2, 3)?.rows(), 3);
    /// assert!(file.rows(0, 2, 4).is_err());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn of_rows(name: impl Into<String>, rows: SharedRows, columns: usize) -> Result<Self> {
        let name = name.into();
        let view = Rows::new((*rows).as_ref(), columns)?;
        // Whatever a memory could say of the length of a row is said here, where rows have the numbers of the file.
        let squared: Vec<f32> = view.iter().map(cpu::similarity::squared).collect();
        check_lengths(&view, &squared, LARGEST, "patterns")?;
        if view.rows() < 2 {
            return Err(Error::NotEnoughPatterns { have: view.rows(), need: 2 });
        }
        let sum = crc32fast::hash(bytemuck::cast_slice((*rows).as_ref()));
        let values = (*rows).as_ref().iter();
        let range = values.fold([f32::INFINITY, f32::NEG_INFINITY], |[a, b], v| [a.min(*v), b.max(*v)]);
        Ok(Self::File(FileRows { name, rows, columns, sum, range }))
    }

    /// A checksum of the rows that are given; `None` where patterns come from a seed.
    pub(super) fn checksum(&self) -> Option<u32> {
        match self {
            Self::File(file) => Some(file.sum),
            _ => None,
        }
    }

    /// Least and largest value, where patterns have them by nature: what noise on images is clamped to.
    pub fn range(&self) -> Option<[f32; 2]> {
        match self {
            Self::File(file) => Some(file.range),
            Self::Sparse(_) => Some([0.0, 1.0]),
            Self::Bipolar => Some([-1.0, 1.0]),
            Self::Sphere | Self::Gaussian | Self::Clusters(_) | Self::Manifold(_) => None,
        }
    }

    /// Whether all values are -1 and 1.
    pub fn is_bipolar(&self) -> bool {
        match self {
            Self::Bipolar => true,
            Self::File(file) => (*file.rows).as_ref().iter().all(|v| v.abs() == 1.0),
            _ => false,
        }
    }

    /// Whether patterns are directions without a preferred one: what the laws of the sphere are about.
    pub fn is_isotropic(&self) -> bool {
        matches!(self, Self::Sphere)
    }

    /// The dimension, where the ensemble has only one.
    pub fn dim(&self) -> Option<usize> {
        match self {
            Self::File(file) => Some(file.columns),
            _ => None,
        }
    }

    /// How many patterns there are, where that is limited.
    pub fn most(&self) -> Option<usize> {
        match self {
            Self::File(file) => Some((*file.rows).as_ref().len() / file.columns.max(1)),
            _ => None,
        }
    }

    /// Mean squared length of a pattern: `lambda` is `beta` times that over the dimension.
    pub fn squared_length(&self, d: usize) -> f64 {
        match self {
            Self::Sphere | Self::Manifold(_) => 1.0,
            Self::Bipolar | Self::Gaussian | Self::Clusters(_) => d as f64,
            Self::Sparse(activity) => activity * d as f64,
            Self::File(file) => {
                let values = (*file.rows).as_ref();
                dot(values, values) * file.columns as f64 / values.len().max(1) as f64
            }
        }
    }

    /// Refuses parameters and dimensions that mean nothing.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`], [`Error::DimensionMismatch`], [`Error::NotEnoughPatterns`].
    pub fn check(&self, d: usize, n: usize) -> Result<()> {
        if d == 0 {
            return Err(Error::parameter("dimension", d, "at least 1"));
        }
        match self {
            Self::Manifold(rank) if *rank > d => {
                return Err(Error::parameter("dimensions of the manifold", rank, format!("at most {d}")));
            }
            Self::File(file) if file.columns != d => {
                return Err(Error::dimension("dimension (as the file's patterns have)", d, file.columns));
            }
            _ => {}
        }
        match self.most() {
            Some(have) if have < n => Err(Error::NotEnoughPatterns { have, need: n }),
            _ => Ok(()),
        }
    }

    /// The patterns of a seed as a bank that makes them when they are looked at; `None` for an ensemble that cannot be made so.
    ///
    /// # Errors
    /// As [`Bank::new`].
    pub fn bank(&self, seed: u64, d: usize, n: u64) -> Result<Option<Bank>> {
        let ensemble = match self {
            Self::Sphere => ops::Ensemble::Sphere,
            Self::Bipolar => ops::Ensemble::Bipolar,
            Self::Gaussian => ops::Ensemble::Gaussian,
            _ => return Ok(None),
        };
        Bank::new(ensemble, seed, n, d).map(Some)
    }

    /// The first `n` patterns of a seed, `[n, d]`.
    ///
    /// # Errors
    /// As [`Ensemble::check`].
    pub fn rows(&self, seed: u64, d: usize, n: usize) -> Result<Rows<'static>> {
        self.check(d, n)?;
        if let Some(bank) = self.bank(seed, d, n as u64)? {
            return bank.rows(0..n as u64);
        }
        let key = self.key(seed, d);
        if let (Self::File(file), Some(order)) = (self, self.order(seed, d, n)) {
            let rows = Rows::new((*file.rows).as_ref(), file.columns)?;
            let values: Vec<f32> = order.into_iter().flat_map(|i| rows.row(i)).copied().collect();
            return Rows::new(values, d);
        }
        let axes: Vec<Vec<f64>> = match self {
            Self::Manifold(rank) => (0..*rank as u64).map(|k| Stream::new(key, AXIS, k).normals(d)).collect(),
            _ => Vec::new(),
        };
        let mut values = vec![0.0_f32; n * d];
        values.par_chunks_exact_mut(d).enumerate().for_each(|(i, row)| self.fill(key, i as u64, &axes, row));
        Rows::new(values, d)
    }

    /// Which rows of a file the first `n` patterns of a seed are; `None` for other patterns.
    pub(super) fn order(&self, seed: u64, d: usize, n: usize) -> Option<Vec<usize>> {
        let Self::File(file) = self else { return None };
        let rows = (*file.rows).as_ref().len() / file.columns.max(1);
        Some(Stream::new(self.key(seed, d), ORDER, 0).choose(n, rows))
    }

    fn key(&self, seed: u64, d: usize) -> u64 {
        key(seed, &[tag("patterns"), tag(&self.to_string()), d as u64])
    }

    /// Pattern `i` of a key.
    fn fill(&self, key: u64, i: u64, axes: &[Vec<f64>], row: &mut [f32]) {
        let mut draw = Stream::new(key, PATTERN, i);
        match self {
            Self::Sparse(a) => row.iter_mut().for_each(|v| *v = if draw.uniform() < *a { 1.0 } else { 0.0 }),
            Self::Clusters(rho) => {
                let mut centre = Stream::new(key, CLUSTER, i % CLUSTERS);
                let (near, own) = (rho.sqrt(), (1.0 - rho).sqrt());
                row.iter_mut().for_each(|v| *v = (near * centre.normal() + own * draw.normal()) as f32);
            }
            Self::Manifold(rank) => {
                let along = draw.direction(*rank);
                let mut sum = vec![0.0; row.len()];
                for (z, axis) in along.iter().zip(axes) {
                    sum.iter_mut().zip(axis).for_each(|(s, a)| *s += z * a);
                }
                let length = length(&sum).max(f64::MIN_POSITIVE);
                copy(row, sum.into_iter().map(|v| v / length));
            }
            Self::Sphere | Self::Bipolar | Self::Gaussian | Self::File(_) => {}
        }
    }
}

fn copy(row: &mut [f32], values: impl IntoIterator<Item = f64>) {
    row.iter_mut().zip(values).for_each(|(to, v)| *to = v as f32);
}

impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sphere => f.write_str("sphere"),
            Self::Bipolar => f.write_str("bipolar"),
            Self::Gaussian => f.write_str("gaussian"),
            Self::Sparse(a) => write!(f, "sparse:{a}"),
            Self::Clusters(rho) => write!(f, "clusters:{rho}"),
            Self::Manifold(k) => write!(f, "manifold:{k}"),
            Self::File(file) => f.write_str(&file.name),
        }
    }
}

impl FromStr for Ensemble {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v)));
        let share = |want: &str| match value.and_then(|v| v.parse::<f64>().ok()) {
            Some(v) if v > 0.0 && v < 1.0 => Ok(v),
            _ => Err(Error::parameter("ensemble", text, want)),
        };
        match (name, value) {
            ("sphere", None) => Ok(Self::Sphere),
            ("bipolar", None) => Ok(Self::Bipolar),
            ("gaussian", None) => Ok(Self::Gaussian),
            ("sparse", _) => Ok(Self::Sparse(share("sparse:A with an activity A between 0 and 1")?)),
            ("clusters", _) => {
                Ok(Self::Clusters(share("clusters:RHO with a correlation RHO between 0 and 1")?))
            }
            ("code", Some(name)) => {
                let code = KnownCode::find(name)?;
                let points: Vec<f32> = code.build().data.iter().map(|v| *v as f32).collect();
                Self::of_rows(text, Arc::new(points), code.dim())
            }
            ("manifold", _) => match value.and_then(|v| v.parse().ok()) {
                Some(k) if k >= 1 => Ok(Self::Manifold(k)),
                _ => Err(Error::parameter("ensemble", text, "manifold:K with K dimensions, at least 1")),
            },
            _ => Err(Error::parameter(
                "ensemble",
                text,
                "sphere, bipolar, gaussian, sparse:A, clusters:RHO, manifold:K, code:NAME, or the rows of a file",
            )),
        }
    }
}

/// How patterns stand to each other: correlated ones hold far less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BankSummary {
    /// How many patterns were looked at, from the first on.
    pub sampled: usize,
    /// Mean size of the cosine between two of them.
    pub mean_cosine: f64,
    /// Largest cosine.
    pub max_cosine: f64,
    /// Least separation `|xi|^2 - xi.xj`, by which inner products tell a pattern from another.
    pub min_separation: f64,
    /// Least and largest length.
    pub lengths: [f64; 2],
    /// How many patterns are copies of an earlier one.
    pub copies: usize,
}

/// Patterns that are compared with each other.
const SAMPLE: usize = 1000;

impl BankSummary {
    /// Of the first patterns, up to a thousand.
    ///
    /// ```
    /// use attractor::{Rows, capacity::BankSummary};
    /// let summary = BankSummary::of(&Rows::new(vec![1.0, 0.0, 0.0, 2.0, 1.0, 0.0], 2)?);
    /// assert_eq!((summary.copies, summary.max_cosine, summary.lengths), (1, 1.0, [1.0, 2.0]));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn of(patterns: &Rows<'_>) -> Self {
        let sampled = patterns.rows().min(SAMPLE);
        let squared: Vec<f64> = (0..sampled).map(|i| dot(patterns.row(i), patterns.row(i))).collect();
        let lengths = squared
            .iter()
            .fold([f64::INFINITY, 0.0], |[a, b]: [f64; 2], s| [a.min(s.sqrt()), b.max(s.sqrt())]);
        let of_row = |i: usize| {
            let (mut sum, mut most, mut least) = (0.0_f64, -1.0_f64, f64::INFINITY);
            for j in (0..sampled).filter(|j| *j != i) {
                let product = dot(patterns.row(i), patterns.row(j));
                let lengths = (squared[i] * squared[j]).sqrt();
                let cosine = if lengths > 0.0 { product / lengths } else { 0.0 };
                (sum, most, least) = (sum + cosine.abs(), most.max(cosine), least.min(squared[i] - product));
            }
            (sum, most, least)
        };
        let all: Vec<(f64, f64, f64)> = (0..sampled).into_par_iter().map(of_row).collect();
        let pairs = (sampled * sampled.saturating_sub(1)).max(1) as f64;
        Self {
            sampled,
            mean_cosine: all.iter().map(|r| r.0).sum::<f64>() / pairs,
            max_cosine: all.iter().fold(-1.0, |m, r| m.max(r.1)),
            min_separation: all.iter().fold(f64::INFINITY, |m, r| m.min(r.2)),
            lengths,
            copies: copies(patterns),
        }
    }
}

/// How many rows are copies of an earlier one.
pub(super) fn copies(rows: &Rows<'_>) -> usize {
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::with_capacity(rows.rows());
    let mut count = 0;
    for (i, row) in rows.iter().enumerate() {
        let same = seen.entry(crate::rows::hash(row)).or_default();
        if same.iter().any(|j| rows.row(*j) == row) {
            count += 1;
        } else {
            same.push(i);
        }
    }
    count
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_nested_and_seeds_differ() {
        for name in ["sphere", "bipolar", "gaussian", "sparse:0.2", "clusters:0.5", "manifold:3"] {
            let ensemble: Ensemble = name.parse().unwrap();
            assert_eq!(ensemble.to_string(), name);
            let many = ensemble.rows(3, 12, 100).unwrap();
            assert_eq!(ensemble.rows(3, 12, 40).unwrap(), many.slice(0..40), "{name}");
            assert_ne!(ensemble.rows(4, 12, 40).unwrap(), many.slice(0..40), "{name}");
            let squared = dot(many.as_slice(), many.as_slice()) / 100.0;
            let want = ensemble.squared_length(12);
            assert!((squared / want - 1.0).abs() < 0.2, "{name}: {squared}, want {want}");
        }
    }

    #[test]
    fn a_file_is_shuffled_by_the_seed() {
        let rows: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let file = Ensemble::of_rows("f", Arc::new(rows), 2).unwrap();
        let (a, b) = (file.rows(0, 2, 10).unwrap(), file.rows(1, 2, 10).unwrap());
        assert_ne!(a, b);
        assert_eq!(file.rows(0, 2, 4).unwrap(), a.slice(0..4));
        let mut first: Vec<i32> = a.iter().map(|r| r[0] as i32).collect();
        first.sort_unstable();
        assert_eq!(first, (0..10).map(|i| 2 * i).collect::<Vec<_>>());
        assert!(matches!(file.rows(0, 2, 11), Err(Error::NotEnoughPatterns { have: 10, need: 11 })));
        assert!(file.rows(0, 3, 1).is_err());
    }

    #[test]
    fn names_that_mean_nothing_are_refused() {
        for wrong in ["", "ball", "sparse", "sparse:1", "clusters:x", "manifold:0", "sphere:2"] {
            assert!(wrong.parse::<Ensemble>().is_err(), "{wrong}");
        }
        assert!(Ensemble::Manifold(9).rows(0, 8, 2).is_err());
        assert!(Ensemble::Sphere.rows(0, 0, 2).is_err());
    }

    #[test]
    fn codes_are_known_by_their_names() {
        let code: Ensemble = "code:icosahedron".parse().unwrap();
        assert_eq!(
            (code.to_string(), code.dim(), code.most()),
            ("code:icosahedron".into(), Some(3), Some(12))
        );
        let summary = BankSummary::of(&code.rows(4, 3, 12).unwrap());
        assert!((summary.max_cosine - 0.2 * 5.0_f64.sqrt()).abs() < 1e-6 && summary.copies == 0);
        assert!("code:cube".parse::<Ensemble>().is_err());
    }

    #[test]
    fn clusters_are_correlated() {
        let rows = Ensemble::Clusters(0.5).rows(0, 400, 30).unwrap();
        let near = super::super::vectors::cosine(rows.row(3), rows.row(13));
        let far = super::super::vectors::cosine(rows.row(3), rows.row(14));
        assert!((near - 0.5).abs() < 0.15 && far.abs() < 0.2, "{near} {far}");
        assert_eq!(BankSummary::of(&rows).copies, 0);
    }
}
