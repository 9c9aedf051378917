// One value per column and slice of rows: 0 sum, 2 maximum, 3 minimum. A slice has at most 256 rows;
// the slices are reduced again until one is left.
#import common
#import numbers

struct Parameters {
    rows: u32,
    width: u32,
    how: u32,
    // Multiplies the result: 1, or one over the number of rows in the last round of a mean.
    factor: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = group_number(group, groups) * 64u + local;
    let slice = at / p.width;
    let column4 = at % p.width;
    let begin = slice * 256u;
    if begin >= p.rows {
        return;
    }
    var value = x[begin * p.width + column4];
    for (var row = begin + 1u; row < min(begin + 256u, p.rows); row += 1u) {
        let v = x[row * p.width + column4];
        // A NaN stays.
        let extreme = select(select(min(value, v), max(value, v), p.how == 2u), v, is_nan(v));
        value = select(value + v, select(extreme, value, is_nan(value)), p.how >= 2u);
    }
    out[at] = value * p.factor;
}
