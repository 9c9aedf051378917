// Scores of some patterns to weights exp(score - m), in place, and the queries' carries with these
// patterns taken in. m is the largest score so far; `shrink` is what earlier sums must be
// multiplied with.
#import common
#import query
#import row_reduce

struct Parameters {
    rows: u32,
    // Patterns in this chunk, vec4s per row, the chunk's first row in its shard.
    columns: u32,
    width: u32,
    first: u32,
    skip: u32,
    // Whether to weigh the energy's exponentials with the patterns' lengths.
    cosine: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> scores: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> queries: array<Query>;
@group(0) @binding(3) var<storage, read> terms: array<vec2<f32>>;

// Lengths of four patterns.
fn lengths(column: u32) -> vec4<f32> {
    var length = vec4<f32>(0.0);
#for i in 0..4
    if column + ${i}u < p.columns {
        let scale = terms[p.first + column + ${i}u].x;
        length[${i}] = select(0.0, 1.0 / scale, scale > 0.0);
    }
#endfor
    return length;
}

fn work(row: u32, lane: u32, live: bool) {
    let at = row * p.width;
    // The compiler must see every lane take the same way to the barriers, so a row that is left out
    // runs no trips instead.
    let width = select(0u, p.width, live);
    var largest = vec4<f32>(MASKED);
    for (var i = lane; i < width; i += LANES) {
        largest = max(largest, scores[at + i]);
    }
    let before = queries[row];
    let m = max(before.m, lanes_max(lane, max4(largest)));

    // Sums in two levels: blocks of 64 vec4s, then the blocks.
    var l = 0.0;
    var h = 0.0;
    var le = 0.0;
    for (var block = lane; block < width; block += 64u * LANES) {
        var l4 = vec4<f32>(0.0);
        var h4 = vec4<f32>(0.0);
        var le4 = vec4<f32>(0.0);
        let end = min(width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let s = scores[at + i];
            let z = max(s - m, vec4<f32>(-104.0));
            // Below -87 f32 leaves the normal numbers; hidden patterns count nothing.
            let e = select(exp(z), vec4<f32>(0.0), (z < vec4<f32>(-87.0)) | (s < vec4<f32>(0.5 * MASKED)));
            scores[at + i] = e;
            l4 += e;
            h4 += e * z;
            if p.cosine != 0u {
                le4 += e * lengths(4u * i);
            }
        }
        l += sum4(l4);
        h += sum4(h4);
        le += sum4(le4);
    }
    l = lanes_sum(lane, l);
    h = lanes_sum(lane, h);
    if p.cosine != 0u {
        le = lanes_sum(lane, le);
    } else {
        le = l;
    }
    if lane == 0u && live {
        let gap = max(before.m - m, -104.0);
        let shrink = select(exp(gap), 0.0, gap < -87.0);
        var q = before;
        q.m = m;
        q.l = shrink * before.l + l;
        q.h = shrink * (before.h + gap * before.l) + h;
        q.le = shrink * before.le + le;
        q.shrink = shrink;
        queries[row] = q;
    }
}

#import rows_main
