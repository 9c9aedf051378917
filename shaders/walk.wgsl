// A step of states down the energy of random features: what the last look found is taken or taken back, and the next state to
// look at is made. As in src/memory/features/descent.rs.
#import common
#import row_reduce
#import ln
#import numbers

// What is known of a state that has been taken.
struct Walker {
    // Its sum of kernels and energy, the length of the gradient, the step size.
    u: f32,
    energy: f32,
    length: f32,
    step_size: f32,
    halvings: u32,
    steps: u32,
    // RUNNING, or how it ended.
    status: u32,
    unused: u32,
}

const RUNNING: u32 = 0u;
const CONVERGED: u32 = 1u;
const NON_FINITE: u32 = 2u;
const DEAD: u32 = 3u;
const ENERGY_RISES: u32 = 4u;
const HALVINGS: u32 = 5u;

struct Parameters {
    rows: u32,
    width: u32,
    // The first look: the states are where they start.
    start: u32,
    backtrack: u32,
    beta: f32,
    // Factors of the sums and of their gradients; the gradient of exponential features has a pull to the origin.
    scale: f32,
    slope: f32,
    pull: f32,
    epsilon: f32,
    tolerance: f32,
    // Longest gradient that is followed at full length.
    longest: f32,
    // Square root of the patterns' weight.
    root: f32,
    // What states are multiplied by for products, and their squares for what is taken off exponents.
    unit: f32,
    decay: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> walkers: array<Walker>;
// States that have been taken, their gradients, and 1 where a coordinate is free, else 0.
@group(0) @binding(2) var<storage, read_write> taken: array<vec4<f32>>;
// States that were looked at, and then those that are to be; the same as products need them.
@group(0) @binding(3) var<storage, read_write> trials: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> scaled: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> shift: array<f32>;
// What the look found.
@group(0) @binding(6) var<storage, read> sums: array<f32>;
@group(0) @binding(7) var<storage, read> slopes: array<vec4<f32>>;

fn work(row: u32, lane: u32, live: bool) {
    let walker = walkers[row];
    let running = live && walker.status == RUNNING;
    let whole = p.rows * p.width;
    let u = p.scale * sums[row];
    let energy = -ln(max(max(u, p.epsilon), 1.2e-38)) / p.beta;
    let floor = max(max(walker.u, p.epsilon), 1.2e-38);
    let rounding = 1e-6 * (1.0 + p.root / floor) / p.beta;
    let rises = p.backtrack == 1u && p.start == 0u && energy > walker.energy + rounding;

    // The gradient of the energy, where the look's state is taken.
    let factor = select(0.0, -1.0 / (p.beta * u), u > p.epsilon);
    var largest = 0.0;
    var squares = 0.0;
    var odd = select(1.0, 0.0, is_finite(vec4<f32>(u)).x);
    for (var i = lane; i < p.width; i += LANES) {
        let at = row * p.width + i;
        var gradient = taken[whole + at];
        if running && !rises {
            let x = trials[at];
            gradient = factor * (p.slope * slopes[at] - p.pull * u * x) * taken[2u * whole + at];
            taken[at] = x;
            taken[whole + at] = gradient;
        }
        largest = max(largest, max4(abs(gradient)));
        squares += sum4(gradient * gradient);
        if !all(is_finite(gradient)) {
            odd = 1.0;
        }
    }
    largest = lanes_max(lane, largest);
    squares = lanes_sum(lane, squares);
    odd = lanes_max(lane, odd);

    var after = walker;
    after.steps = walker.steps + select(1u, 0u, p.start == 1u);
    if rises {
        after.step_size = 0.5 * walker.step_size;
        after.halvings = walker.halvings + 1u;
        if after.halvings > HALVINGS {
            after.status = ENERGY_RISES;
        }
    } else {
        after.u = u;
        after.energy = energy;
        after.length = sqrt(squares);
    }
    if after.status == RUNNING {
        if odd > 0.0 {
            after.status = NON_FINITE;
        } else if after.u <= p.epsilon {
            after.status = DEAD;
        } else if largest < p.tolerance {
            after.status = CONVERGED;
        }
    }

    // The next state to look at.
    let short = select(1.0, p.longest / after.length, p.longest > 0.0 && after.length > p.longest);
    let step = short * after.step_size;
    var square = 0.0;
    for (var i = lane; i < p.width; i += LANES) {
        let at = row * p.width + i;
        if running && after.status == RUNNING {
            let x = taken[at] - step * taken[whole + at];
            trials[at] = x;
            scaled[at] = p.unit * x;
            square += sum4(x * x);
        }
    }
    square = lanes_sum(lane, square);
#if SERIAL
#else
    // Every lane has read the walker before one of them changes it.
    workgroupBarrier();
#endif
    if lane == 0u && running {
        walkers[row] = after;
        if after.status == RUNNING {
            shift[row] = p.decay * square;
        }
    }
}

#import rows_main
