//! `attractor learn`

use super::{features, kernelized};
use crate::{arguments::Learn, failure::Result};

pub(crate) fn run(kind: &Learn) -> Result<()> {
    match kind {
        Learn::RandomFeatures(arguments) => features::encode(arguments),
        Learn::Kernelized(arguments) => kernelized::learn(arguments),
    }
}
