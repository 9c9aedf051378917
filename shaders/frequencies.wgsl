// Standard normals of a seed: Philox4x32-10 with the counter (row, column / 4, 0, row / 2^32), then Box and Muller. An invocation
// makes four of a row. The same numbers as src/cpu/frequencies.rs, to rounding.
#import common
#import philox
#import turns

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

// ln x for x in (0, 1]: x = 2^n m with m from 1/sqrt 2 to sqrt 2; a polynomial in m - 1.
fn ln(x: f32) -> f32 {
    let shifted = bitcast<u32>(x) - 0x3f3504f3u;
    let n = f32(bitcast<i32>(shifted) >> 23u);
    let t = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0;
    var q = fma(7.0376836e-2, t, -1.151461e-1);
    q = fma(q, t, 1.1676999e-1);
    q = fma(q, t, -1.2420141e-1);
    q = fma(q, t, 1.4249323e-1);
    q = fma(q, t, -1.6668058e-1);
    q = fma(q, t, 2.0000715e-1);
    q = fma(q, t, -2.4999994e-1);
    q = fma(q, t, 3.333333e-1);
    let z = t * t;
    let low = fma(n, -2.1219444e-4, fma(t * z, q, -0.5 * z));
    return fma(n, 0.6933594, low + t);
}

fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604645e-8;
}

fn pair(radius: u32, angle: u32) -> vec2<f32> {
    let r = sqrt(max(0.0, -2.0 * ln(unit(radius) + 5.9604645e-8)));
    let at = turns(vec4<f32>(unit(angle)));
    return vec2<f32>(r * at.cos.x, r * at.sin.x);
}

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
    let column4 = at % p.width;
    let words = philox(vec4<u32>(p.first + at / p.width, column4, 0u, p.high), p.seed_low, p.seed_high);
    let value = vec4<f32>(pair(words.x, words.y), pair(words.z, words.w));
    // The padding of a row stays zero.
    let column = 4u * column4;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    out[at] = select(vec4<f32>(0.0), value, inside);
}
