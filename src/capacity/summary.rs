//! What a whole experiment says: capacities of each memory by dimension, and how they grow.

use super::{Capacity, Criterion, Fit, Growth, Law, Outcome, Plan, Series, fit_growth, laws, n50, n95};
use crate::Result;

/// Capacities at one dimension.
#[derive(Clone, Debug)]
pub struct AtDim {
    /// The dimension.
    pub d: usize,
    /// Largest number of patterns up to which 95 % succeed.
    pub n95: Option<Capacity>,
    /// Number of patterns at which half succeed.
    pub n50: Option<Capacity>,
    /// Closed forms.
    pub laws: Vec<Law>,
    /// Place of the row among the outcomes.
    pub outcome: usize,
}

/// One memory, temperature, schedule, corruption and criterion at all dimensions.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The row of the grid, at its first dimension.
    pub series: Series,
    /// Place of the criterion in the plan.
    pub criterion: usize,
    /// By ascending dimension.
    pub dims: Vec<AtDim>,
    /// `ln N50` against `d`, or why there is none.
    pub exponential: std::result::Result<Fit, String>,
    /// `ln N50` against `ln d`, or why there is none.
    pub power: std::result::Result<Fit, String>,
    /// The exponential fit of the first prediction that is no ceiling (or of the nearest pattern's law), at the same dimensions.
    pub law: Option<(&'static str, Fit)>,
}

impl Summary {
    /// The criterion.
    pub fn criterion(&self, plan: &Plan) -> Criterion {
        plan.criteria.get(self.criterion).copied().unwrap_or(Criterion::Identity)
    }
}

/// Capacities and their growth, from the outcomes of a plan.
///
/// # Errors
/// Those of the laws.
///
/// ```
/// use attractor::{Device, capacity::{Model, Plan, run, summarize}};
/// use std::collections::HashMap;
/// let mut plan = Plan::new(Model::Nearest, Device::cpu());
/// (plan.n, plan.d, plan.queries) = (vec![2, 8, 32, 128, 512], vec![4, 6], 50);
/// let outcomes = run(&plan, &mut HashMap::new(), None)?;
/// let summaries = summarize(&plan, &outcomes)?;
/// assert_eq!(summaries[0].dims.len(), 2);
/// assert!(summaries[0].exponential.as_ref().is_err_and(|why| why.contains("4 are needed")));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn summarize(plan: &Plan, outcomes: &[Outcome]) -> Result<Vec<Summary>> {
    let same = |a: &Series, b: &Series| {
        a.model.to_string() == b.model.to_string()
            && (a.heat, a.schedule, a.corruption) == (b.heat, b.schedule, b.corruption)
    };
    let mut all: Vec<Summary> = Vec::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        for (c, criterion) in plan.criteria.iter().enumerate() {
            let curve = outcome.curve(c);
            let dim = AtDim {
                d: outcome.series.d,
                n95: n95(&curve),
                n50: n50(&curve),
                laws: laws(&outcome.series, &plan.ensemble, *criterion)?,
                outcome: at,
            };
            match all.iter_mut().find(|s| s.criterion == c && same(&s.series, &outcome.series)) {
                Some(summary) => summary.dims.push(dim),
                None => all.push(Summary {
                    series: outcome.series.clone(),
                    criterion: c,
                    dims: vec![dim],
                    exponential: Err(String::new()),
                    power: Err(String::new()),
                    law: None,
                }),
            }
        }
    }
    for summary in &mut all {
        let measured: Vec<(usize, f64)> =
            summary.dims.iter().filter_map(|dim| Some((dim.d, dim.n50?.value()?))).collect();
        let fit = |growth| fit_growth(growth, &measured).map_err(|e| e.to_string());
        (summary.exponential, summary.power) = (fit(Growth::Exponential), fit(Growth::Power));
        let name = |dim: &AtDim| dim.laws.iter().find(|l| !l.ceiling).or(dim.laws.first()).map(|l| l.name);
        if let Some(name) = summary.dims.first().and_then(name) {
            let of_law: Vec<(usize, f64)> = summary
                .dims
                .iter()
                .filter(|dim| measured.iter().any(|(d, _)| *d == dim.d))
                .filter_map(|dim| Some((dim.d, dim.laws.iter().find(|l| l.name == name)?.at)))
                .collect();
            summary.law = fit_growth(Growth::Exponential, &of_law).ok().map(|fit| (name, fit));
        }
    }
    Ok(all)
}
