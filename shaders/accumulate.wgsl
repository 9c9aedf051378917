// sums = shrink * sums + the slices of a product, per query.
#import common
#import query

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
@group(0) @binding(2) var<storage, read> queries: array<Query>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<f32>>;

#import vec4_head
    let row = at / p.width;
    if p.skip != 0u && queries[row].settled != 0u {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < p.splits; s += 1u) {
        sum += slices[s * p.rows * p.width + at];
    }
    if p.fresh == 0u {
        sum = fma(vec4<f32>(queries[row].shrink), sums[at], sum);
    }
    sums[at] = sum;
}
