// Element by element: f(x), or (BINARY) f(x, y) where y has as many rows as x or one, or (BY_ROW too) one value
// for each row of x.
#import common
#import numbers

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    function: u32,
    // The constant of functions that have one.
    constant: f32,
    // Vec4s from one row of y to the next: 0 where it has one row.
    y_width: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
#if BINARY
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
#endif

#import vec4_head
    let column4 = at % p.width;
    let v = x[at];
    var value = v;
#if BINARY
#if BY_ROW
    let row = at / p.width;
    let w = vec4<f32>(y[row / 4u][row % 4u]);
#else
    let w = y[(at / p.width) * p.y_width + column4];
#endif
    switch p.function {
        case 0u: { value = v + w; }
        case 1u: { value = v - w; }
        case 2u: { value = v * w; }
        case 3u: { value = v / w; }
        case 4u: { value = max(v, w); }
        default: { value = min(v, w); }
    }
    value = select(select(value, w, is_nan(w)), v, is_nan(v));
#else
    switch p.function {
        case 0u: { value = -v; }
        case 1u: { value = abs(v); }
        case 2u: { value = v * v; }
        case 3u: { value = sqrt(v); }
        case 4u: { value = exp(v); }
        // Subnormal numbers by their bits: adapters may take them for 0.
        case 5u: {
            let bits = bitcast<vec4<u32>>(v);
            let tiny = (bits > vec4<u32>(0u)) & (bits < vec4<u32>(0x00800000u));
            value = select(log(v), log(vec4<f32>(bits)) - 103.27893, tiny);
        }
        // tanh overflows inside on some drivers; past 9 it is 1 in f32.
        case 6u: { value = tanh(clamp(v, vec4<f32>(-9.1), vec4<f32>(9.1))); }
        case 7u: { value = max(v, vec4<f32>(0.0)); }
        case 8u: { value = sign(v); }
        case 9u: { value = p.constant * v; }
        case 10u: { value = p.constant + v; }
        // Past these limits nothing changes in f32, and exp stays finite.
        case 11u: { value = 1.0 / (1.0 + exp(clamp(-v, vec4<f32>(-87.0), vec4<f32>(87.0)))); }
        case 12u: { value = max(v, vec4<f32>(0.0)) + log(1.0 + exp(max(-abs(v), vec4<f32>(-87.0)))); }
        default: { value = abs(v) + (log(1.0 + exp(max(-2.0 * abs(v), vec4<f32>(-87.0)))) - 0.6931472); }
    }
    // Extremes and limits swallow a NaN.
    value = select(value, v, is_nan(v));
#endif
    // The padding of a row stays zero.
    let column = 4u * column4;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    out[at] = select(vec4<f32>(0.0), value, inside);
}
