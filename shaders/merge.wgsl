// What the splits of a fused pass found, merged into what the queries had before.
#import common
#import query
#import row_reduce

struct Parameters {
    rows: u32,
    width: u32,
    splits: u32,
    skip: u32,
    // Whether there is nothing in `sums` yet.
    fresh: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> slices: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> carries: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> queries: array<Query>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>;

fn factor(m: f32, top: f32) -> f32 {
    let gap = max(m - top, -104.0);
    return select(exp(gap), 0.0, gap < -87.0);
}

fn work(row: u32, lane: u32, live: bool) {
    let before = queries[row];
    var top = before.m;
    for (var s = 0u; s < p.splits; s += 1u) {
        top = max(top, carries[s * p.rows + row].x);
    }
    let shrink = factor(before.m, top);
    var l = shrink * before.l;
    var le = shrink * before.le;
    for (var s = 0u; s < p.splits; s += 1u) {
        let carry = carries[s * p.rows + row];
        let f = factor(carry.x, top);
        l += f * carry.y;
        le += f * carry.z;
    }
    let width = select(0u, p.width, live);
    for (var i = lane; i < width; i += LANES) {
        var sum = vec4<f32>(0.0);
        for (var s = 0u; s < p.splits; s += 1u) {
            let f = factor(carries[s * p.rows + row].x, top);
            sum = fma(vec4<f32>(f), slices[(s * p.rows + row) * p.width + i], sum);
        }
        if p.fresh == 0u {
            sum = fma(vec4<f32>(shrink), sums[row * p.width + i], sum);
        }
        sums[row * p.width + i] = sum;
    }
#if SERIAL
#else
    // Every lane has read the query before one of them changes it.
    workgroupBarrier();
#endif
    if lane == 0u && live {
        queries[row].m = top;
        queries[row].l = l;
        queries[row].le = le;
        queries[row].shrink = shrink;
    }
}

#import rows_main
