// How kernels begin that go over tiles of left and right rows: a workgroup of 16 x TX invocations owns BQ left rows and a slice of
// the right rows, which it takes BP at a time.
// Needs: tile_parameters in `p`; BQ, TX, TILE.
// Gives: the first lines of `main`, which the kernel goes on with and closes: `local`, `split`, `row0` (first of the left
// rows), `begin` (first of the right rows), `ty`, `tx`.
#import common
#import tile

@compute @workgroup_size(${TX*16})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles = (p.rows + ${BQ-1}u) / ${BQ}u;
    let number = group_number(group, groups);
    let split = number / tiles;
    let row0 = (number % tiles) * ${BQ}u;
    let begin = p.first + split * p.slice;
    // Left rows of this invocation: 4 ty.. of each 64; right rows and columns: 4 tx.. of each 4 TX.
    let ty = local / ${TX}u;
    let tx = local % ${TX}u;
