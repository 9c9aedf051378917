// Of products z of states and frequencies: the features, or (STEP) features times T and the derivatives of that by z.
// Waves: cosine and sine of z (in turns) plus a phase; else exp(z - shift) and exp(-z - shift).
#import common
#import turns
#import exponential

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // Vec4s from one row of the sides to the next, and where the tile's columns start.
    side_width: u32,
    first: u32,
    waves: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
// The first half of T, the second, the phases.
@group(0) @binding(2) var<storage, read> sides: array<vec4<f32>>;
// One value per row.
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4<f32>>;

#import vec4_head
    let column4 = at % p.width;
    let side = p.first + column4;
    let v = z[at];
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    if p.waves == 1u {
        let angle = turns(v + sides[2u * p.side_width + side]);
        a = angle.cos;
        b = angle.sin;
    } else {
        let off = shift[at / p.width];
        a = exponential(v - off);
        b = exponential(-v - off);
    }
#if STEP
    let t = sides[side];
    let u = sides[p.side_width + side];
    let product = a * t + b * u;
    let slope = select(a * t - b * u, a * u - b * t, p.waves == 1u);
    a = product;
    b = slope;
#endif
    // The padding of a row stays zero.
    let column = 4u * column4;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    first[at] = select(vec4<f32>(0.0), a, inside);
    second[at] = select(vec4<f32>(0.0), b, inside);
}
