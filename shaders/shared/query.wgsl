// What is known of one query while it descends. Same layout as Query in src/gpu/descent/mod.rs.
// Needs: nothing.
// Gives: `struct Query`.
struct Query {
    // Carry over the patterns seen so far: largest score, and sums over e = exp(score - m):
    // sum e, sum e (score - m), sum e |pattern|.
    m: f32,
    l: f32,
    h: f32,
    le: f32,
    // Factor for what was summed before the latest patterns.
    shrink: f32,
    // score = scale * (product * term scale + term bias) + bias
    scale: f32,
    bias: f32,
    // Squared length of the state.
    squared: f32,
    settled: u32,
    steps: u32,
    // What brings the state to length 1, where unit rows are compared; else 1.
    unit: f32,
    unused: u32,
}
