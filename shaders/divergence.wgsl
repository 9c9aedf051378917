// Divergences of the rows of `queries` and `patterns`, an invocation for 4 x 4 pairs straight from global memory:
// logarithms are what costs. Exactly one of KL, REVERSE_KL, JS says which; see src/ops/divergence.rs.
#import common
#import numbers

struct Parameters {
    b: u32,
    n: u32,
    // Row lengths of the operands and of the result in vec4s.
    width: u32,
    out_width: u32,
    // Which vec4s of a row; what the ones before them gave is in the result.
    begin: u32,
    end: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> patterns: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

// Sum of a log(a / b) over four columns. ZERO of the host; where a is 0 so is the term, padding included, since the
// logarithm is finite.
fn terms(a: vec4<f32>, b: vec4<f32>) -> f32 {
    let ratio = a / max(b, vec4<f32>(1e-30));
    // A ratio beyond f32 must not pass for its logarithm.
    let known = is_finite(ratio) & is_finite(b);
    return dot(a, select(vec4<f32>(nan(p.b)), log(max(ratio, vec4<f32>(1.2e-38))), known));
}

// How many of four columns make a sum of a log(a / b) infinite.
fn infinities(a: vec4<f32>, b: vec4<f32>) -> f32 {
    let meets = (a >= vec4<f32>(1.17549435e-38)) & (b <= vec4<f32>(1e-30));
    return dot(vec4<f32>(1.0), select(vec4<f32>(0.0), vec4<f32>(1.0), meets));
}

fn infinite(q: vec4<f32>, p: vec4<f32>) -> f32 {
#if KL
    return infinities(q, p);
#endif
#if REVERSE_KL
    return infinities(p, q);
#endif
#if JS
    return 0.0;
#endif
}

fn divergence(q: vec4<f32>, p: vec4<f32>) -> f32 {
#if KL
    return terms(q, p);
#endif
#if REVERSE_KL
    return terms(p, q);
#endif
#if JS
    let m = 0.5 * (q + p);
    return 0.5 * (terms(q, m) + terms(p, m));
#endif
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles_n = (p.n + 3u) / 4u;
    let tile = group_number(group, groups) * 64u + local;
    let row = tile / tiles_n * 4u;
    let column = tile % tiles_n * 4u;
    if row >= p.b {
        return;
    }
    // Rows past the end are read from the last one: what is made of them is not stored.
#for i in 0..4
    let q_at_${i} = min(row + ${i}u, p.b - 1u) * p.width;
    let p_at_${i} = min(column + ${i}u, p.n - 1u) * p.width;
    var sum_${i} = vec4<f32>(0.0);
    var infinite_${i} = vec4<f32>(0.0);
#endfor
    // Sums of block sums, so that rounding errors stay small in long rows.
    for (var block = p.begin; block < p.end; block += 64u) {
#for i in 0..4
        var part_${i} = vec4<f32>(0.0);
#endfor
        for (var k = block; k < min(block + 64u, p.end); k += 1u) {
#for j in 0..4
            let p_${j} = patterns[p_at_${j} + k];
#endfor
#for i in 0..4
            let q_${i} = queries[q_at_${i} + k];
            part_${i} += vec4<f32>(
                divergence(q_${i}, p_0),
                divergence(q_${i}, p_1),
                divergence(q_${i}, p_2),
                divergence(q_${i}, p_3),
            );
            infinite_${i} += vec4<f32>(infinite(q_${i}, p_0), infinite(q_${i}, p_1), infinite(q_${i}, p_2), infinite(q_${i}, p_3));
#endfor
        }
#for i in 0..4
        sum_${i} += part_${i};
#endfor
    }
    // The padding of a row stays zero.
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.n);
#for i in 0..4
    if row + ${i}u < p.b {
        let at = (row + ${i}u) * p.out_width + column / 4u;
        let before = select(out[at], vec4<f32>(0.0), p.begin == 0u);
        // INFINITE of the host, once for all parts of a row.
        let more = (infinite_${i} > vec4<f32>(0.0)) & (before < vec4<f32>(128.0));
        let all = before + sum_${i} + select(vec4<f32>(0.0), vec4<f32>(128.0), more);
        out[at] = select(vec4<f32>(0.0), all, inside);
    }
#endfor
}
