//! Feature maps and their frequencies: what a memory of features has to agree on.

use crate::contract::{FeatureMap, FeatureSpec, FrequencySource};

use crate::cpu;

impl FeatureSpec {
    /// The phases in turns, `[m]`.
    pub(crate) fn turns(&self) -> Vec<f32> {
        match (&self.source, self.map) {
            (FrequencySource::Seed { seed, .. }, FeatureMap::Cos) => {
                cpu::frequencies::phases(*seed, self.count)
            }
            (FrequencySource::Given { phases, .. }, FeatureMap::Cos) => {
                phases.iter().map(|p| (f64::from(*p) / std::f64::consts::TAU) as f32).collect()
            }
            _ => vec![0.0; self.count],
        }
    }
}
