//! What a device can do at most, measured: the limits that [`crate::ops`] are held against.

use crate::{
    Device, Precision, Result, Tensor, cpu, gpu,
    gpu::tune::Op,
    ops::{Axis, Reduction, Similarity, reduce},
};
use std::time::Instant;

/// The limits of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Reading memory, in 10^9 bytes per second: the limit of recalls of few queries.
    pub read_gbps: f64,
    /// Multiply-adds from registers, in 10^9 operations per second (a multiply-add is two): the limit
    /// of recalls of many queries.
    pub fma_gflops: f64,
}

/// Values of the array that is read: beyond any cache, within any binding.
const VALUES: usize = 24 << 20;
/// The best of so many tries counts: what disturbs a measurement only slows it.
const TRIES: usize = 5;

/// Measures a device with all its cores, in about a second.
///
/// # Errors
/// Faults of the GPU.
///
/// ```no_run
/// use attractor::{Device, machine::measure};
/// let limits = measure(&Device::best()?)?;
/// println!("{:.0} GB/s, {:.0} GFLOP/s", limits.read_gbps, limits.fma_gflops);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn measure(device: &Device) -> Result<Limits> {
    let columns = 4096;
    let zeros = vec![0.0_f32; VALUES];
    let array = Tensor::from_flat(device, &zeros, &[VALUES / columns, columns])?;
    drop(zeros);
    let read = best(|| reduce(&array, Reduction::Sum, Axis::Columns)?.to_vec().map(|_| (VALUES * 4) as f64))?;
    let fma = best(|| match device {
        Device::Cpu => Ok(cpu::machine::multiply_adds()),
        Device::Gpu(context) => gpu::machine::multiply_adds(context),
    })?;
    Ok(Limits { read_gbps: read / 1e9, fma_gflops: fma / 1e9 })
}

/// The way in which a device goes about a job of `b` queries, `n` patterns and `d` columns: on the CPU
/// `stream` (few queries) or `tiles`, on a GPU a [`gpu::Strategy`]. On hardware this may time the
/// candidates first; see [`gpu::tune`].
///
/// ```
/// use attractor::{Device, Precision, gpu::tune::Op, machine::variant};
/// assert_eq!(variant(&Device::cpu(), Op::Step, [1, 1000, 64], Precision::F32), "stream");
/// ```
pub fn variant(device: &Device, op: Op, sizes: [usize; 3], precision: Precision) -> &'static str {
    match (device, op) {
        (Device::Cpu, Op::Step) => cpu::descent::variant(sizes[0]),
        (Device::Cpu, Op::Matmul) => "gemm",
        (Device::Gpu(context), Op::Step) => gpu::descent::variant(context, Similarity::Dot, sizes, precision),
        (Device::Gpu(context), Op::Matmul) => gpu::matmul::variant(context, sizes),
        (Device::Cpu, Op::Features) => "gemm",
        (Device::Gpu(context), Op::Features) => {
            gpu::features::strategy(context, sizes, true, true, false).name()
        }
    }
}

/// Most units per second that `work`, which tells how many it did, reaches.
fn best(mut work: impl FnMut() -> Result<f64>) -> Result<f64> {
    work()?;
    let mut most = 0.0_f64;
    for _ in 0..TRIES {
        let started = Instant::now();
        let done = work()?;
        most = most.max(done / started.elapsed().as_secs_f64());
    }
    Ok(most)
}
