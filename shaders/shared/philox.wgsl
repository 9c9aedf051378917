// Philox4x32-10: four random words of a counter and a key (J. Salmon et al., SC 2011).
// Needs: nothing.
// Gives: `philox`.

// The upper 32 bits of a product, by halves.
fn upper(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

fn philox(counter: vec4<u32>, key_low: u32, key_high: u32) -> vec4<u32> {
    var a = counter.x;
    var b = counter.y;
    var c = counter.z;
    var d = counter.w;
    var low = key_low;
    var high = key_high;
    for (var round = 0u; round < 10u; round++) {
        let x = upper(0xd2511f53u, a);
        let y = upper(0xcd9e8d57u, c);
        let next_b = 0xcd9e8d57u * c;
        let next_d = 0xd2511f53u * a;
        a = y ^ b ^ low;
        c = x ^ d ^ high;
        b = next_b;
        d = next_d;
        low += 0x9e3779b9u;
        high += 0xbb67ae85u;
    }
    return vec4<u32>(a, b, c, d);
}
