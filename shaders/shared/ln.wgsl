// ln x for positive normal numbers, within 2 ulp: x = 2^n m with m from 1/sqrt 2 to sqrt 2; a polynomial in m - 1.
// Needs: nothing.
// Gives: `ln`.
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
