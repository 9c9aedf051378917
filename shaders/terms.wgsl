// Per pattern: what it adds to its product with a query. Same as Term::new in src/ops/similarity.rs.
#import common
#import numbers
#import row_reduce

struct Parameters {
    rows: u32,
    width: u32,
    // 0 l2, 1 dot, 2 cosine, 3 l1
    similarity: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> patterns: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> terms: array<vec2<f32>>;

fn work(row: u32, lane: u32, live: bool) {
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < p.width; i += LANES) {
        let x = patterns[row * p.width + i];
        sum = fma(x, x, sum);
    }
    let squared = lanes_sum(lane, sum4(sum));
    if lane == 0u && live {
        var term = vec2<f32>(1.0, 0.0);
        if p.similarity == 0u {
            term.y = -0.5 * squared;
        } else if p.similarity == 2u {
            term.x = select(0.0, 1.0 / sqrt(squared), squared >= 1.1754944e-38);
            term.x = select(nan(p.rows), term.x, is_finite(vec4<f32>(squared)).x);
        } else if p.similarity == 3u {
            term.x = -1.0;
        }
        terms[row] = term;
    }
}

#import rows_main
