//! The feature maps side by side.

use super::{Bench, Figure, PATTERNS, exact, features, mean};
use crate::{commands::demo::digits, failure::Result};
use attractor::{
    Rows,
    memory::Memory,
    ops::{FeatureMap, FeatureSpec},
};

/// Which map: errors of the energy at stored digits, as they are and centred.
pub(crate) fn maps(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings = [
        (FeatureMap::SinCos, false, [2.0e-4, 3.0e-4]),
        (FeatureMap::Cos, false, [4.8e-4, 4.2e-4]),
        (FeatureMap::Exp, false, [2.2e-2, 1.1e-1]),
        (FeatureMap::ExpExp, false, [9.4e-3, 5.5e-2]),
        (FeatureMap::Exp, true, [5.0e-4, 3.1e-3]),
        (FeatureMap::ExpExp, true, [2.5e-4, 2.6e-3]),
    ];
    let all = digits()?;
    let d = all.columns();
    let values: Vec<f32> = all.slice(0..PATTERNS).as_slice().iter().map(|v| v / (d as f32).sqrt()).collect();
    let patterns = Rows::new(values, d)?;
    let centre: Vec<f32> =
        (0..d).map(|j| patterns.iter().map(|x| x[j]).sum::<f32>() / PATTERNS as f32).collect();
    let mut figures = Vec::new();
    for (map, centred, published) in settings {
        for (beta, published) in [10.0, 60.0].into_iter().zip(published) {
            let how = if centred { "centred" } else { "as they are" };
            let setting = format!("digits, {}, beta {beta}, m 40000, {how}", map.name());
            let samples = bench.numbers(&setting, || {
                let energies = exact(bench, &patterns, beta)?.energy(&patterns)?;
                (0..4)
                    .map(|draw| {
                        let shift = if centred { centre.clone() } else { Vec::new() };
                        let spec = FeatureSpec::new(map, 40_000, d, beta, bench.seed + draw);
                        let mut memory = features(bench, spec, shift)?;
                        memory.absorb(&patterns)?;
                        let (estimates, _) = memory.energy_and_gradient(&patterns)?;
                        Ok(mean(energies.iter().zip(&estimates).map(|(a, b)| f64::from((a - b).abs()))))
                    })
                    .collect()
            })?;
            figures.push(Figure::of_samples("A", setting, "mean error of the energy", published, &samples));
        }
        (bench.tell)();
    }
    Ok(figures)
}
