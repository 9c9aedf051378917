// Rows of scores to weights; thresholds by bisection. See ops/separation.rs for the kinds.
#import common
#import numbers
#import row_reduce

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    // 0 softmax, 1 entmax, 2 normmax, 3 k-subsets, 4 epanechnikov.
    kind: u32,
    beta: f32,
    // What scores less the largest are multiplied by.
    scale: f32,
    // Of the power whose sum is bisected, and of the power that is a weight.
    mass_exponent: f32,
    exponent: f32,
    // Upper end of the bisection, what the masses must sum to, and the number of halvings.
    high: f32,
    target_mass: f32,
    halvings: u32,
    // alpha or gamma.
    order: f32,
    // Of a score, for the k-th largest: 32 for k-subsets, else 0.
    digits: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4<f32>>;
// Potential, entropy, support, largest weight.
@group(0) @binding(3) var<storage, read_write> summary: array<vec4<f32>>;

fn eligible(i: u32, v: vec4<f32>) -> vec4<bool> {
    let column = 4u * i;
    let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
    return inside & (v > vec4<f32>(0.5 * MASKED));
}

// x^e for x > 0, else 0.
fn power(x: vec4<f32>, e: f32) -> vec4<f32> {
    let positive = max(x, vec4<f32>(1.2e-38));
    var value = positive;
    if e == 2.0 {
        value = positive * positive;
    } else if e != 1.0 {
        let log = e * log2(positive);
        value = select(vec4<f32>(0.0), exp2(max(log, vec4<f32>(-126.0))), log > vec4<f32>(-126.0));
    }
    return select(vec4<f32>(0.0), value, x > vec4<f32>(0.0));
}

// How a score less the largest, scaled, counts at a threshold.
fn mass(u: vec4<f32>, tau: f32) -> vec4<f32> {
    if p.kind == 3u {
        return clamp(u - tau, vec4<f32>(0.0), vec4<f32>(1.0));
    }
    return power(u - tau, p.mass_exponent);
}

fn scaled(i: u32, row: u32, origin: f32) -> vec4<f32> {
    let v = z[row * p.width + i];
    // Far below everything, and finite whatever beta is.
    return select(vec4<f32>(MASKED), max(p.scale * (v - origin), vec4<f32>(MASKED)), eligible(i, v));
}

// Numbers that are ordered as floats are.
fn ordered(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    return select(bits | vec4<u32>(0x80000000u), ~bits, bits >= vec4<u32>(0x80000000u));
}

// How many scores of the row are at least the one with this number.
fn count_from(row: u32, lane: u32, key: u32) -> f32 {
    var count = 0.0;
    for (var i = lane; i < p.width; i += LANES) {
        let v = z[row * p.width + i];
        let from_key = eligible(i, v) & (ordered(v) >= vec4<u32>(key));
        count += sum4(select(vec4<f32>(0.0), vec4<f32>(1.0), from_key));
    }
    return lanes_sum(lane, count);
}

// The largest score that as many as the masses sum to are not below; of fewer eligible ones, the smallest.
fn kth_largest(row: u32, lane: u32, least: f32) -> f32 {
    var key = 0u;
    for (var bit = 0u; bit < p.digits; bit += 1u) {
        let trial = key | (0x80000000u >> bit);
        let enough = count_from(row, lane, trial) >= p.target_mass;
        key = select(key, trial, enough);
    }
    let found = bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
    return select(least, found, key != 0u);
}

// Sum over the row of the masses at a threshold.
fn row_mass(row: u32, lane: u32, origin: f32, tau: f32) -> f32 {
    var total = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            sum += mass(scaled(i, row, origin), tau);
        }
        total += sum4(sum);
    }
    return lanes_sum(lane, total);
}

fn weight(u: vec4<f32>, tau: f32) -> vec4<f32> {
    switch p.kind {
        case 0u: {
            let s = max(u, vec4<f32>(-104.0));
            return select(vec4<f32>(0.0), exp(s), u > vec4<f32>(-87.0));
        }
        case 3u: { return mass(u, tau); }
        case 4u: {
            return select(vec4<f32>(0.0), vec4<f32>(1.0), u > vec4<f32>(0.0));
        }
        default: { return power(u - tau, p.exponent); }
    }
}

fn work(row: u32, lane: u32, live: bool) {
    var largest = vec4<f32>(-3.4e38);
    var smallest = vec4<f32>(3.4e38);
    var spoiled = 0.0;
    for (var i = lane; i < p.width; i += LANES) {
        let v = z[row * p.width + i];
        let may = eligible(i, v);
        spoiled = max(spoiled, select(0.0, 1.0, any(spoils(v))));
        largest = max(largest, select(vec4<f32>(-3.4e38), v, may));
        smallest = min(smallest, select(vec4<f32>(3.4e38), v, may));
    }
    spoiled = lanes_max(lane, spoiled);
    let m = lanes_max(lane, max4(largest));
    let some_eligible = m > 0.5 * MASKED;
    let least = -lanes_max(lane, max4(-smallest));
    // What scores are seen from: the largest; for k-subsets the k-th largest, within 1 of which the threshold lies; for the epanechnikov
    // kernel the border of its reach.
    let kth = kth_largest(row, lane, least);
    var origin = select(m, -1.0 / p.beta, p.kind == 4u);
    origin = select(origin, kth, p.kind == 3u);
    var low = -1.0;
    var high = p.high;
    // Roots of small numbers are large: there the threshold is needed to its last bit, however near to 0 it is.
    let geometric = p.kind == 1u && p.mass_exponent < 1.0;
    for (var halving = 0u; halving < p.halvings; halving += 1u) {
        let middle = select(0.5 * (low + high), -sqrt(-low) * sqrt(max(-high, 0.0)), geometric);
        let enough = row_mass(row, lane, origin, middle) >= p.target_mass;
        low = select(low, middle, enough);
        high = select(middle, high, enough);
    }
    let tau = low;

    // Sums of the raw weights, for what they are divided by; for the potential of the epanechnikov kernel,
    // sums of what is left of 1.
    var total = 0.0;
    var left = 0.0;
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        var rest = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let u = scaled(i, row, origin);
            sum += weight(u, tau);
            rest += max(u, vec4<f32>(0.0));
        }
        total += sum4(sum);
        left += sum4(rest);
    }
    total = lanes_sum(lane, total);
    left = lanes_sum(lane, left);
    // The weights of k-subsets sum to k as they are.
    let share = 1.0 / max(total, 1e-37);
    let factor = select(share, 1.0, p.kind == 3u);

    var linear = 0.0;
    var entropy = 0.0;
    var powers = 0.0;
    var support = 0.0;
    var heaviest = vec4<f32>(0.0);
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sums = array<vec4<f32>, 4>();
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let u = scaled(i, row, origin);
            let raw = weight(u, tau);
            let w = raw * factor;
            let q = raw * share;
            let some = w > vec4<f32>(0.0);
            sums[0] += select(vec4<f32>(0.0), w * u, some);
            sums[1] -= select(vec4<f32>(0.0), q * log(max(q, vec4<f32>(1e-37))), some);
            sums[2] += power(w, p.order);
            sums[3] += select(vec4<f32>(0.0), vec4<f32>(1.0), some);
            heaviest = max(heaviest, w);
            if live {
                let known = select(vec4<f32>(0.0), w, some_eligible);
                let column = 4u * i;
                let inside = vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(p.columns);
                weights[row * p.width + i] = select(known, vec4<f32>(nan(p.rows)), inside & vec4<bool>(spoiled > 0.0));
            }
        }
        linear += sum4(sums[0]);
        entropy += sum4(sums[1]);
        powers += sum4(sums[2]);
        support += sum4(sums[3]);
    }
    linear = lanes_sum(lane, linear) / p.scale;
    entropy = lanes_sum(lane, entropy);
    powers = lanes_sum(lane, powers);
    support = lanes_sum(lane, support);
    let most = lanes_max(lane, max4(heaviest));
    var potential = 0.0;
    switch p.kind {
        case 0u: { potential = m + log(total) / p.beta; }
        case 1u: { potential = m + linear - (powers - 1.0) / (p.order * (p.order - 1.0) * p.beta); }
        case 2u: { potential = m + linear - (exp2(log2(powers) / p.order) - 1.0) / p.beta; }
        case 3u: { potential = p.target_mass * origin + linear - 0.5 * (powers - p.target_mass) / p.beta; }
        default: { potential = select(MASKED, log(max(left, 1e-37)) / p.beta, left > 0.0); }
    }
    if lane == 0u && live {
        let found = select(vec4<f32>(MASKED, 0.0, 0.0, 0.0), vec4<f32>(potential, entropy, support, most), some_eligible);
        summary[row] = select(found, vec4<f32>(nan(p.rows)), spoiled > 0.0);
    }
}

#import rows_main
