// Rows to mean 0 and variance 1 (centre 1), or to length 1 (centre 0).
#import common
#import numbers
#import row_reduce

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    centre: u32,
    eps: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

// A row's values less `mean`; its padding stays zero.
fn centred(row: u32, i: u32, mean: f32) -> vec4<f32> {
    let column = 4u * i;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    return select(vec4<f32>(0.0), x[row * p.width + i] - mean, inside);
}

fn work(row: u32, lane: u32, live: bool) {
    var mean = 0.0;
    if p.centre == 1u {
        for (var block = lane; block < p.width; block += 64u * LANES) {
            var sum = vec4<f32>(0.0);
            let end = min(p.width, block + 64u * LANES);
            for (var i = block; i < end; i += LANES) {
                sum += x[row * p.width + i];
            }
            mean += sum4(sum);
        }
    }
    mean = lanes_sum(lane, mean) / f32(p.columns);
    var squares = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let v = centred(row, i, mean);
            sum += v * v;
        }
        squares += sum4(sum);
    }
    squares = lanes_sum(lane, squares);
    if p.centre == 1u {
        squares = squares / f32(p.columns) + p.eps;
    }
    // Below the normal numbers it counts as 0; beyond the finite ones there is no knowing.
    let inverse = select(0.0, 1.0 / sqrt(squares), squares >= 1.1754944e-38);
    let known = is_finite(vec4<f32>(squares)).x;
    if live {
        for (var i = lane; i < p.width; i += LANES) {
            let column = 4u * i;
            let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
            let v = select(vec4<f32>(nan(p.rows)), centred(row, i, mean) * inverse, known);
            out[row * p.width + i] = select(vec4<f32>(0.0), v, inside);
        }
    }
}

#import rows_main
