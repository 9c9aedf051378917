// Multiply-adds from registers and nothing else, to see how many the device can do.
struct Parameters {
    trips: u32,
    factor: f32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    let factor = vec4<f32>(p.factor);
#for i in 0..8
    var sum_${i} = vec4<f32>(f32(local + ${i}u));
#endfor
    for (var trip = 0u; trip < p.trips; trip += 1u) {
#for i in 0..8
        sum_${i} = fma(sum_${i}, factor, factor);
#endfor
    }
    var sum = vec4<f32>(0.0);
#for i in 0..8
    sum += sum_${i};
#endfor
    // Never so, which no compiler knows.
    if sum.x == -1.0 {
        out[0] = sum;
    }
}
