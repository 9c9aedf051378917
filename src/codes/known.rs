//! The best codes that are known, with the cosine of their smallest angle.
//!
//! H. Cohn, "Table of spherical codes" (`MIT` `DSpace`); N. Sloane with R. Hardin and W. Smith, "Tables of spherical codes" (three
//! dimensions); optimality of 7 to 9: K. Schuette, B. van der Waerden 1951, of 10, 11: L. Danzer 1963, of 12: L. Fejes Toth 1943, of 24:
//! R. Robinson 1961, of the others: V. Levenshtein 1979, K. Boeroeczky 1978 (600-cell), C. Bachoc, F. Vallentin 2009 (10 in four
//! dimensions).

use super::construct as build;
use crate::{Error, Matrix, Result};

/// The best that is known for a number of points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimum {
    /// Cosine of the smallest angle.
    pub cosine: f64,
    /// Whether nothing better can exist.
    pub proven: bool,
    /// What the code is called.
    pub what: &'static str,
}

/// A code that can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCode {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    points: usize,
    dim: usize,
}

macro_rules! codes {
    ($($name:literal $points:literal $dim:literal $what:literal;)*) => {
        [$(KnownCode { name: $name, what: $what, points: $points, dim: $dim }),*]
    };
}

/// Every code with a name of its own.
const CODES: [KnownCode; 15] = codes! {
    "seven" 7 3 "a pole and two triangles";
    "antiprism" 8 3 "square antiprism";
    "nine" 9 3 "three triangles";
    "ten" 10 3 "ten points with two planes of symmetry";
    "icosahedron-11" 11 3 "icosahedron less a corner";
    "icosahedron" 12 3 "icosahedron";
    "snub-cube" 24 3 "snub cube";
    "petersen" 10 4 "Petersen code";
    "24-cell" 24 4 "24-cell, roots of D4";
    "600-cell" 120 4 "600-cell";
    "half-cube" 16 5 "even half of a cube";
    "schlaefli" 27 6 "Schlaefli code";
    "e7" 56 7 "E7 code";
    "e8" 240 8 "roots of E8";
    "hadamard" 64 16 "axes and a Hadamard matrix";
};

/// Angles in degrees of the best known codes in three dimensions (Sloane), where no construction is built in.
const SLOANE: [(usize, f64); 29] = [
    (13, 57.1367),
    (14, 55.6706),
    (15, 53.6579),
    (16, 52.2444),
    (17, 51.0903),
    (18, 49.5567),
    (19, 47.6919),
    (20, 47.4310),
    (21, 45.6132),
    (22, 44.7402),
    (23, 43.7100),
    (25, 41.6345),
    (26, 41.0377),
    (27, 40.6776),
    (28, 39.3551),
    (29, 38.7137),
    (30, 38.5971),
    (32, 37.4752),
    (40, 33.4890),
    (48, 30.7628),
    (50, 29.7530),
    (60, 27.1928),
    (70, 25.1709),
    (80, 23.5531),
    (90, 22.1540),
    (100, 21.0312),
    (110, 20.1113),
    (120, 19.3240),
    (130, 18.5104),
];

/// Points, dimension and cosine of codes too large to be built here; all are proven best.
const LARGE: [(usize, usize, f64, &str); 5] = [
    (100, 22, 1.0 / 11.0, "Higman-Sims code"),
    (275, 22, 1.0 / 6.0, "McLaughlin code"),
    (552, 23, 0.2, "equiangular lines, both ways"),
    (4600, 23, 1.0 / 3.0, "kissing code of the shorter Leech lattice"),
    (196_560, 24, 0.5, "shortest vectors of the Leech lattice"),
];

/// The root of a cubic in an interval at whose ends it has different signs.
fn root([a, b, c, d]: [f64; 4], mut low: f64, mut high: f64) -> f64 {
    let value = |x: f64| ((a * x + b) * x + c) * x + d;
    let rises = value(high) > 0.0;
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if (value(middle) > 0.0) == rises { high = middle } else { low = middle }
    }
    0.5 * (low + high)
}

/// What an orthoplex is.
const AXES: &str = "axes, or some of them, both ways";
/// Values of a code that is built, at most.
const MOST_VALUES: usize = 1 << 27;

impl KnownCode {
    /// All with a name of their own. Beside them there are `simplex:N,D`, `orthoplex:N,D` and `polygon:N`.
    pub fn all() -> &'static [Self] {
        &CODES
    }

    /// A code by its name, or by its points and dimension as `N,D`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] naming what there is.
    ///
    /// ```
    /// use attractor::codes::KnownCode;
    /// assert_eq!("icosahedron".parse::<KnownCode>()?, KnownCode::find("12,3")?);
    /// assert_eq!(KnownCode::find("simplex:5,4")?.points(), 5);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn find(name: &str) -> Result<Self> {
        let sizes = |text: &str| -> Option<(usize, usize)> {
            let (n, d) = text.split_once(',')?;
            Some((n.trim().parse().ok()?, d.trim().parse().ok()?))
        };
        let named = CODES.into_iter().find(|code| code.name == name);
        let of = |name, what, (points, dim)| Self { name, what, points, dim };
        let family = match name.split_once(':') {
            Some(("polygon", n)) => {
                let points = n.parse().ok().filter(|n| *n >= 2);
                points.map(|points| of("polygon", "regular polygon", (points, 2)))
            }
            Some(("simplex", text)) => {
                let fits = |(n, d): &(usize, usize)| *n >= 2 && *n <= d.saturating_add(1);
                sizes(text).filter(fits).map(|sizes| of("simplex", "simplex", sizes))
            }
            Some(("orthoplex", text)) => {
                let fits = |(n, d): &(usize, usize)| *n >= 2 && *n <= d.saturating_mul(2);
                sizes(text).filter(fits).map(|sizes| of("orthoplex", AXES, sizes))
            }
            Some(_) => None,
            None => sizes(name).and_then(|(n, d)| Self::of_size(n, d)),
        };
        let fits = |code: &Self| code.points.checked_mul(code.dim).is_some_and(|size| size <= MOST_VALUES);
        let family = family.filter(fits);
        named.or(family).ok_or_else(|| {
            let names: Vec<&str> = CODES.iter().map(|code| code.name).collect();
            let want = format!(
                "one of {}, polygon:N, simplex:N,D (N up to D + 1), orthoplex:N,D (N up to 2 D), or N,D of one of these",
                names.join(", ")
            );
            Error::parameter("known code", name, want)
        })
    }

    /// The code of so many points in so many dimensions that can be built, if there is one.
    pub fn of_size(points: usize, dim: usize) -> Option<Self> {
        let family = |name, what| Some(Self { name, what, points, dim });
        match (points, dim) {
            (0 | 1, _) | (_, 0) => None,
            _ if points <= dim.saturating_add(1) => family("simplex", "simplex"),
            _ if dim == 2 => family("polygon", "regular polygon"),
            _ if dim == 1 => None,
            _ if points <= dim.saturating_mul(2) => family("orthoplex", AXES),
            _ => CODES.into_iter().find(|code| (code.points, code.dim) == (points, dim)),
        }
    }

    /// How many points.
    pub fn points(&self) -> usize {
        self.points
    }

    /// Their dimension.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Cosine of the smallest angle, by its closed form.
    pub fn cosine(&self) -> f64 {
        let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
        match self.name {
            "simplex" => -1.0 / (self.points - 1) as f64,
            "orthoplex" => 0.0,
            "polygon" => (std::f64::consts::TAU / self.points as f64).cos(),
            "seven" => root([3.0, -9.0, -3.0, 1.0], 0.0, 0.5),
            "antiprism" => (8.0_f64.sqrt() - 1.0) / 7.0,
            "ten" => root([7.0, -4.0, -2.0, 1.0], 0.3, 0.5),
            "icosahedron" | "icosahedron-11" => 0.2 * 5.0_f64.sqrt(),
            // Corners (1, 1/t, t) and (1/t, t, 1) with the tribonacci constant t.
            "snub-cube" => {
                let t = root([1.0, -1.0, -1.0, -1.0], 1.0, 2.0);
                (1.0 / t + 1.0 + t) / (1.0 / (t * t) + 1.0 + t * t)
            }
            "petersen" => 1.0 / 6.0,
            "600-cell" => 0.5 * golden,
            "half-cube" => 0.2,
            "schlaefli" | "hadamard" => 0.25,
            "nine" | "e7" => 1.0 / 3.0,
            // The roots of D4 and E8.
            _ => 0.5,
        }
    }

    /// Whether it is proven that no code of as many points has a larger smallest angle.
    pub fn is_proven(&self) -> bool {
        self.name != "hadamard"
    }

    /// The points `[N, D]`, of length 1.
    pub fn build(&self) -> Matrix {
        let (n, d) = (self.points, self.dim);
        let points = match self.name {
            "simplex" => build::simplex(n, d),
            "orthoplex" => build::orthoplex(n, d),
            "polygon" => build::polygon(n),
            "seven" => build::seven(self.cosine()),
            "antiprism" => build::eight(self.cosine()),
            "nine" => build::nine(),
            "ten" => build::ten(self.cosine()),
            "icosahedron" | "icosahedron-11" => build::icosahedron(n),
            "snub-cube" => build::snub_cube(),
            "petersen" => build::petersen(),
            "24-cell" => build::cell_24(),
            "600-cell" => build::cell_600(),
            "half-cube" => build::half_cube(),
            "schlaefli" => build::schlaefli(),
            "e7" => build::e7(),
            "e8" => build::e8(),
            _ => build::hadamard_64(),
        };
        // No point is 0.
        super::measure::to_unit(&points).unwrap_or(points)
    }
}

impl std::str::FromStr for KnownCode {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::find(s)
    }
}

/// The best known cosine for `points` points in `dim` dimensions; `None` where no table here has it.
///
/// ```
/// use attractor::codes::known_optimum;
/// let best = known_optimum(12, 3).map(|o| (o.proven, o.cosine));
/// assert_eq!(best, Some((true, 0.2 * 5.0_f64.sqrt())));
/// ```
pub fn known_optimum(points: usize, dim: usize) -> Option<Optimum> {
    if let Some(code) = KnownCode::of_size(points, dim) {
        return Some(Optimum { cosine: code.cosine(), proven: code.is_proven(), what: code.what });
    }
    let sloane = SLOANE.iter().find(|(n, _)| dim == 3 && *n == points);
    let large = LARGE.iter().find(|(n, d, _, _)| (*n, *d) == (points, dim));
    match (sloane, large) {
        (Some((n, degrees)), _) => {
            // The angles have six digits.
            let proven = *n == 13 || *n == 14;
            Some(Optimum { cosine: degrees.to_radians().cos(), proven, what: "Sloane's table" })
        }
        (None, Some((_, _, cosine, what))) => Some(Optimum { cosine: *cosine, proven: true, what }),
        (None, None) => None,
    }
}
