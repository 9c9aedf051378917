//! The softmax recall as one fused operation: up to `T` updates of a batch of states over the stored
//! patterns, then an evaluation of where they ended. It stays on its device from the queries to the
//! answer.
//!
//! Update and energies: Ramsauer et al., "Hopfield Networks is All You Need", ICLR 2021, equations 2 and
//! 3 (dot); its L2 form is mean-shift on a Gaussian kernel density. Shapes: states `[b, d]`, patterns `[n, d]`, values `[n, v]`.

use crate::contract::{Landscape, Outcome, Plan, Terms, misplaced};
use crate::{Device, Result, Rows, cpu, gpu};

/// Runs the plan on the device where the patterns are. Shapes and values have been checked.
pub(crate) fn descend(landscape: &Landscape<'_>, queries: &Rows<'_>, plan: &Plan<'_>) -> Result<Outcome> {
    let Landscape { patterns, terms, form } = *landscape;
    match (patterns.device(), terms) {
        (Device::Gpu(context), Terms::Gpu(terms)) => {
            gpu::descent::descend(context, &Landscape { patterns, terms, form }, queries, plan)
        }
        (_, Terms::Cpu(terms)) => {
            cpu::descent::descend(&Landscape { patterns, terms: &terms[..], form }, queries, plan)
        }
        (Device::Cpu, Terms::Gpu(_)) => Err(misplaced()),
    }
}
