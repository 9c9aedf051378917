//! Store vectors, recall them from damaged copies.
//!
//! `cargo run --release --example store_and_recall`

use attractor::prelude::*;

fn main() -> attractor::Result<()> {
    let patterns =
        [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]];
    let cues = [[0.9, 1.2, 0.7, 0.1, -0.2, 0.0], [0.6, 0.1, 0.9, 0.3, 0.7, -0.1]];

    let memory = DenseMemory::new(&patterns)?;
    let recalled = memory.recall(&cues)?;

    println!("{} patterns on {}, beta {}", memory.len(), memory.device(), memory.beta_choice()?);
    for i in 0..recalled.len() {
        for (pattern, weight) in recalled.top(i).take(1) {
            println!(
                "cue {i} is pattern {pattern} with weight {weight:.3}: {:.2?}, {} in {} steps",
                recalled.states.row(i),
                recalled.status[i],
                recalled.steps[i]
            );
        }
    }
    Ok(())
}
