// What each query finds among the scores of a chunk of patterns: the largest score, its first column, how many others have it, the
// second largest; sums of exponentials and of their squares; how many scores are above the target's, and equal to it.
#import common
#import row_reduce

struct Parameters {
    rows: u32,
    columns: u32,
    width: u32,
    beta: f32,
    // Number of the first pattern, by halves.
    first: u32,
    high: u32,
    // Whether there are targets.
    targeted: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> scores: array<vec4<f32>>;
// Score of the target, and its number by halves.
@group(0) @binding(2) var<storage, read> targets: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

const LOWEST: f32 = -3.4e38;

fn columns_of(i: u32) -> vec4<u32> {
    return 4u * i + vec4<u32>(0u, 1u, 2u, 3u);
}

fn work(row: u32, lane: u32, live: bool) {
    var largest = vec4<f32>(LOWEST);
    for (var i = lane; i < p.width; i += LANES) {
        let inside = columns_of(i) < vec4<u32>(p.columns);
        largest = max(largest, select(vec4<f32>(LOWEST), scores[row * p.width + i], inside));
    }
    let best = lanes_max(lane, max4(largest));
    let target_of_row = targets[row];
    // The column of the target, where it is in this chunk.
    let here = p.targeted == 1u && target_of_row.z == p.high && target_of_row.y >= p.first;
    let own = select(0xffffffffu, target_of_row.y - p.first, here);
    let score = bitcast<f32>(target_of_row.x);
    var total = 0.0;
    var squares = 0.0;
    var equal_best = vec4<f32>(0.0);
    var above = vec4<f32>(0.0);
    var equal = vec4<f32>(0.0);
    var place = 0xffffffffu;
    var next = vec4<f32>(LOWEST);
    for (var block = lane; block < p.width; block += 64u * LANES) {
        var sum = vec4<f32>(0.0);
        var sum2 = vec4<f32>(0.0);
        let end = min(p.width, block + 64u * LANES);
        for (var i = block; i < end; i += LANES) {
            let columns = columns_of(i);
            let inside = columns < vec4<u32>(p.columns);
            let s = scores[row * p.width + i];
            let z = max(p.beta * (s - best), vec4<f32>(-104.0));
            let e = select(vec4<f32>(0.0), exp(z), inside & (z > vec4<f32>(-87.0)));
            sum += e;
            sum2 += e * e;
            let is_best = inside & (s == vec4<f32>(best));
            equal_best += select(vec4<f32>(0.0), vec4<f32>(1.0), is_best);
            let places = select(vec4<u32>(0xffffffffu), columns, is_best);
            place = min(place, min(min(places.x, places.y), min(places.z, places.w)));
            next = max(next, select(vec4<f32>(LOWEST), s, inside & !is_best));
            // The target itself has its score, whatever the rounding.
            let others = inside & (columns != vec4<u32>(own));
            above += select(vec4<f32>(0.0), vec4<f32>(1.0), others & (s > vec4<f32>(score)));
            let met = (others & (s == vec4<f32>(score))) | (columns == vec4<u32>(own));
            equal += select(vec4<f32>(0.0), vec4<f32>(1.0), met);
        }
        total += sum4(sum);
        squares += sum4(sum2);
    }
    total = lanes_sum(lane, total);
    squares = lanes_sum(lane, squares);
    let times = lanes_sum(lane, sum4(equal_best));
    // Columns are below 2^24, exact in f32.
    let at = -lanes_max(lane, select(LOWEST, -f32(place), place != 0xffffffffu));
    let second = select(lanes_max(lane, max4(next)), best, times > 1.0);
    let over = lanes_sum(lane, sum4(above));
    let same = lanes_sum(lane, sum4(equal));
    if lane == 0u && live {
        out[2u * row] = vec4<f32>(best, at, times - 1.0, second);
        out[2u * row + 1u] = vec4<f32>(total, squares, over, same);
    }
}

#import rows_main
