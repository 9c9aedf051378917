// The right operand's vec4 at an index: four f32, or (F16) four f16, as such where the adapter knows them,
// else in two words.
// Needs: nothing.
// Gives: `load_b`; binding 2.
#if F16
#if NATIVE_F16
@group(0) @binding(2) var<storage, read> b: array<vec4<f16>>;
fn load_b(at: u32) -> vec4<f32> {
    return vec4<f32>(b[at]);
}
#else
@group(0) @binding(2) var<storage, read> b: array<vec2<u32>>;
fn load_b(at: u32) -> vec4<f32> {
    let word = b[at];
    return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y));
}
#endif
#else
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
fn load_b(at: u32) -> vec4<f32> {
    return b[at];
}
#endif
