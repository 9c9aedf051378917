//! What is measured between rounds.

use crate::counting;
use attractor::Device;
use std::fs;

/// A quantity that should stay flat.
pub(crate) struct Quantity {
    pub(crate) name: &'static str,
    /// How much it may surely grow per round: less cannot be told from what the system itself does.
    pub(crate) allowed: f64,
    /// `None` where this system does not tell.
    pub(crate) read: fn(&[Device]) -> Option<f64>,
}

/// All of them.
pub(crate) const QUANTITIES: [Quantity; 8] = [
    // Everything that Rust has allocated, wgpu included, to the byte.
    Quantity { name: "heap bytes", allowed: 16.0, read: |_| Some(counting::in_use() as f64) },
    // With the driver's memory, in whole pages, as the C library's allocator keeps them.
    Quantity { name: "resident bytes", allowed: 1024.0, read: |_| resident() },
    Quantity { name: "mapped regions", allowed: HANDLE, read: |_| lines("/proc/self/maps") },
    Quantity { name: "file descriptors", allowed: HANDLE, read: |_| entries("/proc/self/fd") },
    Quantity { name: "threads", allowed: HANDLE, read: |_| entries("/proc/self/task") },
    Quantity { name: "GPU buffers", allowed: HANDLE, read: |of| Some(total(of, |c| c.buffers)) },
    Quantity { name: "GPU pool bytes", allowed: 16.0, read: |of| Some(total(of, |c| c.pool_bytes)) },
    Quantity { name: "GPU pipelines", allowed: HANDLE, read: |of| Some(total(of, |c| c.pipelines)) },
];

/// One handle in 500 rounds.
const HANDLE: f64 = 0.002;

fn total(devices: &[Device], of: fn(attractor::gpu::Counters) -> u64) -> f64 {
    devices.iter().filter_map(Device::as_gpu).map(|context| of(context.counters())).sum::<u64>() as f64
}

/// Memory of this process that is no file.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| 1024.0 * kib)
}

fn lines(path: &str) -> Option<f64> {
    fs::read_to_string(path).ok().map(|text| text.lines().count() as f64)
}

fn entries(path: &str) -> Option<f64> {
    fs::read_dir(path).ok().map(|entries| entries.count() as f64)
}
