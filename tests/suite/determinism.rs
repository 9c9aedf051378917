//! The same device, driver, kernels and seed give the same bits.
