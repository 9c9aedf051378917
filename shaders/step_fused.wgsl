// One pass of the softmax step over some patterns: scores, running maximum and sums, weighted sums,
// with nothing but the result written. A workgroup of 16 x TX invocations owns BQ queries and a slice of
// the patterns, which it takes BP at a time: their scores as a register tile, weights in place, then the
// weighted sums as a second register tile. Right where rows have at most D columns and scores need no
// lengths (all but cosine).
//
// Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (the same with the weighted sum).
#import common
#import query

struct Parameters {
    // Left rows are queries, right rows patterns.
#import tile_parameters
    skip: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
fn load_a(at: u32) -> vec4<f32> {
    return states[at];
}
#import load_b
// Per split and query: weighted sums.
@group(0) @binding(3) var<storage, read_write> slices: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> active_of_8: array<u32>;
@group(0) @binding(5) var<storage, read> queries: array<Query>;
@group(0) @binding(6) var<storage, read> terms: array<vec2<f32>>;
// Per split and query: m, l.
@group(0) @binding(7) var<storage, read_write> carries: array<vec4<f32>>;

#import tile
// Per query: the factor on its scores, the largest score so far, the factor on what was summed before,
// the sum of weights.
var<workgroup> scale: array<vec4<f32>, ${BQ/4}>;
var<workgroup> largest: array<vec4<f32>, ${BQ/4}>;
var<workgroup> shrink: array<vec4<f32>, ${BQ/4}>;
var<workgroup> total: array<vec4<f32>, ${BQ/4}>;
var<workgroup> any_weight: atomic<u32>;

#import tile_head
    var end = min(begin + p.slice, p.last);
    // Groups past the end, and groups of settled queries, run no trips: a barrier may not stand
    // behind a return.
    if split >= p.splits {
        end = begin;
    }
    if p.skip != 0u {
        var moving = 0u;
#for i in 0..BQ/8
        moving += active_of_8[min(row0 / 8u + ${i}u, (p.rows - 1u) / 8u)];
#endfor
        end = select(end, begin, moving == 0u);
    }
    if local < ${BQ/4}u {
        var of_queries = vec4<f32>(0.0);
#for i in 0..4
        of_queries[${i}] = queries[min(row0 + 4u * local + ${i}u, p.rows - 1u)].scale;
#endfor
        scale[local] = of_queries;
        largest[local] = vec4<f32>(MASKED);
        total[local] = vec4<f32>(0.0);
    }
#for i in 0..BQ/16
#for j in 0..D/TX/4
    var o_${i}_${j} = vec4<f32>(0.0);
#endfor
#endfor

    for (var block = begin; block < end; block += ${BP}u) {
#import tile_scores

        // Scores proper, and the largest of each query among this invocation's patterns.
#for h in 0..BQ/64
        let scale_${h} = scale[${h*16}u + ty];
        var top_${h} = vec4<f32>(MASKED);
#endfor
#for q in 0..BP/TX
        {
            let at = block + ${q/4*TX*4}u + 4u * tx + ${q%4}u;
            let term = terms[min(at, p.last - 1u)];
            let hidden = at >= end || (term.x == 0.0 && term.y < 0.5 * MASKED);
#for h in 0..BQ/64
            s_${q}_${h} = select(scale_${h} * (s_${q}_${h} * term.x + term.y), vec4<f32>(MASKED), hidden);
            top_${h} = max(top_${h}, s_${q}_${h});
#endfor
        }
#endfor
        workgroupBarrier();
#for h in 0..BQ/64
        tile[tx * ${BQ/4}u + ${h*16}u + ty] = top_${h};
#endfor
        if local == 0u {
            atomicStore(&any_weight, 0u);
        }
        workgroupBarrier();
        // One invocation for four queries combines what their TX invocations have.
        if local < ${BQ/4}u {
            let before = largest[local];
            var top = before;
#for i in 0..TX
            top = max(top, tile[${i*BQ/4}u + local]);
#endfor
            let gap = max(before - top, vec4<f32>(-104.0));
            let factor = select(exp(gap), vec4<f32>(0.0), gap < vec4<f32>(-87.0));
            largest[local] = top;
            shrink[local] = factor;
            total[local] *= factor;
        }
        workgroupBarrier();

        // Scores to weights.
#for h in 0..BQ/64
        {
            let m = largest[${h*16}u + ty];
            var l = vec4<f32>(0.0);
#for q in 0..BP/TX
            {
                let z = max(s_${q}_${h} - m, vec4<f32>(-104.0));
                let none = (z < vec4<f32>(-87.0)) | (s_${q}_${h} < vec4<f32>(0.5 * MASKED));
                s_${q}_${h} = select(exp(z), vec4<f32>(0.0), none);
                l += s_${q}_${h};
            }
#endfor
            tile[tx * ${BQ/4}u + ${h*16}u + ty] = l;
            if (l.x + l.y) + (l.z + l.w) > 0.0 {
                atomicOr(&any_weight, 1u);
            }
            let factor = shrink[${h*16}u + ty];
#for i in 0..4
#for j in 0..D/TX/4
            o_${h*4+i}_${j} *= factor[${i}];
#endfor
#endfor
        }
#endfor
        workgroupBarrier();
        if local < ${BQ/4}u {
            var sum = vec4<f32>(0.0);
#for i in 0..TX
            sum += tile[${i*BQ/4}u + local];
#endfor
            total[local] += sum;
        }
        // Where every weight of the block has underflowed there is nothing to sum.
        let weighty = atomicLoad(&any_weight) != 0u;

#import tile_sums
    }

    workgroupBarrier();
    if end > begin {
#for i in 0..BQ/16
        {
            let query = row0 + ${i/4*64}u + 4u * ty + ${i%4}u;
            if query < p.rows {
                let row = split * p.rows + query;
#for j in 0..D/TX/4
                if ${j*TX}u + tx < p.width {
                    slices[row * p.width + ${j*TX}u + tx] = o_${i}_${j};
                }
#endfor
                if tx == 0u {
                    let m = largest[${i/4*16}u + ty][${i%4}];
                    let l = total[${i/4*16}u + ty][${i%4}];
                    carries[row] = vec4<f32>(m, l, l, 0.0);
                }
            }
        }
#endfor
    }
}
