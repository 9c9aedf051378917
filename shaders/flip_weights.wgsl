// Rows of overlaps to weights by a table; per row the sum of the corrections, the sum of the weights' sizes, the energy and the
// entropy of their shares; and the sum of the corrections' sizes.
#import common
#import row_reduce

struct Parameters {
    rows: u32,
    // Patterns.
    columns: u32,
    // Floats of a row of overlaps.
    width: u32,
    // Columns of a pattern.
    d: u32,
    exponential: u32,
}
#import parameters
// Becomes the weights.
@group(0) @binding(1) var<storage, read_write> overlaps: array<f32>;
// By (overlap + d) / 2: logarithm of the size in two parts, weight and correction over that size.
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> energies: array<f32>;
@group(0) @binding(4) var<storage, read_write> summary: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> corrections: array<f32>;

#import overlap_table

fn work(row: u32, lane: u32, live: bool) {
    // Largest logarithm and largest overlap.
    var log_most = -3.4e38;
    var most = -3.4e38;
    for (var k = lane; k < p.columns; k += LANES) {
        let h = overlaps[row * p.width + k];
        log_most = max(log_most, table[place(h)].x);
        most = max(most, h);
    }
    log_most = lanes_max(lane, log_most);
    most = lanes_max(lane, most);
    var correction = 0.0;
    var total = 0.0;
    var energy = 0.0;
    var sizes = 0.0;
    for (var block = lane; block < p.columns; block += 64u * LANES) {
        var sums = vec4<f32>(0.0);
        let end = min(p.columns, block + 64u * LANES);
        for (var k = block; k < end; k += LANES) {
            let h = overlaps[row * p.width + k];
            let i = place(h);
            let entry = table[i];
            let size = exp(max((entry.x - log_most) + entry.y, -104.0));
            let w = entry.z * size;
            let of_energy = select(energies[select(i, 0u, p.exponential == 1u)], exp(max(h - most, -104.0)), p.exponential == 1u);
            sums += vec4<f32>(entry.w * size, abs(w), of_energy, abs(entry.w * size));
        }
        correction += sums.x;
        total += sums.y;
        energy += sums.z;
        sizes += sums.w;
    }
    correction = lanes_sum(lane, correction);
    total = lanes_sum(lane, total);
    energy = lanes_sum(lane, energy);
    sizes = lanes_sum(lane, sizes);
    var entropy = 0.0;
    let share = 1.0 / max(total, 1e-37);
    for (var k = lane; k < p.columns; k += LANES) {
        let entry = table[place(overlaps[row * p.width + k])];
        let size = (entry.x - log_most) + entry.y;
        let w = select(0.0, entry.z * exp(max(size, -104.0)), size > -87.0);
        let q = abs(w) * share;
        entropy -= select(0.0, q * log(max(q, 1e-37)), q > 0.0);
        if live {
            overlaps[row * p.width + k] = w;
        }
    }
    entropy = lanes_sum(lane, entropy);
    if lane == 0u && live {
        let value = select(energy, most + log(max(energy, 1e-37)), p.exponential == 1u);
        summary[row] = vec4<f32>(correction, total, -value, entropy);
        corrections[row] = sizes;
    }
}

#import rows_main
