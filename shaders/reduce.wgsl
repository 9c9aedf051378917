// One value per row: 0 sum, 1 mean, 2 maximum, 3 minimum.
#import common
#import numbers
#import row_reduce

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    how: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn work(row: u32, lane: u32, live: bool) {
    var total = 0.0;
    // A minimum is the largest negative.
    let sign = select(1.0, -1.0, p.how == 3u);
    let some = vec4<f32>(sign * x[row * p.width].x);
    var largest = some;
    var unknown = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let v = x[row * p.width + i];
            sum += v;
            let column = 4u * i;
            let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
            largest = max(largest, select(some, sign * v, inside));
            unknown = max(unknown, select(0.0, 1.0, any(is_nan(v))));
        }
        total += sum4(sum);
    }
    total = lanes_sum(lane, total);
    unknown = lanes_max(lane, unknown);
    let extreme = select(sign * lanes_max(lane, max4(largest)), nan(p.rows), unknown > 0.0);
    if lane == 0u && live {
        var value = total;
        if p.how == 1u {
            value = total / f32(p.columns);
        } else if p.how >= 2u {
            value = extreme;
        }
        out[row] = value;
#import zero_padding
    }
}

#import rows_main
