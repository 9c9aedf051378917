// Standard normals of a seed; an invocation makes four of a row.
#import common
#import normals

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // Number of the first row.
    first: u32,
    seed_low: u32,
    seed_high: u32,
    // Upper half of the rows' numbers.
    high: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = group_number(group, groups) * 64u + local;
    if at >= p.rows * p.width {
        return;
    }
    out[at] = normals(p.first + at / p.width, at % p.width);
}
