// Rows of bits summed with weights: four columns of one query to an invocation.
#import common

struct Parameters {
    queries: u32,
    // vec4s of a row of sums, of a row of weights, and of a row of bits.
    width: u32,
    weights_width: u32,
    bits_width: u32,
    columns: u32,
    // Patterns of this round; the sums of the rounds before it are in `out`.
    first: u32,
    end: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bits: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = group_number(group, groups) * 64u + local;
    if at >= p.queries * p.width {
        return;
    }
    let query = at / p.width;
    let column = (at % p.width) * 4u;
    let shift = vec4<u32>(column, column + 1u, column + 2u, column + 3u) % 32u;
    var total = vec4<f32>(0.0);
    if p.first > 0u {
        total = out[at];
    }
    for (var block = p.first; block < p.end; block += 64u) {
        var sum = vec4<f32>(0.0);
        for (var k = block; k < min(block + 64u, p.end); k += 1u) {
            let w = weights[query * p.weights_width + k / 4u][k % 4u];
            let word = bits[k * p.bits_width + column / 128u][(column / 32u) % 4u];
            let one = (vec4<u32>(word) >> shift) & vec4<u32>(1u);
            sum += select(vec4<f32>(-w), vec4<f32>(w), one == vec4<u32>(1u));
        }
        total += sum;
    }
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    out[at] = select(vec4<f32>(0.0), total, inside);
}
