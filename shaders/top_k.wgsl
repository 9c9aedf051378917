// The k best entries of each row so far: the list of earlier columns, with some more columns taken
// in. Largest first, equal ones by lowest index.
#import common
#import numbers

struct Parameters {
    rows: u32,
    // Columns taken in: begin..end of the row, which is `width` vec4s long.
    begin: u32,
    end: u32,
    width: u32,
    // What is added to a column to make its index.
    first: u32,
    k: u32,
}

struct Entry {
    value: f32,
    index: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
#if SERIAL
@group(0) @binding(2) var<storage, read_write> best: array<Entry>;

// One invocation a row, by insertion: few entries beat the list once it has filled. `begin` is a
// multiple of 4.
@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group_number(group, groups) * 8u + local;
    if row >= p.rows {
        return;
    }
    let list = row * p.k;
    var worst = best[list + p.k - 1u].value;
    for (var i = p.begin / 4u; i < (p.end + 3u) / 4u; i += 1u) {
        let values = x[row * p.width + i];
        // Value by value: the largest of them might be a NaN, which is no more than nothing here.
        if all(values <= vec4<f32>(worst)) {
            continue;
        }
        let unknown = is_nan(values);
#for s in 0..4
        if 4u * i + ${s}u < p.end && values[${s}] > worst && !unknown[${s}] {
            var at = p.k - 1u;
            while at > 0u && best[list + at - 1u].value < values[${s}] {
                best[list + at] = best[list + at - 1u];
                at -= 1u;
            }
            best[list + at] = Entry(values[${s}], p.first + 4u * i + ${s}u);
            worst = best[list + p.k - 1u].value;
        }
#endfor
    }
}
#else
@group(0) @binding(2) var<storage, read> earlier: array<Entry>;
@group(0) @binding(3) var<storage, read_write> best: array<Entry>;

var<workgroup> shared_best: array<Entry, 64>;

fn better(a: Entry, b: Entry) -> bool {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
}

// The best of one entry per lane; every lane gets it. Called by all lanes together.
fn best_of_lanes(lane: u32, mine: Entry) -> Entry {
    workgroupBarrier();
    shared_best[lane] = mine;
#for s in 0..6
    workgroupBarrier();
    if lane < (32u >> ${s}u) {
        let other = shared_best[lane + (32u >> ${s}u)];
        if better(other, shared_best[lane]) {
            shared_best[lane] = other;
        }
    }
#endfor
    workgroupBarrier();
    return shared_best[0];
}

#if LISTS
// The lists of all lanes, [64][LISTS].
var<workgroup> lists: array<Entry, ${64*LISTS}>;

// One workgroup a row, k at most LISTS: each lane goes through its columns once, with a sorted list of its
// own in registers; then k rounds take the best of what the lists begin with.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let row = min(number, p.rows - 1u);
    let none = Entry(-3.4028234e38, 0xffffffffu);
#for j in 0..LISTS
    var value_${j} = none.value;
    var index_${j} = none.index;
#endfor
    // What was found earlier comes first: of equal values the lowest index stays.
    if lane < p.k {
        value_0 = earlier[row * p.k + lane].value;
        index_0 = earlier[row * p.k + lane].index;
    }
    for (var i = p.begin / 4u + lane; i < (p.end + 3u) / 4u; i += 64u) {
        let values = x[row * p.width + i];
        // As above.
        if all(values <= vec4<f32>(value_${LISTS-1})) {
            continue;
        }
        let unknown = is_nan(values);
#for s in 0..4
        if 4u * i + ${s}u < p.end && values[${s}] > value_${LISTS-1} && !unknown[${s}] {
            // From the first that it beats on, all move down by one: equal ones keep their order.
            var value = values[${s}];
            var index = p.first + 4u * i + ${s}u;
            var better = false;
#for j in 0..LISTS
            {
                better = better || value > value_${j};
                let value_on = select(value, value_${j}, better);
                let index_on = select(index, index_${j}, better);
                value_${j} = select(value_${j}, value, better);
                index_${j} = select(index_${j}, index, better);
                value = value_on;
                index = index_on;
            }
#endfor
        }
#endfor
    }
#for j in 0..LISTS
    lists[lane * ${LISTS}u + ${j}u] = Entry(value_${j}, index_${j});
#endfor
    var head = 0u;
    for (var round = 0u; round < p.k; round += 1u) {
        var mine = none;
        if head < ${LISTS}u {
            mine = lists[lane * ${LISTS}u + head];
        }
        let best_of_all = best_of_lanes(lane, mine);
        if best_of_all.index == mine.index {
            head += 1u;
        }
        if lane == 0u && number < p.rows {
            best[row * p.k + round] = best_of_all;
        }
    }
}
#else
// One workgroup a row, in k rounds: each round finds the best entry behind the one before.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let row = min(number, p.rows - 1u);
    let list = row * p.k;
    let none = Entry(-3.4028234e38, 0xffffffffu);
    var last = Entry(3.4028234e38, 0u);
    for (var round = 0u; round < p.k; round += 1u) {
        var mine = none;
        for (var i = lane; i < p.k; i += 64u) {
            let entry = earlier[list + i];
            if (round == 0u || better(last, entry)) && better(entry, mine) {
                mine = entry;
            }
        }
        for (var column = p.begin + lane; column < p.end; column += 64u) {
            let value = x[row * p.width + column / 4u][column % 4u];
            let entry = Entry(value, p.first + column);
            let known = !is_nan(vec4<f32>(value)).x;
            if known && (round == 0u || better(last, entry)) && better(entry, mine) {
                mine = entry;
            }
        }
        last = best_of_lanes(lane, mine);
        if lane == 0u && number < p.rows {
            best[list + round] = last;
        }
    }
}
#endif
#endif
