// The sums of the features of many patterns: products with the frequencies, features, and their sums over a slice of the
// patterns, with nothing but the sums written. Here the frequencies are the rows of the tile, and the patterns go past. GENERATED
// frequencies are made where they are used. Any number of columns.
#import common
#import feature_functions

struct Parameters {
    // Left rows are frequencies, right rows patterns.
#import tile_parameters
#import feature_parameters
}
#import parameters
// Not looked at where frequencies are generated.
@group(0) @binding(1) var<storage, read> frequencies: array<vec4<f32>>;
fn load_a(at: u32) -> vec4<f32> {
#if GENERATED
    return normals(p.base + at / p.width, at % p.width);
#else
    return frequencies[at];
#endif
}
#import load_b
// Phases of all frequencies.
@group(0) @binding(3) var<storage, read> phases: array<f32>;
// Per pattern: what is taken off its exponents.
@group(0) @binding(4) var<storage, read> shift: array<f32>;
// Per split: the sums of the first features, then of the second.
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

#import tile_head
    // Groups past the end run no trips: a barrier may not stand behind a return.
    let end = select(min(begin + p.slice, p.last), begin, split >= p.splits);
#for h in 0..BQ/64
    var first_${h} = vec4<f32>(0.0);
    var second_${h} = vec4<f32>(0.0);
    var phase_${h} = vec4<f32>(0.0);
#for i in 0..4
    phase_${h}[${i}] = phases[p.base + min(row0 + ${h*64+i}u + 4u * ty, p.rows - 1u)];
#endfor
#endfor

    for (var block = begin; block < end; block += ${BP}u) {
#import tile_scores

#for q in 0..BP/TX
        {
            let at = block + ${q/4*TX*4}u + 4u * tx + ${q%4}u;
            let inside = select(0.0, 1.0, at < end);
            let off = shift[min(at, p.last - 1u)];
#for h in 0..BQ/64
            if p.waves == 1u {
                let angle = turns(s_${q}_${h} + phase_${h});
                first_${h} += inside * angle.cos;
                second_${h} += inside * angle.sin;
            } else {
                first_${h} += inside * exponential(s_${q}_${h} - off);
                second_${h} += inside * exponential(-s_${q}_${h} - off);
            }
#endfor
        }
#endfor
    }

    // What the TX invocations of a frequency have found.
#for half in 0..2
    workgroupBarrier();
#for h in 0..BQ/64
#if half
    tile[tx * ${BQ/4}u + ${h*16}u + ty] = second_${h};
#else
    tile[tx * ${BQ/4}u + ${h*16}u + ty] = first_${h};
#endif
#endfor
    workgroupBarrier();
    if end > begin && local < ${BQ/4}u {
        var sum = vec4<f32>(0.0);
#for i in 0..TX
        sum += tile[${i*BQ/4}u + local];
#endfor
        // Rows are whole vec4s; nothing reads what is past their end.
        let stride = (p.rows + 3u) / 4u * 4u;
#for i in 0..4
        if row0 + 4u * local + ${i}u < stride {
            sums[(2u * split + ${half}u) * stride + row0 + 4u * local + ${i}u] = sum[${i}];
        }
#endfor
    }
#endfor
}
