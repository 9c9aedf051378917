//! Tests of the whole library: one binary, so that the GPU is opened and its kernels are compiled
//! once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test that fails should say where; tests are read by their names"
)]

#[path = "../common/alone.rs"]
mod alone;
mod bank;
mod binary;
mod capacity;
mod codes;
mod common;
mod conformance;
mod dense;
mod determinism;
mod devices;
mod energy_transformer;
mod explain;
mod faults;
mod faults_files;
mod feature_memory;
mod features;
mod floors;
mod forget;
mod kernelized;
mod known;
mod labels;
mod lagrangian;
mod layers;
mod listed;
mod neighbours;
mod network;
mod numbers;
mod operations;
mod oracles;
mod own_oracle;
mod pairs;
#[cfg(feature = "parquet")]
mod parquet;
mod search;
mod separations;
mod shaders;
mod smoke;
mod sources;
mod sparse;
mod spread;
mod status;
mod store;
mod stress;
mod translation;
mod tuning;
mod uniformity;
mod universal;
