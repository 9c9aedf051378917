// Four standard normals of a seed: Philox with the counter (row, column / 4, 0, row / 2^32), then Box and Muller. The same
// numbers as src/cpu/frequencies.rs, to rounding.
// Needs: `p.seed_low`, `p.seed_high`, `p.high`, `p.columns`.
// Gives: `normals`.
#import philox
#import turns
#import ln

fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604645e-8;
}

fn pair(radius: u32, angle: u32) -> vec2<f32> {
    let r = sqrt(max(0.0, -2.0 * ln(unit(radius) + 5.9604645e-8)));
    let at = turns(vec4<f32>(unit(angle)));
    return vec2<f32>(r * at.cos.x, r * at.sin.x);
}

fn normals(row: u32, column4: u32) -> vec4<f32> {
    let words = philox(vec4<u32>(row, column4, 0u, p.high), p.seed_low, p.seed_high);
    let value = vec4<f32>(pair(words.x, words.y), pair(words.z, words.w));
    // The padding of a row is zero.
    let column = 4u * column4;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    return select(vec4<f32>(0.0), value, inside);
}
