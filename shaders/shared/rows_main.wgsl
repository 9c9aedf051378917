// Calls work(row, lane, live) for each row; SETTLING kernels leave settled queries out if `skip` says so.
// Needs: `fn work(row: u32, lane: u32, live: bool)`, `p.rows`; SETTLING: `p.skip`, `queries`.
// Gives: `main`.
#import common
#import row_reduce
#if SERIAL
// Small workgroups, so that few rows still go to several cores.
@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group_number(group, groups) * 8u + local;
    if row < p.rows {
#if SETTLING
        work(row, 0u, p.skip == 0u || queries[row].settled == 0u);
#else
        work(row, 0u, true);
#endif
    }
}
#else
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
#if SUBGROUPS
    @builtin(subgroup_id) subgroup_number: u32,
    @builtin(num_subgroups) subgroup_count: u32,
#endif
) {
#if SUBGROUPS
    subgroup = subgroup_number;
    subgroups = subgroup_count;
    elected = local == subgroupMin(local);
#endif
    let number = group_number(group, groups);
    let row = min(number, p.rows - 1u);
#if SETTLING
    work(row, local, number < p.rows && (p.skip == 0u || queries[row].settled == 0u));
#else
    work(row, local, number < p.rows);
#endif
}
#endif
