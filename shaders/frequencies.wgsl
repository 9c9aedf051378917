// Standard normals of a seed; an invocation makes four of a row.
#import common
#import normals

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // Number of the first row.
    first: u32,
    seed_low: u32,
    seed_high: u32,
    // Upper half of the rows' numbers.
    high: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

#import vec4_head
    out[at] = normals(p.first + at / p.width, at % p.width);
}
