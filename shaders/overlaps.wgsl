// Overlaps x.xi of rows of bits: columns less twice the number of different bits. One invocation per pattern, for up to four
// queries.
#import common

struct Parameters {
    queries: u32,
    patterns: u32,
    columns: u32,
    // vec4s of a row of bits, and of a row of overlaps.
    width: u32,
    out_width: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bits: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn ones(v: vec4<u32>) -> u32 {
    let c = countOneBits(v);
    return (c.x + c.y) + (c.z + c.w);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = group_number(group, groups);
    let per_row = (4u * p.out_width + 63u) / 64u;
    let k = (number % per_row) * 64u + local;
    let first = (number / per_row) * 4u;
    if k >= 4u * p.out_width || first >= p.queries {
        return;
    }
    var different = vec4<u32>(0u);
    if k < p.patterns {
        for (var w = 0u; w < p.width; w += 1u) {
            let xi = bits[k * p.width + w];
#for q in 0..4
            different[${q}] += ones(xi ^ states[min(first + ${q}u, p.queries - 1u) * p.width + w]);
#endfor
        }
    }
#for q in 0..4
    if first + ${q}u < p.queries {
        // The padding of a row stays zero.
        let overlap = f32(i32(p.columns) - 2 * i32(different[${q}]));
        out[(first + ${q}u) * 4u * p.out_width + k] = select(0.0, overlap, k < p.patterns);
    }
#endfor
}
