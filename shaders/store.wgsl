// Parameters, operands and epilogue that the matrix products share.
//
// C [m, n] = A B, row strides in vec4s. B starts at row `b_first` of its buffer. The inner dimension
// is cut into `splits` slices of `slice` (a multiple of 4); slice s writes rows s*m.. of C.
struct Parameters {
    m: u32,
    n: u32,
    k: u32,
    a_width: u32,
    b_width: u32,
    c_width: u32,
    b_first: u32,
    splits: u32,
    slice: u32,
    // Leave out tiles in which every query has settled.
    skip: u32,
    // What scores past the last column are.
    padding: f32,
}
@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
#import load_b
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;
#if ACTIVE
// Per 8 queries: how many have not settled.
@group(0) @binding(4) var<storage, read> active_of_8: array<u32>;
#endif
#if SCORES
#import query
@group(0) @binding(5) var<storage, read> queries: array<Query>;
// Per pattern: scale and bias.
@group(0) @binding(6) var<storage, read> terms: array<vec2<f32>>;

fn score(product: f32, row: u32, column: u32) -> f32 {
    if column >= p.n {
        return p.padding;
    }
    let term = terms[p.b_first + column];
    let q = queries[row];
    let s = q.scale * (product * term.x + term.y) + q.bias;
    return select(s, MASKED, term.y < 0.5 * MASKED);
}
#endif

// Writes four columns of C, starting at 4 * column4.
fn store(slice: u32, row: u32, column4: u32, value: vec4<f32>) {
    if row >= p.m || column4 >= p.c_width {
        return;
    }
    let column = 4u * column4;
#if SCORES
    c[row * p.c_width + column4] = vec4<f32>(
        score(value.x, row, column),
        score(value.y, row, column + 1u),
        score(value.z, row, column + 2u),
        score(value.w, row, column + 3u),
    );
#else
    // The padding of a row stays zero.
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.n);
    c[(slice * p.m + row) * p.c_width + column4] = select(vec4<f32>(0.0), value, inside);
#endif
}
