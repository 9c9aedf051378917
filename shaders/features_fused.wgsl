// One look at a memory of random features by many states: products with the frequencies, features times T and the derivatives
// of these, and the frequencies summed by the derivatives, with nothing but the results written. A workgroup of 16 x TX
// invocations owns BQ states and a slice of the frequencies, which it takes BP at a time. GENERATED frequencies are made where
// they are used and exist nowhere else. Right where rows have at most D columns.
#import common
#import feature_functions

struct Parameters {
    // Left rows are states, right rows frequencies.
#import tile_parameters
    // Values from one half of T to the other.
    side_width: u32,
#import feature_parameters
}
#import parameters
@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
fn load_a(at: u32) -> vec4<f32> {
    return states[at];
}
// Not looked at where frequencies are generated.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
fn load_b(at: u32) -> vec4<f32> {
#if GENERATED
    return normals(p.base + at / p.pattern_width, at % p.pattern_width);
#else
    return b[at];
#endif
}
// Per split and state: sums of the frequencies.
@group(0) @binding(3) var<storage, read_write> slices: array<vec4<f32>>;
// The first half of T, the second, the phases.
@group(0) @binding(4) var<storage, read> sides: array<f32>;
// Per state: what is taken off its exponents.
@group(0) @binding(5) var<storage, read> shift: array<f32>;
// Per split and state: the sum of the features times T.
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;

#import tile_head
    // Groups past the end run no trips: a barrier may not stand behind a return.
    let end = select(min(begin + p.slice, p.last), begin, split >= p.splits);
#for h in 0..BQ/64
    var u_${h} = vec4<f32>(0.0);
    var off_${h} = vec4<f32>(0.0);
#for i in 0..4
    off_${h}[${i}] = shift[min(row0 + ${h*64+i}u + 4u * ty, p.rows - 1u)];
#endfor
#endfor
#for i in 0..BQ/16
#for j in 0..D/TX/4
    var o_${i}_${j} = vec4<f32>(0.0);
#endfor
#endfor

    for (var block = begin; block < end; block += ${BP}u) {
#import tile_scores

        // Products to features times T, which add up, and their derivatives.
#for q in 0..BP/TX
        {
            let at = block + ${q/4*TX*4}u + 4u * tx + ${q%4}u;
            let side = p.base + min(at, p.last - 1u);
            let first = select(0.0, sides[side], at < end);
            let second = select(0.0, sides[p.side_width + side], at < end);
            let phase = sides[2u * p.side_width + side];
#for h in 0..BQ/64
            if p.waves == 1u {
                let angle = turns(s_${q}_${h} + phase);
                u_${h} += angle.cos * first + angle.sin * second;
                s_${q}_${h} = angle.cos * second - angle.sin * first;
            } else {
                let plus = exponential(s_${q}_${h} - off_${h}) * first;
                let minus = exponential(-s_${q}_${h} - off_${h}) * second;
                u_${h} += plus + minus;
                s_${q}_${h} = plus - minus;
            }
#endfor
        }
#endfor
        let weighty = true;
#import tile_sums
    }

    workgroupBarrier();
#for h in 0..BQ/64
    tile[tx * ${BQ/4}u + ${h*16}u + ty] = u_${h};
#endfor
    workgroupBarrier();
    if end > begin {
        if local < ${BQ/4}u {
            var sum = vec4<f32>(0.0);
#for i in 0..TX
            sum += tile[${i*BQ/4}u + local];
#endfor
            // Rows of parts are whole vec4s; what is past their end is zero.
            let stride = (p.rows + 3u) / 4u * 4u;
#for i in 0..4
            if row0 + 4u * local + ${i}u < stride {
                let inside = row0 + 4u * local + ${i}u < p.rows;
                parts[split * stride + row0 + 4u * local + ${i}u] = select(0.0, sum[${i}], inside);
            }
#endfor
        }
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
            }
        }
#endfor
    }
}
