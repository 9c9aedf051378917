// Some bits of an asynchronous sweep, one after another: a workgroup for each query. Of a dense memory of bits (overlaps are kept up
// with the state), or (MATRIX) of a network with a symmetric matrix (fields are).
#import common
#import row_reduce

struct Parameters {
    rows: u32,
    // Patterns, or rows of the matrix.
    count: u32,
    // Floats of a row of overlaps or fields, and of a row of states.
    kept_width: u32,
    state_width: u32,
    // vec4s of a row of bits; floats of a row of the matrix.
    bits_width: u32,
    d: u32,
    // Places in the order.
    first: u32,
    end: u32,
    // Whether sums of less than 2^23 are exact.
    exact: u32,
}
#import parameters
#if MATRIX
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
#else
@group(0) @binding(1) var<storage, read> bits: array<vec4<u32>>;
#endif
@group(0) @binding(2) var<storage, read> order: array<u32>;
// Not 0 where a bit must stay: [b, d].
@group(0) @binding(3) var<storage, read> clamped: array<u32>;
// Overlaps [b, n], or fields [b, d].
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;
#if MATRIX
// Sizes up to which a field of each bit is 0, [d].
@group(0) @binding(6) var<storage, read> noise: array<f32>;
#else
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;

#import overlap_table

fn of_pattern(k: u32, i: u32) -> f32 {
    let word = bits[k * p.bits_width + i / 128u][(i / 32u) % 4u];
    return select(-1.0, 1.0, ((word >> (i % 32u)) & 1u) == 1u);
}
#endif

fn work(row: u32, lane: u32, live: bool) {
    let of_row = row * p.kept_width;
    for (var at = p.first; at < p.end; at += 1u) {
        let i = order[at];
        // What the lanes have written for the bit before is there for all of them.
        storageBarrier();
        let x = states[row * p.state_width + i];
#if MATRIX
        let sum = kept[of_row + i];
        let field = select(0.0, sum, abs(sum) > noise[i]);
        storageBarrier();
#else
        var log_most = -3.4e38;
        for (var k = lane; k < p.count; k += LANES) {
            log_most = max(log_most, table[place(kept[of_row + k])].x);
        }
        log_most = lanes_max(lane, log_most);
        var sum = 0.0;
        var sizes = 0.0;
        for (var k = lane; k < p.count; k += LANES) {
            let entry = table[place(kept[of_row + k])];
            let size = exp(max((entry.x - log_most) + entry.y, -104.0));
            sum += (of_pattern(k, i) * entry.z + x * entry.w) * size;
            sizes += (abs(entry.z) + abs(entry.w)) * size;
        }
        sizes = lanes_sum(lane, sizes);
        // Below this a field is 0: see FlipTable::noise.
        let noise = select(16.0 * 1.1920929e-7 * sizes, 0.0, p.exact == 1u && sizes < 8388608.0);
        let sum_of_lanes = lanes_sum(lane, sum);
        let field = select(0.0, sum_of_lanes, abs(sum_of_lanes) > noise);
#endif
        // At 0 the bit stays.
        let flips = live && field * x < 0.0 && clamped[row * p.d + i] == 0u;
        if flips {
            for (var k = lane; k < p.count; k += LANES) {
#if MATRIX
                kept[of_row + k] -= 2.0 * x * matrix[i * p.bits_width + k];
#else
                kept[of_row + k] -= 2.0 * x * of_pattern(k, i);
#endif
            }
            if lane == 0u {
                states[row * p.state_width + i] = -x;
            }
        }
    }
}

#import rows_main
