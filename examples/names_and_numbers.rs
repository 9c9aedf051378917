//! Hetero-association: vectors recall the values that were stored with them, and known coordinates
//! stay as they are.
//!
//! `cargo run --release --example names_and_numbers`

use attractor::prelude::*;

fn main() -> attractor::Result<()> {
    // Length, width and weight of three kinds of screws, and what they cost.
    let screws = [[20.0, 3.0, 1.1], [40.0, 4.0, 3.9], [60.0, 5.0, 9.2]];
    let prices = [[0.05], [0.11], [0.24]];
    let mut memory = DenseMemory::new(&screws)?;
    memory.associate(&prices)?;

    // The length was measured well; the rest is a guess.
    let measured = [[41.0, 4.6, 6.0]];
    let options =
        RecallOptions { clamp: Some(&[true, false, false]), trace: true, ..RecallOptions::default() };
    let recalled = memory.recall_with(&measured, &options)?;

    println!("completed: {:.2?}", recalled.states.row(0));
    if let Some(values) = &recalled.values {
        println!("price: {:.2}", values[(0, 0)]);
    }
    if let Some(trace) = &recalled.trace {
        println!("the energy fell: {:.4?}", trace[0]);
    }
    Ok(())
}
