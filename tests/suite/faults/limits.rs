//! More than a device can have: refused before the driver is asked.

use crate::common::{fresh_gpu, open};
use attractor::{
    Device, Error, Rows, Tensor,
    gpu::Options,
    ops::{self, Axis, Layout, Reduction, Similarity},
    prelude::*,
};

/// Two columns whose product is 1 TiB.
fn columns(device: &Device) -> (Tensor, Tensor) {
    let column = Tensor::from_flat(device, &vec![1.0; 1 << 19], &[1 << 19, 1]).unwrap();
    (column.clone(), column)
}

#[test]
fn a_tebibyte_is_refused_before_wgpu_is_asked() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let (x, y) = columns(&device);
    let before = context.counters();
    for result in [ops::matmul(&x, &y, Layout::NT), ops::similarity(&x, &y, Similarity::L1)] {
        match result {
            Err(Error::TooLarge { needed, limit, .. }) => {
                assert!(needed >= 1 << 40 && limit > 0 && limit < 1 << 40, "{needed} of {limit}");
            }
            other => panic!("{other:?}"),
        }
    }
    let after = context.counters();
    assert_eq!((after.allocations, after.dispatches), (before.allocations, before.dispatches));
    // Nothing has happened to the device.
    assert_eq!(Tensor::new(&device, &[1.0_f32, 2.0]).unwrap().to_vec().unwrap(), [1.0, 2.0]);
}

/// The CPU says so too, and does not end the process. (Systems that promise memory they do not have give 1 TiB, and take it back
/// untouched: nothing is asked for then.)
#[test]
fn shapes_whose_size_does_not_fit_a_word_are_refused() {
    let devices: Vec<Device> = [Some(Device::cpu()), fresh_gpu()].into_iter().flatten().collect();
    for device in devices {
        let half = 1_usize << (usize::BITS / 2);
        for shape in [
            vec![half, half],
            vec![usize::MAX, usize::MAX],
            vec![half, half, half, half],
            vec![usize::MAX, 2, 1, 1],
            vec![usize::MAX / 2 + 1, 2],
            vec![usize::MAX],
        ] {
            let error = Tensor::from_flat(&device, &[1.0; 4], &shape).unwrap_err();
            assert!(matches!(error, Error::DimensionMismatch { .. }), "{device} {shape:?}: {error}");
        }
        // Without values too, where a sum over an axis would have too many.
        for shape in [vec![0, usize::MAX], vec![half, half, 0], vec![usize::MAX, 0], vec![0, half, half]] {
            let error = Tensor::from_flat(&device, &[], &shape).unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{device} {shape:?}: {error}");
        }
        let wide = Tensor::from_flat(&device, &[], &[1 << 52, 0]).unwrap();
        assert!(wide.to_vec().unwrap().is_empty());
        let sums = ops::reduce(&wide, Reduction::Sum, Axis::Columns);
        assert!(
            matches!(sums, Err(Error::OutOfMemory { .. } | Error::TooLarge { .. })),
            "{device}: {sums:?}"
        );
    }
    for columns in [0, 3, usize::MAX] {
        assert!(Rows::new(vec![1.0; 4], columns).is_err(), "{columns}");
    }
}

/// A recall whose trace no device has room for.
#[test]
fn a_trace_beyond_the_device_is_refused() {
    let Some(device) = open(Options::default()) else { return };
    let memory = DenseMemory::builder().device(&device).beta(1.0).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    let want = memory.recall(&[0.2, 0.9]).unwrap();
    let options = RecallOptions { steps: u32::MAX, trace: true, ..RecallOptions::default() };
    let error = memory.recall_with(&[0.2, 0.9], &options).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let got = memory.recall(&[0.2, 0.9]).unwrap();
    assert_eq!((got.states, got.energy), (want.states, want.energy));
}
