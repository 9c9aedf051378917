// Matrix products, tiles staged through workgroup memory: a workgroup of 16 x 16 invocations owns
// 64 x 64 outputs, an invocation 4 x 4 of them; 16 of the inner dimension are staged at a time. Edges
// are filled with zeros while staging, so the inner loop has no test.
//
// Exactly one of NN, NT, TN says how the operands are stored. L1 sums |a - b| in place of a * b.
#import common
#import store

// [16][64], rows padded by 4 against bank conflicts.
var<workgroup> tile_a: array<f32, 1088>;
var<workgroup> tile_b: array<f32, 1088>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles_n = (p.n + 63u) / 64u;
    let tiles_m = (p.m + 63u) / 64u;
    let number = group_number(group, groups);
    let slice = number / (tiles_n * tiles_m);
    let tile = number % (tiles_n * tiles_m);
    let row0 = (tile / tiles_n) * 64u;
    let column0 = (tile % tiles_n) * 64u;
    let begin = slice * p.slice;
    var end = min(begin + p.slice, p.k);
    // Groups past the end, and groups of settled queries, run no trips: a barrier may not stand
    // behind a return.
    if slice >= p.splits {
        end = begin;
    }
#if ACTIVE
    if p.skip != 0u {
        var moving = 0u;
#for i in 0..8
        moving += active_of_8[min(row0 / 8u + ${i}u, (p.m - 1u) / 8u)];
#endfor
        end = select(end, begin, moving == 0u);
    }
#endif
    let ty = local / 16u;
    let tx = local % 16u;
    // For operands that run along k: 64 rows of 4 vec4s; for those along the outputs: 16 rows of 16.
    let outer = local / 4u;
    let k_of_outer = local % 4u;
#for i in 0..4
    var acc_${i} = vec4<f32>(0.0);
#endfor

    for (var k = begin; k < end; k += 16u) {
#if TN
        {
            let at = k + ty;
            var x = vec4<f32>(0.0);
            if at < end && row0 / 4u + tx < p.a_width {
                x = a[at * p.a_width + row0 / 4u + tx];
            }
#for i in 0..4
            tile_a[ty * 68u + tx * 4u + ${i}u] = x[${i}];
#endfor
        }
#else
        {
            let at = k / 4u + k_of_outer;
            var x = vec4<f32>(0.0);
            if row0 + outer < p.m && at < p.a_width && 4u * at < end {
                x = a[(row0 + outer) * p.a_width + at];
            }
#for i in 0..4
            tile_a[(k_of_outer * 4u + ${i}u) * 68u + outer] = x[${i}];
#endfor
        }
#endif
#if NT
        {
            let at = k / 4u + k_of_outer;
            var y = vec4<f32>(0.0);
            if column0 + outer < p.n && at < p.b_width && 4u * at < end {
                y = load_b((p.b_first + column0 + outer) * p.b_width + at);
            }
#for i in 0..4
            tile_b[(k_of_outer * 4u + ${i}u) * 68u + outer] = y[${i}];
#endfor
        }
#else
        {
            let at = k + ty;
            var y = vec4<f32>(0.0);
            if at < end && column0 / 4u + tx < p.b_width {
                y = load_b((p.b_first + at) * p.b_width + column0 / 4u + tx);
            }
#for i in 0..4
            tile_b[ty * 68u + tx * 4u + ${i}u] = y[${i}];
#endfor
        }
#endif
        workgroupBarrier();
#for s in 0..16
        {
            let at = ${s}u * 68u + tx * 4u;
            let y = vec4<f32>(tile_b[at], tile_b[at + 1u], tile_b[at + 2u], tile_b[at + 3u]);
#for i in 0..4
#if L1
            acc_${i} += abs(vec4<f32>(tile_a[${s}u * 68u + ty * 4u + ${i}u]) - y);
#else
            acc_${i} = fma(vec4<f32>(tile_a[${s}u * 68u + ty * 4u + ${i}u]), y, acc_${i});
#endif
#endfor
        }
#endfor
        workgroupBarrier();
    }

    if end > begin {
#for i in 0..4
        store(slice, row0 + ty * 4u + ${i}u, column0 / 4u + tx, acc_${i});
#endfor
    }
}
