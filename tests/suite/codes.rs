//! Spherical codes: known ones measure right, the search finds them, bounds are the worked ones.

use attractor::{
    Matrix,
    codes::{
        Bounds, CodeOptions, KnownCode, cap_fraction, certified_beta, dimension_needed, fejes_toth_angle,
        known_optimum, least_dimension, measure, neural_collapse_bounds, optimize, packing_gaps, random_gap,
        rankin_gap, stored_patterns,
    },
};
use std::f64::consts::PI;

#[track_caller]
fn near(got: f64, want: f64, relative: f64) {
    assert!((got / want - 1.0).abs() <= relative, "{got}, want {want}");
}

/// Every code that can be built, up to some sizes of the families.
fn built() -> Vec<KnownCode> {
    let mut all = KnownCode::all().to_vec();
    for (points, dim) in [(2, 1), (2, 3), (3, 2), (4, 3), (5, 4), (4, 7), (33, 32), (241, 240)] {
        all.push(KnownCode::find(&format!("simplex:{points},{dim}")).unwrap());
    }
    for (points, dim) in [(5, 3), (6, 3), (7, 4), (8, 4), (40, 20), (35, 20)] {
        all.push(KnownCode::find(&format!("orthoplex:{points},{dim}")).unwrap());
    }
    all.extend([4, 5, 17, 240].map(|n| KnownCode::find(&format!("polygon:{n}")).unwrap()));
    all
}

#[test]
fn known_codes_measure_right() {
    for code in built() {
        let points = code.build();
        let what = format!("{} {},{}", code.name, code.points(), code.dim());
        assert_eq!((points.rows, points.columns), (code.points(), code.dim()), "{what}");
        let found = measure(&points).unwrap();
        assert!((found.cosine - code.cosine()).abs() < 1e-9, "{what}: {} {}", found.cosine, code.cosine());
        assert!((found.gap - (1.0 - code.cosine())).abs() < 1e-9, "{what}");
        assert!((found.angle - code.cosine().acos()).abs() < 1e-7, "{what}: {}", found.angle);
        let bounds = Bounds::new(code.points(), code.dim()).unwrap();
        assert!(found.gap <= bounds.most + 1e-9 && bounds.exists <= found.gap + 1e-9, "{what} {bounds:?}");
        assert_eq!(found.histogram.iter().sum::<u64>() as usize, code.points() * (code.points() - 1) / 2);
    }
}

#[test]
fn cosines_of_known_codes_are_those_of_the_tables() {
    for (points, dim, cosine) in [
        (7, 3, 0.210138312730603),
        (8, 3, 0.261203874963741),
        (9, 3, 1.0 / 3.0),
        (10, 3, 0.404394325216251),
        (11, 3, 0.2 * 5.0_f64.sqrt()),
        (12, 3, 0.2 * 5.0_f64.sqrt()),
        (24, 3, 0.723078468334),
        (10, 4, 1.0 / 6.0),
        (24, 4, 0.5),
        (120, 4, 0.25 * (1.0 + 5.0_f64.sqrt())),
        (16, 5, 0.2),
        (27, 6, 0.25),
        (56, 7, 1.0 / 3.0),
        (240, 8, 0.5),
        (64, 16, 0.25),
    ] {
        let best = known_optimum(points, dim).unwrap();
        assert!((best.cosine - cosine).abs() < 1e-12, "{points} {dim}: {best:?}");
    }
    let degrees = |n| known_optimum(n, 3).unwrap().cosine.acos().to_degrees();
    assert!((degrees(24) - 43.690767).abs() < 1e-6);
    assert!((degrees(130) - 18.5104).abs() < 1e-9);
    assert_eq!(known_optimum(196_560, 24).map(|o| o.cosine), Some(0.5));
    assert_eq!(known_optimum(31, 3), None);
    // No table passes the bound of Fejes Toth.
    for n in 3..=130 {
        if let Some(best) = known_optimum(n, 3) {
            assert!(best.cosine.acos() <= fejes_toth_angle(n).unwrap() + 1e-9, "{n}");
        }
    }
}

/// Every point of a symmetric code sees the same angles.
#[test]
fn symmetric_codes_look_the_same_from_every_point() {
    for name in ["petersen", "24-cell", "600-cell", "half-cube", "schlaefli", "e7", "e8", "snub-cube"] {
        let points = KnownCode::find(name).unwrap().build();
        let profile = |i: usize| {
            let dot = |j: usize| points.row(i).iter().zip(points.row(j)).map(|(a, b)| a * b).sum::<f64>();
            let mut all: Vec<f64> = (0..points.rows).map(dot).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let first = profile(0);
        for i in 1..points.rows {
            assert!(profile(i).iter().zip(&first).all(|(a, b)| (a - b).abs() < 1e-12), "{name} {i}");
        }
    }
}

#[test]
fn the_search_finds_the_best_codes_of_three_dimensions() {
    for n in 2..=12 {
        let found = optimize(n, 3, &CodeOptions::default()).unwrap();
        let best = 1.0 - known_optimum(n, 3).unwrap().cosine;
        assert!(found.measure.gap >= 0.999 * best, "{n}: {} of {best}", found.measure.gap);
        assert!(found.measure.gap <= best + 1e-9, "{n}: {} beyond {best}", found.measure.gap);
    }
}

#[test]
fn the_search_finds_codes_of_more_dimensions() {
    for (points, dim, share) in [(10, 4, 0.999), (16, 5, 0.999), (5, 4, 0.999), (8, 4, 0.999), (27, 6, 0.99)]
    {
        let found = optimize(points, dim, &CodeOptions { starts: 4, ..CodeOptions::default() }).unwrap();
        let best = 1.0 - known_optimum(points, dim).unwrap().cosine;
        let got = found.measure.gap;
        assert!(got >= share * best && got <= best + 1e-9, "{points} {dim}: {got} of {best}");
        assert_eq!(found.gaps.len(), 4);
        assert_eq!(found.gaps.iter().copied().fold(0.0, f64::max), got);
    }
    // A seed gives the same code again.
    let options = CodeOptions { starts: 2, seed: 7, ..CodeOptions::default() };
    assert_eq!(optimize(6, 3, &options).unwrap(), optimize(6, 3, &options).unwrap());
}

#[test]
fn ramsauers_theorem_gives_the_worked_numbers() {
    // The specification's table; the second line is the paper's own second example, the first its first.
    for (beta, k, dim, a, b, c, needed, patterns) in [
        (1.0, 3.0, 20, -0.0076784, 3.6, 3.1546, 2.3942, 7.413),
        (1.0, 1.0, 75, -0.024609, 0.4, 1.3719, 1.2513, 10.97),
        (1.0, 3.0, 64, 0.035738, 3.6, 3.0916, 1.3012, 1.661e6),
        (4.0, 1.0, 64, 0.0099943, 1.6, 2.1119, 1.3012, 4108.8),
    ] {
        let bound = stored_patterns(beta, k, dim, 1e-3).unwrap();
        assert!((bound.a - a).abs() < 1e-5 && (bound.b - b).abs() < 1e-12, "{bound:?}");
        assert!((bound.c - c).abs() < 1e-4, "{bound:?}");
        assert!((bound.needed - needed).abs() < 1e-4 && bound.holds(), "{bound:?}");
        near(bound.patterns().unwrap(), patterns, 1e-3);
    }
    // Arguments whose exponential leaves f64, large and small; `c` itself may be beyond it too, its logarithm is not.
    for (beta, k) in [(1e300, 1e3), (1e3, 1e200), (1e-300, 1e-3)] {
        let bound = stored_patterns(beta, k, 64, 1e-3).unwrap();
        assert!(bound.c > 0.0 && bound.ln_patterns.is_finite(), "{beta} {k}: {bound:?}");
    }
    let weak = stored_patterns(0.01, 1.0, 10, 1e-3).unwrap();
    assert!(!weak.holds() && weak.patterns().is_none(), "{weak:?}");
    assert!(stored_patterns(1.0, 1.0, 10, 0.0).is_err() && stored_patterns(-1.0, 1.0, 10, 0.1).is_err());
}

#[test]
fn certificates_need_the_worked_betas() {
    for (points, betas) in [
        (10.0, [6.45, 14.52, 41.55, 90.94]),
        (100.0, [9.20, 19.95, 54.94, 117.5]),
        (1000.0, [11.76, 25.03, 67.53, 142.5]),
        (1e6, [19.15, 39.77, 104.2, 215.8]),
    ] {
        for (gap, want) in [1.0, 0.5, 0.2, 0.1].into_iter().zip(betas) {
            let beta = certified_beta(gap, points, 1.0).unwrap();
            near(beta, want, 1e-3);
            let slack = beta * gap - 1.0 - (4.0 * beta * (points - 1.0)).ln();
            assert!(slack.abs() < 1e-9, "{slack}");
        }
    }
    assert_eq!(certified_beta(0.0, 5.0, 1.0).unwrap(), f64::INFINITY);
    // Twice as long patterns: gaps are four times as large, and beta is a quarter.
    near(certified_beta(2.0, 10.0, 2.0).unwrap(), 0.25 * certified_beta(0.5, 10.0, 1.0).unwrap(), 1e-12);
    assert!(certified_beta(3.0, 5.0, 1.0).is_err() && certified_beta(0.5, 1.0, 1.0).is_err());
}

#[test]
fn bounds_are_the_worked_ones() {
    // Caps: existence and the most points, at the codes' own angles.
    for (cosine, dim, exists, most, digits) in [
        (0.2 * 5.0_f64.sqrt(), 3, 3.6, 13.4, 0.06),
        (0.5, 4, 5.1, 34.7, 0.06),
        (0.25 * (1.0 + 5.0_f64.sqrt()), 4, 20.6, 155.0, 0.5),
        (0.5, 8, 11.7, 789.0, 0.5),
        (0.5, 24, 183.0, 8.9e7, 0.5),
    ] {
        let angle = f64::acos(cosine);
        let count = |angle: f64| 1.0 / cap_fraction(angle, dim).unwrap();
        assert!((count(angle) - exists).abs() < digits, "{dim}: {}", count(angle));
        assert!((count(0.5 * angle) / most - 1.0).abs() < 5e-3, "{dim}: {}", count(0.5 * angle));
    }
    assert!((fejes_toth_angle(24).unwrap().to_degrees() - 44.715).abs() < 1e-3);
    assert!((fejes_toth_angle(100).unwrap().to_degrees() - 21.846).abs() < 1e-3);
    for n in [3, 4, 6, 12] {
        let best = known_optimum(n, 3).unwrap().cosine.acos();
        assert!((fejes_toth_angle(n).unwrap() - best).abs() < 1e-7, "{n}");
    }
    assert_eq!((rankin_gap(5, 4).unwrap(), rankin_gap(6, 4).unwrap()), (1.25, 1.0));
    // In three dimensions the pair of the paper is 2/(3 M) and 4/sqrt M.
    let (lower, upper) = neural_collapse_bounds(130.0, 3).unwrap().unwrap();
    near(lower, 2.0 / 390.0, 1e-9);
    near(lower, 0.00513, 1e-3);
    near(upper, 0.35082, 1e-4);
    assert_eq!(neural_collapse_bounds(3.0, 3).unwrap(), None);
    let best = 1.0 - known_optimum(130, 3).unwrap().cosine;
    near(best, 0.05173, 1e-3);
    let (exists, most) = packing_gaps(130.0, 3).unwrap();
    assert!(lower < exists && exists < best && best < most && most < upper, "{exists} {best} {most}");
}

#[test]
fn dimensions_needed_and_gaps_of_random_points_are_the_worked_ones() {
    for (points, wanted) in [
        (100.0, [(8, 135), (6, 21), (4, 7), (4, 5)]),
        (1e4, [(17, 341), (12, 50), (8, 15), (6, 10)]),
        (1e6, [(27, 555), (18, 81), (12, 24), (9, 16)]),
    ] {
        for (gap, (least, enough)) in [0.8, 0.5, 0.2, 0.1].into_iter().zip(wanted) {
            let got = (least_dimension(points, gap).unwrap(), dimension_needed(points, gap).unwrap());
            assert_eq!(got, (least, enough), "{points} {gap}");
        }
    }
    for (points, dim, gap) in
        [(100.0, 64, 0.564), (1000.0, 64, 0.456), (10_000.0, 64, 0.376), (1000.0, 256, 0.712)]
    {
        assert!((random_gap(points, dim).unwrap() - gap).abs() < 1e-3, "{points} {dim}");
    }
}

/// Few points make few pairs, which depend on each other. The figures are simulated by another program, to about half a percent.
#[test]
fn gaps_of_few_random_points_are_those_of_simulations() {
    for (points, dim, gap) in [
        (2.0, 2, 1.0),
        (2.0, 3, 1.0),
        (2.0, 40, 1.0),
        // 1 - cos of 2 pi / 3 (1 - 2^-1/2).
        (3.0, 2, 0.182_355),
        (3.0, 3, 0.395_96),
        (4.0, 3, 0.207_61),
        (8.0, 3, 0.047_82),
        (3.0, 8, 0.681_65),
        (8.0, 8, 0.332_34),
    ] {
        let got = random_gap(points, dim).unwrap();
        assert!((got / gap - 1.0).abs() < 0.02, "{points} points in {dim}: {got}, simulated {gap}");
    }
    // It falls as points are added, across the borders between the ways it is worked out.
    for dim in [2, 3, 15, 16] {
        let gaps: Vec<f64> = [2.0, 3.0, 20.0, 63.0, 64.0, 80.0].map(|n| random_gap(n, dim).unwrap()).to_vec();
        assert!(gaps.windows(2).all(|w| w[1] < w[0] * 1.01), "{dim}: {gaps:?}");
    }
}

#[test]
fn what_is_no_code_is_refused() {
    let points = |rows: &[[f64; 2]]| Matrix::from_rows(rows);
    assert!(measure(&points(&[[1.0, 0.0]])).is_err());
    assert!(measure(&points(&[[1.0, 0.0], [0.0, 0.0]])).unwrap_err().to_string().contains("row 1"));
    assert!(
        measure(&points(&[[1.0, 0.0], [0.0, f64::NAN]])).unwrap_err().to_string().contains("row 1, column 1")
    );
    for name in ["dodecahedron", "31,3", "simplex:9,3", "polygon:x", "orthoplex:9,4"] {
        assert!(KnownCode::find(name).unwrap_err().to_string().contains("snub-cube"), "{name}");
    }
    assert!(optimize(1, 3, &CodeOptions::default()).is_err());
    assert!(optimize(3, 0, &CodeOptions::default()).is_err());
    assert!(optimize(3, 3, &CodeOptions { starts: 0, ..CodeOptions::default() }).is_err());
    assert!(optimize(3, 3, &CodeOptions { taus: &[0.1, -1.0], ..CodeOptions::default() }).is_err());
    assert!(
        cap_fraction(4.0, 3).is_err()
            && cap_fraction(1.0, 1).is_err()
            && (cap_fraction(PI, 3).unwrap() - 1.0).abs() < 1e-12
    );
    assert!(least_dimension(10.0, 1.5).is_err() && fejes_toth_angle(2).is_err());
}

#[test]
fn angles_keep_their_digits_where_they_are_tiny() {
    // Copies, nearly copies, opposite points, and lengths far from 1.
    let found = measure(&Matrix::from_rows(&[[1e-200, 0.0], [1e200, 1e191], [-1.0, 0.0]])).unwrap();
    near(found.gap, 5e-19, 1e-6);
    near(found.angle, 1e-9, 1e-6);
    assert_eq!(found.nearest, (0, 1));
    let copies = measure(&Matrix::from_rows(&[[1.0, 2.0], [2.0, 4.0]])).unwrap();
    assert!(copies.gap < 1e-30 && copies.histogram.last() == Some(&1));
}
