// Of products z of rows first.. with all rows: the largest of each row and the logarithm of its sum of exponentials
// over tau, its product with itself left out; or (WEIGHTS) the weights of the pairs from such terms of all rows.
#import common
#import numbers
#import exponential
#if WEIGHTS
#else
#import row_reduce
#endif

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // Number of the first row.
    first: u32,
    // 1 / tau
    sharp: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
#if WEIGHTS
@group(0) @binding(2) var<storage, read> terms: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>;
#endif

// Columns of the i-th vec4 of a row that are other rows.
fn others(row: u32, i: u32) -> vec4<bool> {
    let column = 4u * i + vec4<u32>(0u, 1u, 2u, 3u);
    return (column < vec4<u32>(p.columns)) & (column != vec4<u32>(p.first + row));
}

#if WEIGHTS
#import vec4_head
    let row = at / p.width;
    let i = at % p.width;
    let near = terms[p.first + row];
    let last = p.columns - 1u;
    let a = terms[min(4u * i, last)];
    let b = terms[min(4u * i + 1u, last)];
    let c = terms[min(4u * i + 2u, last)];
    let d = terms[min(4u * i + 3u, last)];
    let far_largest = vec4<f32>(a.x, b.x, c.x, d.x);
    let far_log = vec4<f32>(a.y, b.y, c.y, d.y);
    let s = z[at];
    let weight = exponential(p.sharp * (s - near.x) - near.y) + exponential(p.sharp * (s - far_largest) - far_log);
    out[at] = select(vec4<f32>(0.0), weight, others(row, i));
}
#else
fn work(row: u32, lane: u32, live: bool) {
    var largest = vec4<f32>(MASKED);
    var spoiled = 0.0;
    for (var i = lane; i < p.width; i += LANES) {
        let v = z[row * p.width + i];
        largest = max(largest, select(vec4<f32>(MASKED), v, others(row, i)));
        spoiled = max(spoiled, select(1.0, 0.0, all(is_finite(v))));
    }
    let m = lanes_max(lane, max4(largest));
    spoiled = lanes_max(lane, spoiled);
    var total = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let e = exponential(p.sharp * (z[row * p.width + i] - m));
            sum += select(vec4<f32>(0.0), e, others(row, i));
        }
        total += sum4(sum);
    }
    total = lanes_sum(lane, total);
    if lane == 0u && live {
        out[row] = vec2<f32>(select(m, nan(p.rows), spoiled > 0.0), log(total));
    }
}

#import rows_main
#endif
