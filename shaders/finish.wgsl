// The end of a step: the weighted means become the next states, known coordinates stay, states that
// are at their update, whatever share of the way they go, settle.
#import common
#import query
#import row_reduce

struct Parameters {
    rows: u32,
    width: u32,
    beta: f32,
    // As in `start.wgsl`.
    cosine: u32,
    skip: u32,
    step_size: f32,
    tolerance: f32,
    // vec4s from one row of `clamp` to the next: 0 where all queries share one row.
    clamp_width: u32,
    use_clamp: u32,
    // Where this step's entries of the trace start.
    trace_first: u32,
    use_trace: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> states: array<vec4<f32>>;
// 1 where a coordinate stays.
@group(0) @binding(3) var<storage, read> known: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> queries: array<Query>;
// Per 8 queries: how many have not settled.
@group(0) @binding(5) var<storage, read_write> active_of_8: array<atomic<u32>>;
// m, le, |x|^2 and l before the step: what the energy is made of, and what merges with other patterns.
@group(0) @binding(6) var<storage, read_write> energies: array<vec4<f32>>;

fn work(row: u32, lane: u32, live: bool) {
    let before = queries[row];
    let inverse = 1.0 / before.l;
    let width = select(0u, p.width, live);
    var sum = vec4<f32>(0.0);
    var change = vec4<f32>(0.0);
    for (var i = lane; i < width; i += LANES) {
        let x = states[row * p.width + i];
        var y = sums[row * p.width + i] * inverse;
        if p.use_clamp != 0u {
            y = select(y, x, known[row * p.clamp_width + i] != vec4<f32>(0.0));
        }
        change = max(change, abs(y - x));
        if p.step_size != 1.0 {
            y = x + p.step_size * (y - x);
        }
        sum = fma(y, y, sum);
        states[row * p.width + i] = y;
    }
    let squared = lanes_sum(lane, sum4(sum));
    let largest = lanes_max(lane, max4(change));
    if lane == 0u && live {
        if p.use_trace != 0u {
            energies[p.trace_first + row] = vec4<f32>(before.m, before.le, before.squared, before.l);
        }
        var q = before;
        if p.cosine == 1u {
            q.scale = select(0.0, p.beta / sqrt(squared), squared >= 1.1754944e-38);
        } else if p.cosine == 2u {
            q.unit = select(0.0, 1.0 / sqrt(squared), squared >= 1.1754944e-38);
        }
        q.squared = squared;
        q.steps += 1u;
        q.settled = select(0u, 1u, largest <= p.tolerance);
        q.m = MASKED;
        q.l = 0.0;
        q.h = 0.0;
        q.le = 0.0;
        q.shrink = 0.0;
        queries[row] = q;
        if q.settled != 0u && p.skip != 0u {
            atomicSub(&active_of_8[row / 8u], 1u);
        }
    }
}

#import rows_main
