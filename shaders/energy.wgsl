// Energies of one step from what `finish` kept of it.
#import common

struct Parameters {
    rows: u32,
    beta: f32,
    // Whether 1/2 |x|^2 belongs to the energy.
    quadratic: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> kept: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> energies: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = group_number(group, groups) * 64u + local;
    if 4u * at >= p.rows {
        return;
    }
    var e = vec4<f32>(0.0);
#for i in 0..4
    if 4u * at + ${i}u < p.rows {
        let k = kept[4u * at + ${i}u];
        e[${i}] = select(0.0, 0.5 * k.z, p.quadratic != 0u) - (k.x + log(k.y)) / p.beta;
    }
#endfor
    energies[at] = e;
}
