// Random signs of a seed, a bit each: Philox4x32-10 with the counter (row, column / 128, 5, row / 2^32). An invocation makes
// 128 of a row. The same bits as src/cpu/frequencies.rs.
#import common
#import philox

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // Number of the first row, by halves.
    first: u32,
    high: u32,
    seed_low: u32,
    seed_high: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;

// The lowest `count` bits.
fn lowest(count: u32) -> u32 {
    return select((1u << min(count, 31u)) - 1u, 0xffffffffu, count >= 32u);
}

#import vec4_head
    let column = at % p.width;
    let words = philox(vec4<u32>(p.first + at / p.width, column, 5u, p.high), p.seed_low, p.seed_high);
    // The padding of a row stays clear.
    let left = p.columns - 128u * column;
    let mask = vec4<u32>(
        lowest(left),
        lowest(left - min(left, 32u)),
        lowest(left - min(left, 64u)),
        lowest(left - min(left, 96u)),
    );
    out[at] = words & mask;
}
