// One pass of the softmax step for NQ queries: a stream through the patterns, bound by memory. A
// workgroup owns a slice of the patterns; LANES_OF_ROW invocations share a row, each with UNITS 16-byte
// loads of it, and keep their part of the queries and of the weighted sums in registers. ROWS rows are
// on their way at a time. Each row group keeps a running maximum and sums of its own; `merge` combines
// them.
#import common
#import query

struct Parameters {
    rows: u32,
    // Patterns from `first` to before `last`; vec4s per query, 16-byte units per pattern.
    first: u32,
    last: u32,
    width: u32,
    units: u32,
    splits: u32,
    // Patterns per split.
    slice: u32,
    skip: u32,
    cosine: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
#if F16
@group(0) @binding(2) var<storage, read> patterns: array<vec4<u32>>;
#else
@group(0) @binding(2) var<storage, read> patterns: array<vec4<f32>>;
#endif
// Per part and query: weighted sums.
@group(0) @binding(3) var<storage, read_write> slices: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> queries: array<Query>;
@group(0) @binding(5) var<storage, read> terms: array<vec2<f32>>;
// Per part and query: m, l, le.
@group(0) @binding(6) var<storage, read_write> carries: array<vec4<f32>>;

var<workgroup> partial: array<f32, ${ROWS*NQ*64}>;
#if WHOLE_SUBGROUPS
#else
var<workgroup> products: array<f32, ${ROWS*NQ*64/LANES_OF_ROW}>;
#endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
#if WHOLE_SUBGROUPS
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
#endif
) {
#if WHOLE_SUBGROUPS
    // One lane of each subgroup.
    let elected = local == subgroupMin(local);
#endif
    let tiles = (p.rows + ${NQ-1}u) / ${NQ}u;
    let number = group_number(group, groups);
    let split = number / tiles;
    let query0 = (number % tiles) * ${NQ}u;
    let begin = p.first + split * p.slice;
    var end = min(begin + p.slice, p.last);
    // Groups past the end, and groups of settled queries, run no trips: a barrier may not stand
    // behind a return.
    if split >= p.splits {
        end = begin;
    }
#for n in 0..NQ
    let query_${n} = min(query0 + ${n}u, p.rows - 1u);
#endfor
    if p.skip != 0u {
        var settled = 1u;
#for n in 0..NQ
        settled &= queries[query_${n}].settled;
#endfor
        end = select(end, begin, settled != 0u);
    }
    let lane = local % ${LANES_OF_ROW}u;
    let row_group = local / ${LANES_OF_ROW}u;
#for u in 0..UNITS
    let unit_${u} = min(lane + ${u*LANES_OF_ROW}u, p.units - 1u);
#for v in 0..VEC4S
    let column_${u}_${v} = (lane + ${u*LANES_OF_ROW}u) * ${VEC4S}u + ${v}u;
#endfor
#endfor
#for n in 0..NQ
    let scale_${n} = queries[query_${n}].scale;
    var m_${n} = MASKED;
    var l_${n} = 0.0;
    var le_${n} = 0.0;
#for u in 0..UNITS
#for v in 0..VEC4S
    let q_${n}_${u}_${v} = select(vec4<f32>(0.0), states[query_${n} * p.width + min(column_${u}_${v}, p.width - 1u)], column_${u}_${v} < p.width);
    var o_${n}_${u}_${v} = vec4<f32>(0.0);
#endfor
#endfor
#endfor

    for (var block = begin; block < end; block += ${64/LANES_OF_ROW*ROWS}u) {
        let row0 = block + row_group * ${ROWS}u;
#for r in 0..ROWS
        let row_${r} = min(row0 + ${r}u, p.last - 1u);
        let term_${r} = terms[row_${r}];
#for u in 0..UNITS
        let x_${r}_${u} = patterns[row_${r} * p.units + unit_${u}];
#if F16
#for v in 0..2
        let x_${r}_${u}_${v} = vec4<f32>(unpack2x16float(x_${r}_${u}[${v*2}]), unpack2x16float(x_${r}_${u}[${v*2+1}]));
#endfor
#else
        let x_${r}_${u}_0 = x_${r}_${u};
#endif
#endfor
#endfor
        // Products with the queries: of this invocation, then of all that share the row.
#for r in 0..ROWS
#for n in 0..NQ
        {
            var sum = vec4<f32>(0.0);
#for u in 0..UNITS
#for v in 0..VEC4S
            sum = fma(x_${r}_${u}_${v}, q_${n}_${u}_${v}, sum);
#endfor
#endfor
            let of_lane = (sum.x + sum.y) + (sum.z + sum.w);
#if WHOLE_SUBGROUPS
            let of_subgroup = subgroupAdd(of_lane);
            if elected {
                partial[${(r*NQ+n)*64}u + subgroup] = of_subgroup;
            }
#else
            partial[${(r*NQ+n)*64}u + local] = of_lane;
#endif
        }
#endfor
#endfor
        workgroupBarrier();
#if WHOLE_SUBGROUPS
#for r in 0..ROWS
#for n in 0..NQ
        var s_${r}_${n} = 0.0;
#endfor
#endfor
        for (var i = 0u; i < subgroups; i += 1u) {
#for r in 0..ROWS
#for n in 0..NQ
            s_${r}_${n} += partial[${(r*NQ+n)*64}u + i];
#endfor
#endfor
        }
        workgroupBarrier();
#else
        if lane < ${ROWS*NQ}u {
            var sum = vec4<f32>(0.0);
            let at = lane * 64u + row_group * ${LANES_OF_ROW}u;
#for i in 0..LANES_OF_ROW/4
            sum += vec4<f32>(partial[at + ${i*4}u], partial[at + ${i*4+1}u], partial[at + ${i*4+2}u], partial[at + ${i*4+3}u]);
#endfor
            products[row_group * ${ROWS*NQ}u + lane] = (sum.x + sum.y) + (sum.z + sum.w);
        }
        workgroupBarrier();
#for r in 0..ROWS
#for n in 0..NQ
        let s_${r}_${n} = products[row_group * ${ROWS*NQ}u + ${r*NQ+n}u];
#endfor
#endfor
#endif
        // Scores, weights, and what comes of them.
#for n in 0..NQ
        {
            var top = m_${n};
#for r in 0..ROWS
            let hidden_${r} = row0 + ${r}u >= end || (term_${r}.x == 0.0 && term_${r}.y < 0.5 * MASKED);
            let score_${r} = select(scale_${n} * (s_${r}_${n} * term_${r}.x + term_${r}.y), MASKED, hidden_${r});
            top = max(top, score_${r});
#endfor
            let gap = max(m_${n} - top, -104.0);
            let shrink = select(exp(gap), 0.0, gap < -87.0);
            m_${n} = top;
            l_${n} *= shrink;
            le_${n} *= shrink;
#for r in 0..ROWS
            let z_${r} = max(score_${r} - top, -104.0);
            let w_${r} = select(exp(z_${r}), 0.0, z_${r} < -87.0 || hidden_${r});
            l_${n} += w_${r};
            le_${n} += select(0.0, w_${r} / term_${r}.x, p.cosine != 0u && term_${r}.x > 0.0);
#endfor
#for u in 0..UNITS
#for v in 0..VEC4S
            o_${n}_${u}_${v} *= shrink;
#for r in 0..ROWS
            o_${n}_${u}_${v} = fma(vec4<f32>(w_${r}), x_${r}_${u}_${v}, o_${n}_${u}_${v});
#endfor
#endfor
#endfor
        }
#endfor
    }

    if end > begin {
        let part = split * ${64/LANES_OF_ROW}u + row_group;
#for n in 0..NQ
        if query0 + ${n}u < p.rows {
            let row = part * p.rows + query_${n};
#for u in 0..UNITS
#for v in 0..VEC4S
            if column_${u}_${v} < p.width {
                slices[row * p.width + column_${u}_${v}] = o_${n}_${u}_${v};
            }
#endfor
#endfor
            if lane == 0u {
                let le = select(l_${n}, le_${n}, p.cosine != 0u);
                carries[row] = vec4<f32>(m_${n}, l_${n}, le, 0.0);
            }
        }
#endfor
    }
}
