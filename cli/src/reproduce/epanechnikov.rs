//! Minima of the Epanechnikov energy beside the stored patterns: R12.

use super::{Bench, Figure};
use crate::failure::Result;
use attractor::{
    Rows,
    memory::{Beta, Memory, SparseMemory, SparseSettings},
    ops::Separation,
};

/// Five points of the unit cube in eight dimensions (uniform, numpy's default generator with seed 0).
const POINTS: [[f64; 8]; 5] = [
    [
        0.6369616873214543,
        0.2697867137638703,
        0.04097352393619469,
        0.016527635528529094,
        0.8132702392002724,
        0.9127555772777217,
        0.6066357757671799,
        0.7294965609839984,
    ],
    [
        0.5436249914654229,
        0.9350724237877682,
        0.8158535541215322,
        0.002738500170148095,
        0.8574042765875693,
        0.033585575305464355,
        0.7296554464299441,
        0.17565562060255901,
    ],
    [
        0.8631789223498866,
        0.5414612202490917,
        0.2997118905373848,
        0.42268722119765845,
        0.028319671145462966,
        0.12428327649956394,
        0.6706244146936303,
        0.6471895115742501,
    ],
    [
        0.6153851114812539,
        0.38367755426188344,
        0.997209935789211,
        0.9808353387762301,
        0.6855419844806947,
        0.6504592762678163,
        0.6884467305709401,
        0.3889214239791038,
    ],
    [
        0.13509650502241122,
        0.7214883401940817,
        0.5253543224757259,
        0.31024187555895566,
        0.4858353588317891,
        0.8894878343490003,
        0.9340435159562497,
        0.35779519670907023,
    ],
];

/// All minima of the energy at a `beta`: the centroids of those subsets of the patterns that are just what lies within
/// `sqrt(2 / beta)` of their centroid (Hoover et al. 2025). Those of single patterns come first, by number.
fn minima(beta: f64) -> Vec<[f64; 8]> {
    let mut subsets: Vec<u32> = (1..1 << POINTS.len()).collect();
    subsets.sort_by_key(|s| s.count_ones());
    let holds = |subset: u32, k: usize| subset >> k & 1 == 1;
    let centroid = |subset: u32| {
        let members = || POINTS.iter().enumerate().filter(move |(k, _)| holds(subset, *k));
        std::array::from_fn(|j| members().map(|(_, x)| x[j]).sum::<f64>() / f64::from(subset.count_ones()))
    };
    let is_minimum = |(subset, x): &(u32, [f64; 8])| {
        POINTS.iter().enumerate().all(|(k, xi)| {
            let squared: f64 = x.iter().zip(xi).map(|(a, b)| (a - b).powi(2)).sum();
            (1.0 - 0.5 * beta * squared > 0.0) == holds(*subset, k)
        })
    };
    subsets.into_iter().map(|s| (s, centroid(s))).filter(is_minimum).map(|(_, x)| x).collect()
}

/// Most extra minima at any temperature at which all patterns are still minima, counted over all subsets; the memory is then asked to
/// stay at each.
pub(crate) fn emergent_minima(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (mut most, mut at) = (0, 0.0);
    for step in 1..=400 {
        let beta = 0.025 * f64::from(step);
        let found = minima(beta);
        // Those of single patterns come first.
        let kept = found.iter().zip(&POINTS).filter(|(x, xi)| x == xi).count();
        if kept == POINTS.len() && found.len() - kept > most {
            (most, at) = (found.len() - kept, beta);
        }
    }
    let minima = minima(at);
    let values: Vec<f32> = POINTS.as_flattened().iter().map(|v| *v as f32).collect();
    let settings = SparseSettings {
        device: Some(bench.device.clone()),
        separation: Separation::Epanechnikov,
        beta: Beta::Fixed(at as f32),
        ..SparseSettings::default()
    };
    let memory = SparseMemory::with(&Rows::new(values, 8)?, settings)?;
    let starts: Vec<f32> = minima.as_flattened().iter().map(|v| *v as f32).collect();
    let states = memory.recall(&Rows::new(&starts[..], 8)?)?.states;
    let stays = |(x, y): &(&[f32], &[f32])| x.iter().zip(*y).all(|(x, y)| (x - y).abs() < 1e-5);
    let stayed = states.iter().zip(starts.chunks_exact(8)).filter(stays).count();
    (bench.tell)();
    let setting = format!("epanechnikov, n 5, d 8, beta {at:.3}");
    let figure = |metric, published, got: usize| Figure {
        id: "R12",
        setting: setting.clone(),
        metric,
        published,
        got: got as f64,
        error: 0.0,
        error_published: 0.0,
        formula: None,
    };
    Ok(vec![
        figure("minima beside the 5 patterns, at most", 21.0, most),
        figure("of all minima, those where a recall stays", 26.0, stayed),
    ])
}
