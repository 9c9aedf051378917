// Matrix products, register tiles straight from global memory: an invocation owns ROWS x 8 outputs.
// No workgroup memory and no barrier, which suits software adapters and tiny shapes.
//
// Software adapters load for each invocation by itself, and that is what they are slow at. So where a
// subgroup is known to have eight invocations (OCTETS), they own eight tiles side by side, and each loads
// one of the eight rows that all of them need.
//
// Exactly one of NN, NT, TN says how the operands are stored. L1 sums |a - b| in place of a * b, SQUARED (a - b)^2 of rows that the
// query's and the pattern's factors have brought to length 1 where such are compared.
#import common
#import store

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
#if OCTETS
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
#endif
) {
#if OCTETS
    // Tiles past the last column belong to invocations that only help to load.
    let tiles_n = (p.n + 63u) / 64u * 8u;
    let number = group_number(group, groups) * 64u + subgroup * 8u + lane;
#else
    let tiles_n = (p.n + 7u) / 8u;
    let number = group_number(group, groups) * 64u + local;
#endif
    let tiles_m = (p.m + ${ROWS}u - 1u) / ${ROWS}u;
    if number >= tiles_n * tiles_m * p.splits {
        return;
    }
    let slice = number / (tiles_n * tiles_m);
    let tile = number % (tiles_n * tiles_m);
    let row = (tile / tiles_n) * ${ROWS}u;
    let column4 = (tile % tiles_n) * 2u;
#if ACTIVE
    if p.skip != 0u && active_of_8[row / 8u] == 0u {
        return;
    }
#endif
    let begin = inner_begin(slice);
    let end = min(begin + p.slice, p.k);
    let a_row0 = a_first_row(slice);
    let b_row0 = b_first_row(slice);
#for i in 0..ROWS
    var acc_${i}_0 = vec4<f32>(0.0);
    var acc_${i}_1 = vec4<f32>(0.0);
#if TN
    let row_${i} = min(row + ${i}u, p.m - 1u);
#else
    let row_${i} = a_row0 + min(row + ${i}u, p.m - 1u);
#endif
#endfor
#if OCTETS
#if TN
    let own_row = min(row + lane, p.m - 1u);
#else
    let own_row = a_row0 + min(row + lane, p.m - 1u);
#endif
#endif

#if NT
    // Rows of both operands run along k; their padding is zero.
#for j in 0..8
    let b_${j} = (b_row0 + min(4u * column4 + ${j}u, p.n - 1u)) * p.b_width;
#if SQUARED
    let of_b_${j} = terms[b_row0 + min(4u * column4 + ${j}u, p.n - 1u)].x;
#endif
#endfor
#if SQUARED
#if OCTETS
    let of_x_own = queries[own_row].unit;
#else
#for i in 0..ROWS
    let of_x_${i} = queries[row_${i}].unit;
#endfor
#endif
#endif
    for (var k4 = begin / 4u; k4 < (end + 3u) / 4u; k4 += 1u) {
#for j in 0..8
#if SQUARED
        let y_${j} = load_b(b_${j} + k4) * of_b_${j};
#else
        let y_${j} = load_b(b_${j} + k4);
#endif
#endfor
#if OCTETS
#if SQUARED
        let x_own = a[own_row * p.a_width + k4] * of_x_own;
#else
        let x_own = a[own_row * p.a_width + k4];
#endif
#endif
#for i in 0..ROWS
#if OCTETS
        let x_${i} = subgroupBroadcast(x_own, ${i}u);
#else
#if SQUARED
        let x_${i} = a[row_${i} * p.a_width + k4] * of_x_${i};
#else
        let x_${i} = a[row_${i} * p.a_width + k4];
#endif
#endif
#if SQUARED
        acc_${i}_0 += vec4<f32>(squared(x_${i} - y_0), squared(x_${i} - y_1), squared(x_${i} - y_2), squared(x_${i} - y_3));
        acc_${i}_1 += vec4<f32>(squared(x_${i} - y_4), squared(x_${i} - y_5), squared(x_${i} - y_6), squared(x_${i} - y_7));
#else
#if L1
        acc_${i}_0 += vec4<f32>(l1(x_${i} - y_0), l1(x_${i} - y_1), l1(x_${i} - y_2), l1(x_${i} - y_3));
        acc_${i}_1 += vec4<f32>(l1(x_${i} - y_4), l1(x_${i} - y_5), l1(x_${i} - y_6), l1(x_${i} - y_7));
#else
        acc_${i}_0 += vec4<f32>(dot(x_${i}, y_0), dot(x_${i}, y_1), dot(x_${i}, y_2), dot(x_${i}, y_3));
        acc_${i}_1 += vec4<f32>(dot(x_${i}, y_4), dot(x_${i}, y_5), dot(x_${i}, y_6), dot(x_${i}, y_7));
#endif
#endif
#endfor
    }
#endif

#if NN
    // A runs along k, B along n. Rows of B past the end are not read: A's padding would make them
    // count nothing, but 0 * NaN is NaN.
    let last4 = p.b_width - 1u;
    for (var k = begin; k < end; k += 4u) {
#if OCTETS
        let x_own = a[own_row * p.a_width + k / 4u];
#endif
#for i in 0..ROWS
#if OCTETS
        let x_${i} = subgroupBroadcast(x_own, ${i}u);
#else
        let x_${i} = a[row_${i} * p.a_width + k / 4u];
#endif
#endfor
#for s in 0..4
        {
            let inside = k + ${s}u < end;
            let at = (b_row0 + min(k + ${s}u, p.k - 1u)) * p.b_width;
            let y_0 = select(vec4<f32>(0.0), load_b(at + min(column4, last4)), inside);
            let y_1 = select(vec4<f32>(0.0), load_b(at + min(column4 + 1u, last4)), inside);
#for i in 0..ROWS
            acc_${i}_0 = fma(vec4<f32>(x_${i}[${s}]), y_0, acc_${i}_0);
            acc_${i}_1 = fma(vec4<f32>(x_${i}[${s}]), y_1, acc_${i}_1);
#endfor
        }
#endfor
    }
#endif

#if TN
    // Both operands run along their outputs.
    let last4 = p.b_width - 1u;
    for (var k = begin; k < end; k += 1u) {
        let at = (b_row0 + k) * p.b_width;
        let y_0 = load_b(at + min(column4, last4));
        let y_1 = load_b(at + min(column4 + 1u, last4));
#if OCTETS
        let x_own = a[(a_row0 + k) * p.a_width + own_row / 4u][own_row % 4u];
#endif
#for i in 0..ROWS
#if OCTETS
        let x_${i} = subgroupBroadcast(x_own, ${i}u);
#else
        let x_${i} = a[(a_row0 + k) * p.a_width + row_${i} / 4u][row_${i} % 4u];
#endif
        acc_${i}_0 = fma(vec4<f32>(x_${i}), y_0, acc_${i}_0);
        acc_${i}_1 = fma(vec4<f32>(x_${i}), y_1, acc_${i}_1);
#endfor
    }
#endif

    let columns_0 = of_columns(column4);
    let columns_1 = of_columns(column4 + 1u);
#for i in 0..ROWS
    let of_row_${i} = of_row(row + ${i}u);
#endfor
#for i in 0..ROWS
    store(slice, row + ${i}u, column4, acc_${i}_0, of_row_${i}, columns_0);
    store(slice, row + ${i}u, column4 + 1u, acc_${i}_1, of_row_${i}, columns_1);
#endfor
}

#if SQUARED
fn squared(v: vec4<f32>) -> f32 {
    return dot(v, v);
}
#endif
#if L1
fn l1(v: vec4<f32>) -> f32 {
    let w = abs(v);
    return (w.x + w.y) + (w.z + w.w);
}
#endif
