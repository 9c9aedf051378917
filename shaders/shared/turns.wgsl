// Sine and cosine of angles in turns (1 is 2 pi). WGSL's own are exact to 2^-11 only. Quarter turns are taken off exactly,
// the rest goes into polynomials; see sin_cos_turns in src/simd/math.rs.
// Needs: nothing.
// Gives: `turns`, `struct Turned`.
struct Turned {
    sin: vec4<f32>,
    cos: vec4<f32>,
}

fn turns(x: vec4<f32>) -> Turned {
    let quarters = round(4.0 * x);
    let t = 6.2831855 * (x - 0.25 * quarters);
    let z = t * t;
    let s = fma(fma(fma(vec4<f32>(-1.9515296e-4), z, vec4<f32>(8.332161e-3)), z, vec4<f32>(-1.6666655e-1)) * z, t, t);
    let c = fma(
        fma(fma(vec4<f32>(2.4433157e-5), z, vec4<f32>(-1.3887316e-3)), z, vec4<f32>(4.1666646e-2)),
        z * z,
        fma(vec4<f32>(-0.5), z, vec4<f32>(1.0)),
    );
    let q = vec4<i32>(quarters) & vec4<i32>(3);
    let odd = (q & vec4<i32>(1)) == vec4<i32>(1);
    let a = select(s, c, odd);
    let b = select(c, s, odd);
    return Turned(
        select(a, -a, q >= vec4<i32>(2)),
        select(b, -b, ((q + vec4<i32>(1)) & vec4<i32>(2)) == vec4<i32>(2)),
    );
}
