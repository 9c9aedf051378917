// Products with structured frequencies sqrt(size) H D1 H D2 H D3, a block of `size` rows at a time, by the fast Hadamard
// transform in workgroup memory. A workgroup works on one row: its products with a block, or (BACK) the sum of the blocks by
// its derivatives.
#import common

struct Parameters {
    rows: u32,
    // Values of a block, a power of two up to 2048; blocks of this tile, and the first of them.
    size: u32,
    blocks: u32,
    first: u32,
    // Values of a row that count and values from one row to the next, of states and of products.
    columns: u32,
    stride: u32,
    products: u32,
    products_stride: u32,
}
#import parameters
@group(0) @binding(1) var<storage, read> input: array<f32>;
// Per block: three diagonals.
@group(0) @binding(2) var<storage, read> signs: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

var<workgroup> work: array<f32, 2048>;

fn flip(local: u32, diagonal: u32) {
    for (var i = local; i < p.size; i += 256u) {
        work[i] *= signs[diagonal * p.size + i];
    }
    workgroupBarrier();
}

// The product with the Hadamard matrix of entries 1 and -1.
fn transform(local: u32) {
    for (var half = 1u; half < p.size; half *= 2u) {
        for (var i = local; i < p.size / 2u; i += 256u) {
            let at = i / half * 2u * half + i % half;
            let a = work[at];
            let b = work[at + half];
            work[at] = a + b;
            work[at + half] = a - b;
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = group_number(group, groups);
    let scale = 1.0 / f32(p.size);
#if BACK
    let row = min(number, p.rows - 1u);
    let live = number < p.rows;
    for (var i = local; i < p.stride; i += 256u) {
        if live {
            output[row * p.stride + i] = 0.0;
        }
    }
    for (var block = 0u; block < p.blocks; block += 1u) {
        for (var i = local; i < p.size; i += 256u) {
            let at = block * p.size + i;
            work[i] = select(0.0, input[row * p.products_stride + min(at, p.products - 1u)], at < p.products);
        }
        workgroupBarrier();
        transform(local);
        flip(local, 3u * (p.first + block));
        transform(local);
        flip(local, 3u * (p.first + block) + 1u);
        transform(local);
        flip(local, 3u * (p.first + block) + 2u);
        for (var i = local; i < p.columns; i += 256u) {
            if live {
                output[row * p.stride + i] += scale * work[i];
            }
        }
        workgroupBarrier();
    }
#else
    let row = min(number / p.blocks, p.rows - 1u);
    let block = number % p.blocks;
    for (var i = local; i < p.size; i += 256u) {
        work[i] = select(0.0, input[row * p.stride + min(i, p.columns - 1u)], i < p.columns);
    }
    workgroupBarrier();
    flip(local, 3u * (p.first + block) + 2u);
    transform(local);
    flip(local, 3u * (p.first + block) + 1u);
    transform(local);
    flip(local, 3u * (p.first + block));
    transform(local);
    for (var i = local; i < p.size; i += 256u) {
        let at = block * p.size + i;
        if number < p.rows * p.blocks && at < p.products_stride {
            // The padding of a row stays zero.
            output[row * p.products_stride + at] = select(0.0, scale * work[i], at < p.products);
        }
    }
#endif
}
