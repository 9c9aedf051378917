//! Devices: choice, counting, sharing, loss.

use super::{alone::alone, common::*};
use attractor::{
    Error, Tensor,
    gpu::{Counters, Kernels, Options, Strategy, adapters, shader::Extras, tune::Op},
    machine,
    network::{self, Layer, Network},
    ops::{self, Lagrangian},
    prelude::*,
};
use std::thread;

#[test]
fn unknown_names_say_what_there_is() {
    let error = Device::open("gpu:no such card").unwrap_err();
    assert!(matches!(error, Error::NoAdapter { .. }), "{error}");
    assert!(Device::open("tpu").unwrap_err().to_string().contains("software"));
}

#[test]
fn software_is_never_the_best() {
    for report in adapters() {
        assert!(!(report.chosen && report.kind == "software"), "{report:?}");
        assert!(!report.reason.is_empty() && report.max_binding > 0);
    }
    alone(module_path!(), "software_is_never_the_best", &[("ATTRACTOR_DEVICE", None)], || {
        let best = Device::best().unwrap();
        assert!(best.as_gpu().is_none_or(|c| !c.is_software()));
    });
}

#[test]
fn a_recall_is_one_submission_and_one_readback() {
    // On a device of its own: other tests run beside this one.
    for (name, kernels) in [("direct", Kernels::Direct), ("tiled", Kernels::Tiled)] {
        let Some(device) = open(Options { kernels, ..Options::default() }) else { continue };
        let context = device.as_gpu().unwrap();
        let mut random = Random::new(7);
        let patterns = random.rows(300, 20, 1.0);
        let memory = DenseMemory::builder().device(&device).beta(1.0).build(&patterns).unwrap();
        let cues = random.rows(10, 20, 1.0);
        memory.recall(&cues).unwrap();
        let before = context.counters();
        let options =
            RecallOptions { steps: 50, tolerance: Some(0.0), trace: true, ..RecallOptions::default() };
        memory.recall_with(&cues, &options).unwrap();
        let after = context.counters();
        assert_eq!(after.submissions - before.submissions, 1, "{name}");
        assert_eq!(after.readbacks - before.readbacks, 1, "{name}");
        assert!(after.dispatches - before.dispatches >= 200, "{name}");
        assert_eq!(after.pipelines, before.pipelines, "{name}: a kernel was compiled in a steady state");
    }
}

/// Steps of the host's, with results and uploads between them, come round to the same buffers.
#[test]
fn iterations_make_no_new_bind_groups() {
    let Some(device) = fresh_gpu() else { return };
    let mut random = Random::new(10);
    let mut network = Network::new(&device);
    let seen = network.add_layer(Layer::new(6, Lagrangian::Identity)).unwrap();
    let hidden = network.add_layer(Layer::new(4, Lagrangian::Softmax { beta: 2.0 }).tau(0.2)).unwrap();
    network.connect(hidden, seen, &random.rows(4, 6, 1.0)).unwrap();
    let start = network.start(&[(seen, &random.rows(3, 6, 1.0))]).unwrap();
    let counted = |steps| {
        let settings = network::Settings { steps, tolerance: 0.0, ..network::Settings::default() };
        let before = device.as_gpu().unwrap().counters();
        network.integrate(&start, &settings).unwrap();
        let after = device.as_gpu().unwrap().counters();
        (after.bind_groups - before.bind_groups, after.dispatches - before.dispatches)
    };
    let (first, _) = counted(8);
    assert!(first > 0, "nothing is counted");
    let (more, dispatches) = counted(50);
    assert!(dispatches > 500 && more == 0, "{more} new bind groups for {dispatches} dispatches");
}

#[test]
fn threads_share_a_device() {
    for (name, device) in gpus() {
        let mut random = Random::new(9);
        let patterns = random.rows(100, 12, 1.0);
        let memory = DenseMemory::builder().device(device).beta(2.0).build(&patterns).unwrap();
        let cues: Vec<Rows<'_>> = (0..4).map(|_| random.rows(5, 12, 1.0)).collect();
        let options = RecallOptions { steps: 5, ..RecallOptions::default() };
        let recall = |cue: &Rows<'_>| memory.recall_with(cue, &options).unwrap().states;
        let alone: Vec<_> = cues.iter().map(recall).collect();
        thread::scope(|scope| {
            for (cue, want) in cues.iter().zip(&alone) {
                let recall = &recall;
                scope.spawn(move || {
                    for _ in 0..10 {
                        assert_eq!(recall(cue), *want, "{name}");
                    }
                });
            }
        });
    }
}

#[test]
fn two_devices_in_one_process() {
    let (Some(a), Some(b)) = (fresh_gpu(), fresh_gpu()) else { return };
    assert_ne!(a, b);
    let one = Tensor::new(&a, &[[1.0, 2.0]]).unwrap();
    let other = one.to_device(&b).unwrap();
    assert!(matches!(ops::binary(ops::Binary::Add, &one, &other), Err(Error::DeviceMismatch { .. })));
    assert_eq!(one.to_vec().unwrap(), other.to_vec().unwrap());
}

#[test]
fn a_lost_device_says_so() {
    let Some(device) = fresh_gpu() else { return };
    let memory = DenseMemory::builder().device(&device).beta(1.0).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    memory.recall(&[1.0, 0.0]).unwrap();
    device.as_gpu().unwrap().destroy();
    let error = memory.recall(&[1.0, 0.0]).unwrap_err();
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    assert!(!device.is_alive());
}

/// What the specification of WebGPU promises of every device, section "Limits", is what `Options::least` asks for.
#[test]
fn the_least_device_has_the_limits_of_the_specification() {
    let limits = wgpu::Limits::defaults();
    let of_buffers = [
        (limits.max_bind_groups, 4),
        (limits.max_bindings_per_bind_group, 1000),
        (limits.max_dynamic_uniform_buffers_per_pipeline_layout, 8),
        (limits.max_storage_buffers_per_shader_stage, 8),
        (limits.max_uniform_buffers_per_shader_stage, 12),
        (limits.min_uniform_buffer_offset_alignment, 256),
        (limits.min_storage_buffer_offset_alignment, 256),
        (limits.max_immediate_size, 0),
    ];
    let of_compute = [
        (limits.max_compute_workgroup_storage_size, 16_384),
        (limits.max_compute_invocations_per_workgroup, 256),
        (limits.max_compute_workgroup_size_x, 256),
        (limits.max_compute_workgroup_size_y, 256),
        (limits.max_compute_workgroup_size_z, 64),
        (limits.max_compute_workgroups_per_dimension, 65_535),
    ];
    assert!(of_buffers.into_iter().chain(of_compute).all(|(is, promised)| is == promised), "{limits:?}");
    assert_eq!(limits.max_uniform_buffer_binding_size, 65_536);
    assert_eq!((limits.max_storage_buffer_binding_size, limits.max_buffer_size), (128 << 20, 256 << 20));

    for strategy in [None, Some(Strategy::Large), Some(Strategy::Fused), Some(Strategy::Generated)] {
        let options = Options { least: true, kernels: Kernels::Tiled, strategy, ..Options::default() };
        let Some(device) = open(options) else { continue };
        let context = device.as_gpu().unwrap();
        assert_eq!((context.extras(), context.workgroup_memory()), (Extras::default(), 16_384));
        // What needs more memory is not taken, whatever was asked for.
        let way = |op, d| machine::variant(&device, op, [2000, 4000, d], Precision::F32);
        for op in [Op::Step, Op::Matmul, Op::Features] {
            let way = way(op, 65);
            assert!(["direct", "small", "medium"].contains(&way), "{op:?} {strategy:?}: {way}");
        }
        // One pass over short rows needs no more.
        if matches!(strategy, None | Some(Strategy::Fused)) {
            assert_eq!(way(Op::Step, 64), "fused", "{strategy:?}");
        }
        let rows = (128 << 20) / 4 / 4096 + 1;
        let error = Tensor::from_flat(&device, &vec![0.0; rows * 4096], &[rows, 4096]).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 134_217_728, .. }), "{error}");
    }
}

#[test]
fn more_than_a_device_can_hold_is_an_error() {
    let Some(device) = gpu_with_limit(1 << 16) else { return };
    let wide = vec![0.0_f32; 1 << 16];
    assert!(matches!(Tensor::from_flat(&device, &wide, &[1, 1 << 16]), Err(Error::TooLarge { .. })));
    assert!(matches!(
        DenseMemory::builder().device(&device).beta(1.0).build(&[wide]),
        Err(Error::TooLarge { .. })
    ));
}

/// One buffer is kept to read back through, whatever the sizes of what is read, and a large one not for long.
#[test]
fn readbacks_of_all_sizes_share_a_buffer() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let tensor = |n: usize| Tensor::from_flat(&device, &vec![1.5; n], &[1, n]).unwrap();
    let tensors = [tensor(1 << 20), tensor(3), tensor(5000)];
    tensors[0].to_vec().unwrap();
    let before = context.counters();
    for tensor in tensors.iter().cycle().take(60) {
        assert!(tensor.to_vec().unwrap().iter().all(|v| *v == 1.5));
    }
    let after = context.counters();
    assert_eq!((after.buffers, after.readbacks), (before.buffers, before.readbacks + 60));
}

/// Buffers that are given back are used again; beyond 256 MB the largest are let go.
#[test]
fn the_pool_is_bounded() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let tensor = |n: usize| Tensor::from_flat(&device, &vec![0.0; n], &[1, n]).unwrap();
    // Sizes that share no class, 40 to 57 MB, 388 MB in all.
    let sizes: Vec<usize> = (0..8).map(|i| (10 << 20) + i * (1 << 19)).collect();
    for round in 0..2 {
        let held: Vec<Tensor> = sizes.iter().map(|n| tensor(*n)).collect();
        let used: usize = sizes.iter().map(|n| 4 * n).sum();
        assert!(held.len() == 8 && used > 256 << 20);
        drop(held);
        let Counters { pool_bytes, buffers, .. } = context.counters();
        assert!(pool_bytes <= 256 << 20 && pool_bytes > 128 << 20, "round {round}: {pool_bytes}");
        assert!(buffers <= 7, "round {round}: {buffers}");
    }
}
