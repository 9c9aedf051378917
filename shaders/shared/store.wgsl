// Parameters, operands and epilogue that the matrix products share.
//
// C [m, n] = A B, row strides in vec4s. B starts at row `b_first` of its buffer. The inner dimension
// is cut into `splits` slices of `slice` (a multiple of 4); slice s writes rows s*m.. of C. BATCHED: there
// are `splits` products instead, their operands and results one below the other.
//
// Needs: one of NN, NT, TN (how the operands are stored); ACTIVE to know settled queries, SCORES for scores
// in place of products, SQUARED where these are sums of squared differences.
// Gives: `struct Parameters`, `p`, `a`, `load_b`, `inner_begin`, `a_first_row`, `b_first_row`, `of_row`,
// `of_columns`, `store`; bindings 0 to 3, ACTIVE 4 (`active_of_8`), SCORES 5 and 6 (`queries`, `terms`).
#import common
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
#import parameters
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
#import load_b
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;
#if ACTIVE
// Per 8 queries: how many have not settled.
@group(0) @binding(4) var<storage, read> active_of_8: array<u32>;
#endif

// Where slice `slice` begins along the inner dimension, and the first rows of its operands.
#if BATCHED
fn inner_begin(slice: u32) -> u32 {
    return 0u;
}
fn a_first_row(slice: u32) -> u32 {
#if TN
    return slice * p.k;
#else
    return slice * p.m;
#endif
}
fn b_first_row(slice: u32) -> u32 {
#if NT
    return slice * p.n;
#else
    return slice * p.k;
#endif
}
#else
fn inner_begin(slice: u32) -> u32 {
    return slice * p.slice;
}
fn a_first_row(slice: u32) -> u32 {
    return 0u;
}
fn b_first_row(slice: u32) -> u32 {
    return p.b_first;
}
#endif

#if SCORES
#import query
@group(0) @binding(5) var<storage, read> queries: array<Query>;
// Per pattern: scale and bias.
@group(0) @binding(6) var<storage, read> terms: array<vec2<f32>>;

// What the epilogue needs of a row, and of four columns; loaded once for all outputs of an invocation.
struct OfRow {
    scale: f32,
    bias: f32,
}
struct OfColumns {
    scale: vec4<f32>,
    bias: vec4<f32>,
}
fn of_row(row: u32) -> OfRow {
    let at = min(row, p.m - 1u);
    return OfRow(queries[at].scale, queries[at].bias);
}
fn of_columns(column4: u32) -> OfColumns {
    var columns: OfColumns;
#for i in 0..4
    let term_${i} = terms[p.b_first + min(4u * column4 + ${i}u, p.n - 1u)];
    columns.scale[${i}] = term_${i}.x;
    columns.bias[${i}] = term_${i}.y;
#endfor
    return columns;
}
#else
// A plain product needs nothing.
struct OfRow {
    unused: u32,
}
struct OfColumns {
    unused: u32,
}
fn of_row(row: u32) -> OfRow {
    return OfRow(0u);
}
fn of_columns(column4: u32) -> OfColumns {
    return OfColumns(0u);
}
#endif

// Writes four columns of C, starting at 4 * column4.
fn store(slice: u32, row: u32, column4: u32, value: vec4<f32>, of_row: OfRow, of_columns: OfColumns) {
    if row >= p.m || column4 >= p.c_width {
        return;
    }
    let column = 4u * column4;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.n);
#if SCORES
#if SQUARED
    // A row of zeros has the cosine 0.
    let s = of_row.scale * select(-0.5 * value, vec4<f32>(-1.0), of_columns.scale == vec4<f32>(0.0)) + of_row.bias;
#else
    let s = of_row.scale * (value * of_columns.scale + of_columns.bias) + of_row.bias;
#endif
    let hidden = (of_columns.scale == vec4<f32>(0.0)) & (of_columns.bias < vec4<f32>(0.5 * MASKED));
    let eligible = select(s, vec4<f32>(MASKED), hidden);
    c[row * p.c_width + column4] = select(vec4<f32>(p.padding), eligible, inside);
#else
    // The padding of a row stays zero.
    c[(slice * p.m + row) * p.c_width + column4] = select(vec4<f32>(0.0), value, inside);
#endif
}
