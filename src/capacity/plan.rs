//! What an experiment goes through.

use super::{Corruption, Criterion, Ensemble, Heat, Model, Schedule};
use crate::{
    Device, Error, Result,
    memory::{Order, registry::Dynamics},
    ops::Similarity,
};

/// A grid of experiments: every memory at every temperature and schedule, from the same patterns and queries.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is measured.
    pub models: Vec<Model>,
    /// Where patterns come from.
    pub ensemble: Ensemble,
    /// How they are damaged.
    pub corruptions: Vec<Corruption>,
    /// When a recall counts as a success.
    pub criteria: Vec<Criterion>,
    /// Inverse temperatures, for memories that have one.
    pub heats: Vec<Heat>,
    /// How far recall goes.
    pub schedules: Vec<Schedule>,
    /// Numbers of patterns, ascending.
    pub n: Vec<u64>,
    /// Dimensions, ascending.
    pub d: Vec<usize>,
    /// Queries per number of patterns and seed.
    pub queries: usize,
    /// Seeds of patterns and queries.
    pub seeds: Vec<u64>,
    /// How queries and patterns are compared; L2 where `None`.
    pub similarity: Option<Similarity>,
    /// Whether bits change together or one after another; together where `None`.
    pub order: Option<Order>,
    /// Where memories live.
    pub device: Device,
    /// Whether a row of the grid ends where success has fallen below 5 % twice.
    pub stops: bool,
    /// Queries whose weights are looked at for mixing; 0 for none.
    pub mixing: usize,
    /// Whether patterns are made as they are needed and never stored.
    pub generated: Generated,
}

/// Whether patterns are made as they are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generated {
    /// Where they would take more than a gibibyte.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Values that are stored at most where that is left open: a gibibyte.
const STORED: u64 = 1 << 28;

impl Plan {
    /// One memory with the defaults: the sphere in 16 dimensions, overlap 0.8, identity and `l2:0.1`, `lambda` 1 and 4, one update and
    /// convergence, half-octaves up to 32,768 patterns, 200 queries and three seeds.
    pub fn new(model: Model, device: Device) -> Self {
        Self {
            models: vec![model],
            ensemble: Ensemble::Sphere,
            corruptions: vec![Corruption::Overlap(0.8)],
            criteria: vec![Criterion::Identity, Criterion::L2(0.1)],
            heats: vec![Heat::Lambda(1.0), Heat::Lambda(4.0)],
            schedules: vec![Schedule::Steps(1), Schedule::Converged],
            n: half_octaves(32_768),
            d: vec![16],
            queries: 200,
            seeds: vec![0, 1, 2],
            similarity: None,
            order: None,
            device,
            stops: true,
            mixing: 32,
            generated: Generated::Auto,
        }
    }

    /// Refuses what cannot be measured, before anything is.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for an empty list, fewer than 2 patterns, no query, a temperature that is not positive, a flip of what is no bit;
    /// [`Error::BadGrid`] for values that do not ascend; those of [`Ensemble::check`].
    ///
    /// ```
    /// use attractor::{Device, capacity::{Model, Plan}};
    /// let mut plan = Plan::new(Model::Nearest, Device::cpu());
    /// plan.check()?;
    /// plan.n = vec![8, 4];
    /// assert!(matches!(plan.check(), Err(attractor::Error::BadGrid { at: 1, .. })));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn check(&self) -> Result<()> {
        let lists = [
            ("list of memories", self.models.len()),
            ("list of corruptions", self.corruptions.len()),
            ("list of criteria", self.criteria.len()),
            ("list of schedules", self.schedules.len()),
            ("list of temperatures", self.heats.len()),
            ("list of numbers of patterns", self.n.len()),
            ("list of dimensions", self.d.len()),
            ("list of seeds", self.seeds.len()),
        ];
        if let Some((name, _)) = lists.iter().find(|(_, length)| *length == 0) {
            return Err(Error::parameter(name, "empty", "of at least one entry"));
        }
        ascending("numbers of patterns", &self.n)?;
        ascending("dimensions", &self.d)?;
        if self.n[0] < 2 {
            return Err(Error::parameter("number of patterns", self.n[0], "at least 2"));
        }
        if self.queries == 0 {
            return Err(Error::parameter("number of queries", 0, "at least 1"));
        }
        for heat in &self.heats {
            match heat {
                Heat::Beta(v) | Heat::Lambda(v) if !(*v > 0.0 && v.is_finite()) => {
                    return Err(Error::parameter("temperature", heat, "positive and finite"));
                }
                _ => {}
            }
        }
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < self.seeds.len() {
            return Err(Error::parameter("list of seeds", format!("{:?}", self.seeds), "of different seeds"));
        }
        let most = usize::try_from(self.n[self.n.len() - 1]).unwrap_or(usize::MAX);
        for d in &self.d {
            self.ensemble.check(*d, most)?;
        }
        let turned = |c: &&Corruption| matches!(c, Corruption::Overlap(c) if c.abs() < 1.0);
        if let (1, Some(corruption)) = (self.d[0], self.corruptions.iter().find(turned)) {
            return Err(Error::parameter(
                "dimension",
                1,
                format!("at least 2 for {corruption}: a number has no other direction"),
            ));
        }
        let bits = self.ensemble.is_bipolar();
        for corruption in &self.corruptions {
            if corruption.is_clamped() && self.ensemble.range().is_none_or(|[low, high]| low >= high) {
                let given = format!("{corruption} of the ensemble {}", self.ensemble);
                let want = "noise:S for patterns without a range of values that images have (those of a file, sparse:A)";
                return Err(Error::parameter("corruption", given, want));
            }
            if matches!(corruption, Corruption::Flip(_)) && !bits {
                return Err(Error::parameter(
                    "corruption",
                    corruption,
                    "left to -1 and 1: use the ensemble bipolar",
                ));
            }
        }
        for model in &self.models {
            if model.stores_bits() && !bits {
                let want = "a memory of real vectors, or the ensemble bipolar";
                return Err(Error::parameter(
                    "memory",
                    format!("{model} with the ensemble {}", self.ensemble),
                    want,
                ));
            }
        }
        if self.d.iter().any(|d| self.generates(self.n[self.n.len() - 1], *d)) {
            self.check_generated()?;
        }
        if self.heats.contains(&Heat::Auto) && self.schedules.contains(&Schedule::Annealed) {
            return Err(Error::parameter("temperature", "auto", "a number where recall is annealed from it"));
        }
        Ok(())
    }

    /// Refuses what needs stored patterns.
    fn check_generated(&self) -> Result<()> {
        let refused = |name, value: String, want: &str| {
            Err(Error::parameter(name, value, format!("{want} where patterns are generated and not stored")))
        };
        if !matches!(self.ensemble, Ensemble::Sphere | Ensemble::Bipolar | Ensemble::Gaussian) {
            return refused("ensemble", self.ensemble.to_string(), "sphere, bipolar or gaussian");
        }
        if let Some(criterion) = self.criteria.iter().find(|c| matches!(c, Criterion::Ball(_))) {
            return refused("criterion", criterion.to_string(), "another than ball");
        }
        if self.heats.contains(&Heat::Auto) {
            return refused("temperature", "auto".to_owned(), "a number");
        }
        if self.similarity.is_some_and(|s| s != Similarity::Dot) && !self.ensemble.is_isotropic() {
            return refused("similarity", format!("{:?}", self.similarity), "dot");
        }
        for model in &self.models {
            for schedule in self.schedules_of(model, model.takes_beta()) {
                if !super::generated::can(model, schedule) {
                    let what = format!("{model}, steps {schedule}");
                    return refused("memory", what, "nearest, or softmax with --steps 1,");
                }
            }
        }
        Ok(())
    }

    /// Whether `n` patterns of `d` values are made as they are needed.
    pub(super) fn generates(&self, n: u64, d: usize) -> bool {
        match self.generated {
            Generated::Always => true,
            Generated::Never => false,
            Generated::Auto => n.saturating_mul(d as u64) > STORED,
        }
    }

    /// The rows of the grid at one dimension and one corruption.
    pub(super) fn series(&self, corruption: Corruption, d: usize) -> Vec<Series> {
        let mut all = Vec::new();
        for model in &self.models {
            let heats =
                if model.takes_beta() { self.heats.iter().copied().map(Some).collect() } else { vec![None] };
            for heat in heats {
                for schedule in self.schedules_of(model, heat.is_some()) {
                    all.push(Series { model: model.clone(), heat, schedule, corruption, d });
                }
            }
        }
        all
    }

    /// The schedules that mean something for a memory.
    fn schedules_of(&self, model: &Model, warm: bool) -> Vec<Schedule> {
        let one_shot = match model.properties() {
            Some(properties) => properties.dynamics == Dynamics::OneShot,
            None => matches!(model, Model::Nearest),
        };
        let mut all: Vec<Schedule> = Vec::new();
        for schedule in &self.schedules {
            let schedule = match schedule {
                _ if one_shot => Schedule::Steps(1),
                // Bits have their length by nature, and no temperature.
                Schedule::Renormalized | Schedule::Annealed if model.is_binary() || !warm => {
                    Schedule::Converged
                }
                schedule => *schedule,
            };
            if !all.contains(&schedule) {
                all.push(schedule);
            }
        }
        all
    }
}

/// A row of the grid: one memory at one temperature and schedule, at one dimension and one corruption, for every number of patterns.
#[derive(Clone, Debug)]
pub struct Series {
    /// What is measured.
    pub model: Model,
    /// Its inverse temperature, where it has one.
    pub heat: Option<Heat>,
    /// How far recall goes.
    pub schedule: Schedule,
    /// How patterns are damaged.
    pub corruption: Corruption,
    /// The dimension.
    pub d: usize,
}

impl Series {
    /// `beta`, where it is known beforehand.
    pub fn beta(&self, ensemble: &Ensemble) -> Option<f64> {
        match self.heat {
            Some(Heat::Beta(beta)) => Some(beta),
            Some(Heat::Lambda(lambda)) => Some(lambda * self.d as f64 / ensemble.squared_length(self.d)),
            Some(Heat::Auto) | None => None,
        }
    }

    /// `lambda`, where it is known beforehand.
    pub fn lambda(&self, ensemble: &Ensemble) -> Option<f64> {
        match self.heat {
            Some(Heat::Lambda(lambda)) => Some(lambda),
            Some(Heat::Beta(beta)) => Some(beta * ensemble.squared_length(self.d) / self.d as f64),
            Some(Heat::Auto) | None => None,
        }
    }
}

fn ascending<T: PartialOrd + ToString>(what: &'static str, values: &[T]) -> Result<()> {
    match values.windows(2).position(|pair| pair[1] <= pair[0]) {
        None => Ok(()),
        Some(at) => Err(Error::BadGrid { what, at: at + 1, value: values[at + 1].to_string() }),
    }
}

/// 2, 3, 4, 6, 8, 12, ... up to `most`.
///
/// ```
/// assert_eq!(attractor::capacity::half_octaves(20), [2, 3, 4, 6, 8, 12, 16]);
/// ```
pub fn half_octaves(most: u64) -> Vec<u64> {
    let pairs = (1..63).flat_map(|i| [1_u64 << i, (1_u64 << i) + (1_u64 << (i - 1))]);
    pairs.take_while(|n| *n <= most).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_named() {
        let good = Plan::new("softmax".parse().unwrap(), Device::cpu());
        good.check().unwrap();
        let refused = |change: &dyn Fn(&mut Plan), want: &str| {
            let mut plan = good.clone();
            change(&mut plan);
            let error = plan.check().unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        };
        refused(&|p| p.n = vec![1, 2], "number of patterns is 1");
        refused(&|p| p.n = vec![4, 4], "place 1");
        refused(&|p| p.d = vec![], "list of dimensions is empty");
        refused(&|p| p.d = vec![0], "dimension is 0");
        refused(&|p| p.queries = 0, "number of queries");
        refused(&|p| p.heats = vec![Heat::Lambda(-1.0)], "lambda -1");
        refused(&|p| p.seeds = vec![1, 1], "different seeds");
        refused(&|p| p.corruptions = vec![Corruption::Flip(0.1)], "bipolar");
        refused(&|p| p.corruptions = vec![Corruption::ImageNoise(0.1)], "range of values");
        refused(&|p| p.models = vec!["hopfield".parse().unwrap()], "ensemble bipolar");
        refused(&|p| (p.heats, p.schedules) = (vec![Heat::Auto], vec![Schedule::Annealed]), "annealed");
    }

    #[test]
    fn rows_leave_out_what_means_nothing() {
        let mut plan = Plan::new("softmax".parse().unwrap(), Device::cpu());
        plan.models.push(Model::Nearest);
        plan.schedules.push(Schedule::Annealed);
        let rows = plan.series(Corruption::Half, 16);
        assert_eq!(rows.len(), 2 * 3 + 1);
        assert_eq!(rows[0].beta(&Ensemble::Sphere), Some(16.0));
        assert_eq!(rows[0].beta(&Ensemble::Bipolar), Some(1.0));
        let beta = Series { heat: Some(Heat::Beta(8.0)), ..rows[0].clone() };
        assert_eq!(beta.lambda(&Ensemble::Sphere), Some(0.5));
    }
}
