// What is no number, by bits: compilers may assume that NaN and infinities do not occur, and fold a comparison with
// them away.
// Needs: nothing.
// Gives: `is_nan`, `spoils`, `is_finite`, `nan`.
fn is_nan(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// NaN or plus infinity: no weight can be made of these. Minus infinity weighs nothing.
fn spoils(v: vec4<f32>) -> vec4<bool> {
    let bits = bitcast<vec4<u32>>(v);
    let large = (bits & vec4<u32>(0x7fffffffu)) >= vec4<u32>(0x7f800000u);
    return large & (bits != vec4<u32>(0xff800000u));
}

fn is_finite(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
}

// A NaN, made of some number that no compiler knows: as a constant it would be refused.
fn nan(size: u32) -> f32 {
    return bitcast<f32>(size | 0x7fc00000u);
}
