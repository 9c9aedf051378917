//! A layer of a neural network: states are associated with stored patterns, as they are or
//! through the weights of a trained `PyTorch` layer (`hflayers.Hopfield`):
//!
//! `safetensors.torch.save_file(layer.state_dict(), "layer.safetensors")` in Python, and then
//! `cargo run --release --example hopfield_layer -- layer.safetensors INPUT_SIZE HEADS`

use attractor::{
    Device, Tensor,
    layers::{Hopfield, HopfieldInput, HopfieldOptions, Weights},
};

fn main() -> attractor::Result<()> {
    let device = Device::best()?;
    let mut arguments = std::env::args().skip(1);
    if let Some(path) = arguments.next() {
        let mut number = |default: usize| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(default);
        let columns = number(64);
        let options = HopfieldOptions { num_heads: number(1), ..HopfieldOptions::pytorch(columns) };
        return run(&Hopfield::load(&device, &options, &Weights::open(path)?)?, columns);
    }

    // Without weights the layer is the memory itself: a state becomes what it is like.
    let layer = Hopfield::new(&device);
    let stored = [[6.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 6.0]];
    let out = layer.forward_rows(&stored, &[[0.9, 0.2, 0.1]])?;
    println!("[0.9, 0.2, 0.1] is associated with {:.2?}", out.row(0));
    run(&layer, 3)
}

/// A batch of two sets, the second of which is shorter.
fn run(layer: &Hopfield, columns: usize) -> attractor::Result<()> {
    let values: Vec<f32> = (0..2 * 4 * columns).map(|i| (i as f32 * 0.7).sin()).collect();
    let x = Tensor::from_flat(layer.device(), &values, &[2, 4, columns])?;
    let padding = [false, false, false, false, false, false, true, true];
    let input = HopfieldInput { padding: Some(&padding), ..HopfieldInput::new(&x, &x) };
    let out = layer.forward(&input)?;
    println!("{:?} becomes {:?} on {}", x.shape(), out.shape(), layer.device());
    for (head, weights) in layer.associations(&input)?.iter().enumerate() {
        println!("head {head}: the first state of the second set mixes {:.3?}", &weights.to_vec()?[16..20]);
    }
    Ok(())
}
