// How kernels begin that have an invocation for each vec4 of a matrix.
// Needs: `p.rows`, `p.width`.
// Gives: the first lines of `main`, which the kernel goes on with and closes: `at`, the place of the vec4.
#import common

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = group_number(group, groups) * 64u + local;
    if at >= p.rows * p.width {
        return;
    }
