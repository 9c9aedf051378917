//! How much a memory holds: experiments that store more and more patterns until recall fails, and the laws they are held against.
//!
//! A [`Plan`] names memories, where patterns come from ([`Ensemble`]), how they are damaged ([`Corruption`]) and when a recall counts as a success
//! ([`Criterion`]); [`run()`] goes through it. Patterns of a seed are nested prefixes, and every memory at every temperature gets the same
//! patterns and the same queries. From the points come `N95` and `N50` ([`n95`], [`n50`]) with intervals, laws of growth ([`fit_growth`]), and
//! [`theory`] has what they should be.
//!
//! ```
//! use attractor::{Device, capacity::{Ensemble, Model, Plan, n50, run}};
//! use std::collections::HashMap;
//! let mut plan = Plan::new("hopfield".parse()?, Device::cpu());
//! plan.ensemble = Ensemble::Bipolar;
//! plan.corruptions = vec!["flip:0.1".parse()?];
//! plan.criteria = vec!["hamming:2".parse()?];
//! (plan.n, plan.d, plan.queries) = (vec![2, 4, 8, 16, 32], vec![64], 50);
//! let outcomes = run(&plan, &mut HashMap::new(), None)?;
//! let capacity = n50(&outcomes[1].curve(0)).and_then(|c| c.value()).unwrap_or_default();
//! assert!((4.0..16.0).contains(&capacity), "{capacity}");
//! # Ok::<(), attractor::Error>(())
//! ```

mod corruption;
mod criterion;
mod cues;
mod decode;
mod ensemble;
mod generated;
mod law;
mod mixing;
mod model;
mod plan;
mod radius;
mod recall;
mod run;
mod special;
mod statistics;
mod summary;
pub mod theory;
mod vectors;

pub use corruption::Corruption;
pub use criterion::Criterion;
pub use ensemble::{BankSummary, Ensemble, FileRows};
pub use law::{Law, laws, nearest_law};
pub use mixing::{Class, Mixing};
pub use model::{Heat, Model, Schedule, Subject};
pub use plan::{Generated, Plan, Series, half_octaves};
pub use radius::{Radii, RadiusOptions, plan_radii, retrieval_radii};
pub use recall::Cell;
pub use run::{Journal, Outcome, Point, run};
pub use statistics::{Banks, Capacity, Curve, Fit, Growth, Trials, fit_growth, n50, n95};
pub use summary::{AtDim, Summary, summarize};
