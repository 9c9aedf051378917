//! Which closed forms a row of the grid is to be held against.

use super::{
    Corruption, Criterion, Ensemble, Model, Schedule, Series,
    theory::{NearestLaw, Prior, Ties, exponential_rate, iterated_capacity, one_step, polynomial_capacity},
};
use crate::{Result, memory::registry::Law as Stored};

/// A closed form for a row of the grid.
#[derive(Clone, Debug)]
pub struct Law {
    /// What it is called in plots.
    pub name: &'static str,
    /// Whether no memory can do better, so that it is a ceiling for this row and no prediction.
    pub ceiling: bool,
    /// The number of patterns that it names: `N50` unless the name says otherwise; infinite where nothing limits it.
    pub at: f64,
    /// Success against the number of patterns, where it tells that.
    pub curve: Option<NearestLaw>,
}

/// The nearest pattern's law for patterns and their damage, where there is one.
///
/// # Errors
/// As the constructors of [`NearestLaw`].
///
/// ```
/// use attractor::capacity::{Corruption, Ensemble, nearest_law};
/// let law = nearest_law(&Ensemble::Sphere, Corruption::Overlap(0.8), 16)?;
/// assert!(law.is_some_and(|l| (l.success(1063.0) - 0.941).abs() < 1e-3));
/// assert!(nearest_law(&Ensemble::Gaussian, Corruption::Half, 16)?.is_none());
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn nearest_law(ensemble: &Ensemble, corruption: Corruption, d: usize) -> Result<Option<NearestLaw>> {
    Ok(match (ensemble, corruption) {
        (Ensemble::Sphere, Corruption::Overlap(c)) => Some(NearestLaw::overlap(d, c)?),
        (Ensemble::Sphere, Corruption::Noise(s)) if d >= 2 => Some(NearestLaw::noise(d, s)?),
        (Ensemble::Sphere, Corruption::Mask(f)) => Some(NearestLaw::mask(d, Corruption::count(f, d))?),
        (Ensemble::Sphere, Corruption::Half) => Some(NearestLaw::mask(d, d / 2)?),
        (Ensemble::Sphere, Corruption::Dropout) => Some(NearestLaw::dropout(d)?),
        (Ensemble::Bipolar, Corruption::Flip(f)) => {
            Some(NearestLaw::flips(d, Corruption::count(f, d), Ties::Shared)?)
        }
        (Ensemble::Bipolar, Corruption::Mask(f)) => {
            Some(NearestLaw::hidden_bits(d, Corruption::count(f, d), Ties::Shared)?)
        }
        (Ensemble::Bipolar, Corruption::Half) => Some(NearestLaw::hidden_bits(d, d / 2, Ties::Shared)?),
        _ => None,
    })
}

/// The closed forms for a row of the grid by one criterion.
///
/// # Errors
/// As the laws themselves.
pub fn laws(series: &Series, ensemble: &Ensemble, criterion: Criterion) -> Result<Vec<Law>> {
    let mut all = Vec::new();
    let d = series.d;
    let nearest = matches!(series.model, Model::Nearest);
    // Another pattern may be near enough to pass for the right one.
    let lax = match criterion {
        Criterion::Ssd(_) | Criterion::Ball(_) => true,
        Criterion::Hamming(h) => h > 0,
        Criterion::L2(e) => e > 0.5,
        Criterion::Identity | Criterion::Sign | Criterion::Weight => false,
    };
    if !lax && let Some(curve) = nearest_law(ensemble, series.corruption, d)? {
        let name = if nearest { "nearest pattern, exact" } else { "nearest pattern, ceiling" };
        all.push(Law { name, ceiling: !nearest, at: curve.capacity(0.5), curve: Some(curve) });
    }
    let softmax = series.model.is_softmax();
    let prior = match ensemble {
        Ensemble::Sphere => Some(Prior::Sphere),
        Ensemble::Bipolar => Some(Prior::Bits),
        _ => None,
    };
    let overlap = match series.corruption {
        Corruption::Overlap(c) if prior == Some(Prior::Sphere) => Some(c),
        Corruption::Flip(f) => Some(1.0 - 2.0 * Corruption::count(f, d) as f64 / d as f64),
        _ => None,
    };
    if softmax && let (Some(prior), Some(c), Some(lambda)) = (prior, overlap, series.lambda(ensemble)) {
        if !series.schedule.iterates() && criterion == Criterion::Weight && c > 0.0 {
            let at = one_step(prior, d, lambda, c)?;
            all.push(Law { name: "one step of softmax", ceiling: false, at, curve: None });
        }
        let whole = matches!(criterion, Criterion::Weight | Criterion::L2(_));
        if series.schedule == Schedule::Converged && whole && c == 1.0 && prior == Prior::Sphere {
            let at = iterated_capacity(d, lambda, 0.5)?;
            all.push(Law { name: "iterated softmax, mean field", ceiling: false, at, curve: None });
        }
    }
    all.extend(of_bits(series, criterion)?);
    Ok(all)
}

fn of_bits(series: &Series, criterion: Criterion) -> Result<Option<Law>> {
    let Corruption::Flip(flipped) = series.corruption else { return Ok(None) };
    let signs = matches!(criterion, Criterion::Sign | Criterion::Hamming(_) | Criterion::Identity);
    let law = |name, at| Ok(Some(Law { name, ceiling: false, at, curve: None }));
    match series.model.properties().and_then(|properties| properties.law) {
        _ if !signs => Ok(None),
        Some(Stored::Polynomial { power, factor }) if flipped == 0.0 && series.d >= 2 => {
            law("errorless, asymptotic", factor * polynomial_capacity(series.d, power)?.0)
        }
        Some(Stored::Exponential) if flipped <= 0.5 => {
            law("provable, asymptotic", (exponential_rate(flipped)? * series.d as f64).exp())
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::capacity::Heat;

    fn named(
        model: &str,
        corruption: &str,
        schedule: Schedule,
        ensemble: &Ensemble,
        criterion: Criterion,
    ) -> Vec<(&'static str, f64)> {
        let series = Series {
            model: model.parse().unwrap(),
            heat: Some(Heat::Lambda(1.0)),
            schedule,
            corruption: corruption.parse().unwrap(),
            d: 16,
        };
        laws(&series, ensemble, criterion).unwrap().into_iter().map(|l| (l.name, l.at)).collect()
    }

    #[test]
    fn each_row_gets_its_laws() {
        let (one, converged) = (Schedule::Steps(1), Schedule::Converged);
        let sphere = Ensemble::Sphere;
        assert_eq!(
            named("nearest", "overlap:0.8", one, &sphere, Criterion::Identity)[0].0,
            "nearest pattern, exact"
        );
        let at_query = named("softmax", "overlap:1", one, &sphere, Criterion::Weight);
        assert!(at_query[0].1.is_infinite() && (at_query[1].1 / 1.96e4 - 1.0).abs() < 0.2);
        let iterated = named("softmax", "overlap:1", converged, &sphere, Criterion::L2(0.1));
        assert!((iterated[1].1 / 4588.0 - 1.0).abs() < 1e-2);
        let hebb = named("hopfield", "flip:0", one, &Ensemble::Bipolar, Criterion::Sign);
        assert!((hebb[1].1 - 16.0 / (2.0 * 16.0_f64.ln())).abs() < 1e-9);
        assert!(named("softmax", "half", one, &Ensemble::Gaussian, Criterion::Identity).is_empty());
        assert!(named("nearest", "overlap:0.8", one, &sphere, Criterion::Ssd(1.0)).is_empty());
    }
}
