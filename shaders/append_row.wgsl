// Matrices of `n` rows one below the other, each with one more row after its last.
#import common

struct Parameters {
    // Of the result.
    rows: u32,
    n: u32,
    width: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

#import vec4_head
    let row = at / p.width;
    let column4 = at % p.width;
    let matrix = row / (p.n + 1u);
    let of_matrix = row % (p.n + 1u);
    // The last row of all is read in its place, and not taken.
    let value = x[(matrix * p.n + min(of_matrix, p.n - 1u)) * p.width + column4];
    out[at] = select(value, y[column4], of_matrix == p.n);
}
