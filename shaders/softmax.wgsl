// Rows of z to softmax(beta z), or (LSE) to (1/beta) log sum exp(beta z).
#import common
#import numbers
#import row_reduce

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    beta: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
#if LSE
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
#endif

fn inside(i: u32) -> vec4<bool> {
    let column = 4u * i;
    return vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
}

fn exponential(row: u32, i: u32, m: f32) -> vec4<f32> {
    let s = max(p.beta * (z[row * p.width + i] - m), vec4<f32>(-104.0));
    return select(vec4<f32>(0.0), exp(s), inside(i) & (s > vec4<f32>(-87.0)));
}

fn work(row: u32, lane: u32, live: bool) {
    let some = vec4<f32>(z[row * p.width].x);
    var largest = some;
    var spoiled = 0.0;
    for (var i = lane; i < p.width; i += LANES) {
        let v = z[row * p.width + i];
        largest = max(largest, select(some, v, inside(i)));
        spoiled = max(spoiled, select(0.0, 1.0, any(spoils(v))));
    }
    let m = lanes_max(lane, max4(largest));
    spoiled = lanes_max(lane, spoiled);
    var total = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            sum += exponential(row, i, m);
        }
        total += sum4(sum);
    }
    total = lanes_sum(lane, total);
    // A row of minus infinities has no largest.
    let known = spoiled == 0.0 && total > 0.0;
#if LSE
    if lane == 0u && live {
        out[row] = select(nan(p.rows), m + log(total) / p.beta, known);
#import zero_padding
    }
#else
    let inverse = 1.0 / total;
    if live {
        for (var i = lane; i < p.width; i += LANES) {
            let w = select(vec4<f32>(nan(p.rows)), exponential(row, i, m) * inverse, known);
            out[row * p.width + i] = select(vec4<f32>(0.0), w, inside(i));
        }
    }
#endif
}

#import rows_main
