// Queries before their first pass: squared lengths, the factor on their scores, empty carries.
#import common
#import numbers
#import query
#import row_reduce

struct Parameters {
    rows: u32,
    width: u32,
    beta: f32,
    // 1 where the length divides the scores (cosine), 2 where it divides the state before it is compared.
    cosine: u32,
    // Whether scores get -1/2 |x|^2, which is the same for all patterns.
    complete: u32,
    // The largest squared length that scores can be made of, as bits; of longer queries nothing comes that is a number.
    most: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> queries: array<Query>;

fn work(row: u32, lane: u32, live: bool) {
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < p.width; i += LANES) {
        let x = states[row * p.width + i];
        sum = fma(x, x, sum);
    }
    let squared = lanes_sum(lane, sum4(sum));
    if lane == 0u && live {
        var scale = p.beta;
        var unit = 1.0;
        if p.cosine != 0u {
            let inverse = select(0.0, 1.0 / sqrt(squared), squared >= 1.1754944e-38);
            unit = select(1.0, inverse, p.cosine == 2u);
            scale = select(p.beta, select(0.0, p.beta / sqrt(squared), squared >= 1.1754944e-38), p.cosine == 1u);
        }
        // Bits of numbers that are not negative have their order; NaN and infinity come last.
        scale = select(scale, nan(p.rows), bitcast<u32>(squared) > p.most);
        let bias = select(0.0, -0.5 * squared, p.complete != 0u);
        queries[row] = Query(MASKED, 0.0, 0.0, 0.0, 0.0, scale, bias, squared, 0u, 0u, unit, 0u);
    }
}

#import rows_main
