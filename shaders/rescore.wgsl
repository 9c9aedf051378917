// Similarities of queries with candidates from their lists, from differences of coordinates.
#import common
#import query

struct Parameters {
    // Candidates of all queries, candidates of one, vec4s per row.
    count: u32,
    k: u32,
    width: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> patterns: array<vec4<f32>>;
// Value and index of each candidate.
@group(0) @binding(3) var<storage, read> lists: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> queries: array<Query>;
@group(0) @binding(5) var<storage, read> terms: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> similarities: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = group_number(group, groups) * 64u + local;
    if number >= p.count {
        return;
    }
    let row = number / p.k;
    let index = lists[number].y;
    // The rest of a list for which there were no patterns.
    if index == 0xffffffffu {
        similarities[number] = MASKED;
        return;
    }
    let of_x = queries[row].unit;
    let of_y = terms[index].x;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < p.width; i += 1u) {
        let difference = states[row * p.width + i] * of_x - patterns[index * p.width + i] * of_y;
        sum = fma(difference, difference, sum);
    }
    // A row of zeros has the cosine 0.
    let similarity = -0.5 * ((sum.x + sum.y) + (sum.z + sum.w));
    similarities[number] = select(similarity, -1.0, of_x == 0.0 || of_y == 0.0);
}
