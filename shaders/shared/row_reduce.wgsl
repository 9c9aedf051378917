// How a row is worked on: by one invocation (SERIAL), or by a workgroup of LANES invocations that
// then combine what they found. `lane`, `LANES` and the functions below hide which.
// Needs: `main` of rows_main.
// Gives: `LANES`; `lanes_sum`, `lanes_max` over all lanes; `sum4`, `max4` over a vec4.
#if SERIAL
const LANES: u32 = 1u;
fn lanes_sum(lane: u32, value: f32) -> f32 {
    return value;
}
fn lanes_max(lane: u32, value: f32) -> f32 {
    return value;
}
#else
const LANES: u32 = 64u;
var<workgroup> shared_values: array<f32, 64>;
#if SUBGROUPS
// Set by `main`: nothing is assumed of how many lanes a subgroup has, nor of which they are.
var<private> subgroup: u32;
var<private> subgroups: u32;
// One lane of each subgroup.
var<private> elected: bool;

// Combines one value per lane; every lane gets the result. Called by all lanes together.
fn lanes_sum(lane: u32, value: f32) -> f32 {
    let of_subgroup = subgroupAdd(value);
    workgroupBarrier();
    if elected {
        shared_values[subgroup] = of_subgroup;
    }
    workgroupBarrier();
    var sum = shared_values[0];
    for (var i = 1u; i < subgroups; i += 1u) {
        sum += shared_values[i];
    }
    return sum;
}

fn lanes_max(lane: u32, value: f32) -> f32 {
    let of_subgroup = subgroupMax(value);
    workgroupBarrier();
    if elected {
        shared_values[subgroup] = of_subgroup;
    }
    workgroupBarrier();
    var largest = shared_values[0];
    for (var i = 1u; i < subgroups; i += 1u) {
        largest = max(largest, shared_values[i]);
    }
    return largest;
}
#else

// Combines one value per lane; every lane gets the result. Called by all lanes together.
fn lanes_sum(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    shared_values[lane] = value;
#for s in 0..6
    workgroupBarrier();
    if lane < (32u >> ${s}u) {
        shared_values[lane] += shared_values[lane + (32u >> ${s}u)];
    }
#endfor
    workgroupBarrier();
    return shared_values[0];
}

fn lanes_max(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    shared_values[lane] = value;
#for s in 0..6
    workgroupBarrier();
    if lane < (32u >> ${s}u) {
        shared_values[lane] = max(shared_values[lane], shared_values[lane + (32u >> ${s}u)]);
    }
#endfor
    workgroupBarrier();
    return shared_values[0];
}
#endif
#endif

fn sum4(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}
fn max4(v: vec4<f32>) -> f32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}
