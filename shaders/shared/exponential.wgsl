// e^x, 0 below -87 and infinite above 88: WGSL's own loses digits as |x| grows. x = n ln 2 + r.
// Needs: nothing.
// Gives: `exponential`.
#import numbers
fn exponential(x: vec4<f32>) -> vec4<f32> {
    let v = clamp(x, vec4<f32>(-87.0), vec4<f32>(88.0));
    let n = round(1.442695 * v);
    let r = fma(n, vec4<f32>(2.1219444e-4), fma(n, vec4<f32>(-0.6933594), v));
    var q = fma(vec4<f32>(1.9875691e-4), r, vec4<f32>(1.3981999e-3));
    q = fma(q, r, vec4<f32>(8.333452e-3));
    q = fma(q, r, vec4<f32>(4.1665796e-2));
    q = fma(q, r, vec4<f32>(1.6666666e-1));
    q = fma(q, r, vec4<f32>(0.5));
    let e = fma(q, r * r, r) + 1.0;
    // n is from -126 to 127, so that 2^n is a normal number.
    let power = bitcast<vec4<f32>>((vec4<i32>(n) + 127) << vec4<u32>(23u));
    // e^88 once more, which leaves f32.
    let beyond = select(vec4<f32>(1.0), vec4<f32>(1.6516363e38), x > vec4<f32>(88.0));
    let value = select(e * power * beyond, vec4<f32>(0.0), x <= vec4<f32>(-87.0));
    return select(value, x, is_nan(x));
}
