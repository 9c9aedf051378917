// Matrix products, tiles staged through workgroup memory: a workgroup of THREADS invocations owns
// BM x BN outputs, an invocation RM x RN of them; BK of the inner dimension are staged at a time, and
// the next slice is on its way from global memory while this one is worked on. Edges are dealt with
// while staging, so the inner loop has no test.
//
// Exactly one of NN, NT, TN says how the operands are stored. L1 sums |a - b| in place of a * b, SQUARED (a - b)^2 of rows that the
// query's and the pattern's factors have brought to length 1 where such are compared.
#import common
#import store

// [BK][BM] and [BK][BN] in vec4s; rows are longer by one against bank conflicts.
var<workgroup> tile_a: array<vec4<f32>, ${(BM/4+1)*BK}>;
var<workgroup> tile_b: array<vec4<f32>, ${(BN/4+1)*BK}>;

// Puts a vec4 into its tile: as it is where it runs along the outputs, else turned, each value into a row
// of its own.
fn stage_a(to: u32, part: u32, value: vec4<f32>) {
#if TN
    tile_a[to] = value;
#else
#for s in 0..4
    tile_a[to + ${(BM/4+1)*s}u][part] = value[${s}];
#endfor
#endif
}
fn stage_b(to: u32, part: u32, value: vec4<f32>) {
#if NT
#for s in 0..4
    tile_b[to + ${(BN/4+1)*s}u][part] = value[${s}];
#endfor
#else
    tile_b[to] = value;
#endif
}

// One row of one step of the inner dimension.
fn accumulate(x: f32, y: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
#if SQUARED
    let difference = vec4<f32>(x) - y;
    return fma(difference, difference, sum);
#else
#if L1
    return sum + abs(vec4<f32>(x) - y);
#else
    return fma(vec4<f32>(x), y, sum);
#endif
#endif
}

@compute @workgroup_size(${THREADS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles_n = (p.n + ${BN-1}u) / ${BN}u;
    let tiles_m = (p.m + ${BM-1}u) / ${BM}u;
    let number = group_number(group, groups);
    let slice = number / (tiles_n * tiles_m);
    let tile = number % (tiles_n * tiles_m);
    let row0 = (tile / tiles_n) * ${BM}u;
    let column0 = (tile % tiles_n) * ${BN}u;
    let begin = inner_begin(slice);
    let a_row0 = a_first_row(slice);
    let b_row0 = b_first_row(slice);
    var end = min(begin + p.slice, p.k);
    // Groups past the end, and groups of settled queries, run no trips: a barrier may not stand
    // behind a return.
    if slice >= p.splits {
        end = begin;
    }
#if ACTIVE
    if p.skip != 0u {
        var moving = 0u;
#for i in 0..BM/8
        moving += active_of_8[min(row0 / 8u + ${i}u, (p.m - 1u) / 8u)];
#endfor
        end = select(end, begin, moving == 0u);
    }
#endif
    let ty = local / ${BN/RN}u;
    let tx = local % ${BN/RN}u;
#for i in 0..RM
#for j in 0..RN/4
    var acc_${i}_${j} = vec4<f32>(0.0);
#endfor
#endfor

    // Where this invocation's vec4s of a slice come from, and go. Rows and columns past the end are
    // read from the last one: what is made of them is not stored.
#for i in 0..BM*BK/4/THREADS
#if TN
    let a_k_${i} = local / ${BM/4}u + ${THREADS*4/BM*i}u;
    let a_o_${i} = local % ${BM/4}u;
    let a_at_${i} = (a_row0 + local / ${BM/4}u) * p.a_width + min(row0 / 4u + a_o_${i}, p.a_width - 1u);
    let a_more_${i} = ${THREADS*4/BM*i}u * p.a_width;
    let a_to_${i} = a_k_${i} * ${BM/4+1}u + a_o_${i};
    let a_part_${i} = 0u;
#else
    let a_k_${i} = local * ${BM*BK/4/THREADS}u % ${BK/4}u + ${i}u;
    let a_o_${i} = local * ${BM*BK/4/THREADS}u / ${BK/4}u;
    let a_at_${i} = local * ${BM*BK/4/THREADS}u % ${BK/4}u + (a_row0 + min(row0 + a_o_${i}, p.m - 1u)) * p.a_width;
    let a_more_${i} = ${i}u;
    let a_to_${i} = a_k_${i} * ${BM+4}u + a_o_${i} / 4u;
    let a_part_${i} = a_o_${i} % 4u;
#if SQUARED
    let of_a_${i} = queries[min(row0 + a_o_${i}, p.m - 1u)].unit;
#endif
#endif
#endfor
#for i in 0..BN*BK/4/THREADS
#if NT
    let b_k_${i} = local * ${BN*BK/4/THREADS}u % ${BK/4}u + ${i}u;
    let b_o_${i} = local * ${BN*BK/4/THREADS}u / ${BK/4}u;
    let b_at_${i} = local * ${BN*BK/4/THREADS}u % ${BK/4}u + (b_row0 + min(column0 + b_o_${i}, p.n - 1u)) * p.b_width;
    let b_more_${i} = ${i}u;
    let b_to_${i} = b_k_${i} * ${BN+4}u + b_o_${i} / 4u;
    let b_part_${i} = b_o_${i} % 4u;
#if SQUARED
    let of_b_${i} = terms[b_row0 + min(column0 + b_o_${i}, p.n - 1u)].x;
#endif
#else
    let b_k_${i} = local / ${BN/4}u + ${THREADS*4/BN*i}u;
    let b_o_${i} = local % ${BN/4}u;
    let b_at_${i} = (b_row0 + local / ${BN/4}u) * p.b_width + min(column0 / 4u + b_o_${i}, p.b_width - 1u);
    let b_more_${i} = ${THREADS*4/BN*i}u * p.b_width;
    let b_to_${i} = b_k_${i} * ${BN/4+1}u + b_o_${i};
    let b_part_${i} = 0u;
#endif
#endfor

    // Whole slices: a trip fetches the next one (after the last that one again), works on the one that it
    // has, and puts the next into its place. `begin` is a multiple of 4.
    let whole = (end - begin) / ${BK}u;
#if TN
    let a_first = begin * p.a_width;
    let a_step = ${BK}u * p.a_width;
#else
    let a_first = begin / 4u;
    let a_step = ${BK/4}u;
#endif
#if NT
    let b_first = begin / 4u;
    let b_step = ${BK/4}u;
#else
    let b_first = begin * p.b_width;
    let b_step = ${BK}u * p.b_width;
#endif
    let a_last = a_first + (max(whole, 1u) - 1u) * a_step;
    let b_last = b_first + (max(whole, 1u) - 1u) * b_step;
    if whole > 0u {
#for i in 0..BM*BK/4/THREADS
        let a_${i} = a[a_at_${i} + (a_first + a_more_${i})];
#endfor
#for i in 0..BN*BK/4/THREADS
        let b_${i} = load_b(b_at_${i} + (b_first + b_more_${i}));
#endfor
#for r in 1..BN*BK/4/THREADS+1
#if SQUARED
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r} * of_b_${BN*BK/4/THREADS-r});
#else
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r});
#endif
#endfor
#for r in 1..BM*BK/4/THREADS+1
#if SQUARED
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r} * of_a_${BM*BK/4/THREADS-r});
#else
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r});
#endif
#endfor
    }
    workgroupBarrier();
    var b_here = b_first;
    for (var a_here = a_first; a_here < a_first + whole * a_step; a_here += a_step) {
        let a_next = min(a_here + a_step, a_last);
#if NT
#if TN
        b_here += b_step;
        let b_next = min(b_here, b_last);
#else
        let b_next = a_next;
#endif
#else
        b_here += b_step;
        let b_next = min(b_here, b_last);
#endif
#for i in 0..BM*BK/4/THREADS
        let a_${i} = a[a_at_${i} + (a_next + a_more_${i})];
#endfor
#for i in 0..BN*BK/4/THREADS
        let b_${i} = load_b(b_at_${i} + (b_next + b_more_${i}));
#endfor
        // Two steps at a time, and the operand that is read last is used first: one wait for all.
#for t in 0..BK/2
#for s in t*2..t*2+2
#for j in 0..RN/4
        let y_${s}_${j} = tile_b[${(BN/4+1)*s}u + ${j*BN/RN}u + tx];
#endfor
#for g in 0..RM/4
        let x_${s}_${g} = tile_a[${(BM/4+1)*s}u + ${g*BM/RM}u + ty];
#endfor
#endfor
#for s in 0..2
#for r in 1..RM+1
#for j in 0..RN/4
        acc_${RM-r}_${j} = accumulate(x_${t*2+1-s}_${(RM-r)/4}[${(RM-r)%4}], y_${t*2+1-s}_${j}, acc_${RM-r}_${j});
#endfor
#endfor
#endfor
#endfor
        workgroupBarrier();
#for r in 1..BN*BK/4/THREADS+1
#if SQUARED
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r} * of_b_${BN*BK/4/THREADS-r});
#else
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r});
#endif
#endfor
#for r in 1..BM*BK/4/THREADS+1
#if SQUARED
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r} * of_a_${BM*BK/4/THREADS-r});
#else
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r});
#endif
#endfor
        workgroupBarrier();
    }

    // What is left of the inner dimension: past its end both operands count as zero.
    let done = begin + whole * ${BK}u;
    if done < end {
#for i in 0..BM*BK/4/THREADS
#if TN
        let at_a_${i} = done + a_k_${i};
        let a_${i} = select(vec4<f32>(0.0), a[a_at_${i} + (min(at_a_${i}, p.k - 1u) - local / ${BM/4}u) * p.a_width], at_a_${i} < end);
#else
        let at_a_${i} = done / 4u + a_k_${i};
        let a_${i} = select(vec4<f32>(0.0), a[a_at_${i} + min(at_a_${i}, p.a_width - 1u) - (a_k_${i} - ${i}u)], 4u * at_a_${i} < end);
#endif
#endfor
#for i in 0..BN*BK/4/THREADS
#if NT
        let at_b_${i} = done / 4u + b_k_${i};
        let b_${i} = select(vec4<f32>(0.0), load_b(b_at_${i} + min(at_b_${i}, p.b_width - 1u) - (b_k_${i} - ${i}u)), 4u * at_b_${i} < end);
#else
        let at_b_${i} = done + b_k_${i};
        let b_${i} = select(vec4<f32>(0.0), load_b(b_at_${i} + (min(at_b_${i}, p.k - 1u) - local / ${BN/4}u) * p.b_width), at_b_${i} < end);
#endif
#endfor
#for r in 1..BN*BK/4/THREADS+1
#if SQUARED
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r} * of_b_${BN*BK/4/THREADS-r});
#else
        stage_b(b_to_${BN*BK/4/THREADS-r}, b_part_${BN*BK/4/THREADS-r}, b_${BN*BK/4/THREADS-r});
#endif
#endfor
#for r in 1..BM*BK/4/THREADS+1
#if SQUARED
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r} * of_a_${BM*BK/4/THREADS-r});
#else
        stage_a(a_to_${BM*BK/4/THREADS-r}, a_part_${BM*BK/4/THREADS-r}, a_${BM*BK/4/THREADS-r});
#endif
#endfor
    }
    workgroupBarrier();
    for (var s = 0u; s < (end - done + 3u) / 4u * 4u; s += 1u) {
#for g in 0..RM/4
        let x_${g} = tile_a[s * ${BM/4+1}u + ${g*BM/RM}u + ty];
#endfor
#for j in 0..RN/4
        let y_${j} = tile_b[s * ${BN/4+1}u + ${j*BN/RN}u + tx];
#endfor
#for i in 0..RM
#for j in 0..RN/4
        acc_${i}_${j} = accumulate(x_${i/4}[${i%4}], y_${j}, acc_${i}_${j});
#endfor
#endfor
    }

    if end > begin {
#for j in 0..RN/4
        let columns_${j} = of_columns(column0 / 4u + ${j*BN/RN}u + tx);
#endfor
#for i in 0..RM
        {
            let row = row0 + ${i/4*BM/RM*4}u + ty * 4u + ${i%4}u;
            let needs = of_row(row);
#for j in 0..RN/4
            store(slice, row, column0 / 4u + ${j*BN/RN}u + tx, acc_${i}_${j}, needs, columns_${j});
#endfor
        }
#endfor
    }
}
