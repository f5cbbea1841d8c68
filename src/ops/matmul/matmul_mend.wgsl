// SPDX-License-Identifier: MIT
// matmul_mend.wgsl - runs behind matmul's kernels with matrices, which multiply F16: y's rows whose x exceeds F16 are computed anew, in
// F32. F16 ends at 65,504 and loses digits below 2^-14; a row exceeds it whose largest magnitude is beyond 65,504, or below 2^-12 and
// not zero. Stands with matmul_mend_y.wgsl or matmul_mend_y_bias.wgsl, and the row decoder of w's type.
//
// A workgroup has a row of x, and n_block columns of y. Nearly always all it does is to look at x.
// SHARED: it also adds up the shares of each sum, in their order, as matrix_merge.wgsl does.
struct Params {
    x_offset: u32,
    x_stride: u32,
    b_offset: u32, // of w; the decoder's name for it
    bias_offset: u32,
    y_offset: u32,
    y_stride: u32,
    n_rows: u32,
    n_columns: u32,
    depth: u32,
    n_block: u32,
    n_blocks: u32,
    n_shares: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // [n_rows, depth]

const SMALLEST: u32 = 0x39800000u; // 2^-12
const LARGEST: u32 = 0x477fe000u; // 65504

alias Quad = vec4<f32>;
var<private> b_tile: array<Quad, 4>; // for what the decoder has besides row4

var<workgroup> top: atomic<u32>; // the largest magnitude, as its bits

fn product(row: u32, column: u32) -> f32 {
    var sums = vec4<f32>(0.0);
    for (var k = 0u; k < p.depth; k += 4u) {
        sums += x[(p.x_offset + row * p.x_stride + k) >> 2u] * row4(column * p.depth + k);
    }
    return sums.x + sums.y + sums.z + sums.w;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    if (index >= p.n_rows * p.n_blocks) { return; }
    let row = index / p.n_blocks;
    let first = index % p.n_blocks * p.n_block;
    var own = 0u;
    for (var k = lane * 4u; k < p.depth; k += 1024u) {
        let m = bitcast<vec4<u32>>(abs(x[(p.x_offset + row * p.x_stride + k) >> 2u]));
        own = max(own, max(max(m.x, m.y), max(m.z, m.w)));
    }
    if (lane == 0u) { atomicStore(&top, 0u); }
    workgroupBarrier();
    atomicMax(&top, own);
    workgroupBarrier();
    let most = atomicLoad(&top);
    let exceeds = most > LARGEST || (most > 0u && most < SMALLEST);
    if (!exceeds && !SHARED) { return; }
    for (var n = first + lane; n < min(first + p.n_block, p.n_columns); n += 256u) {
        if (exceeds) {
            put(row, n, product(row, n), true);
        } else {
            var sum = 0.0;
            for (var share = 0u; share < p.n_shares; share += 1u) { sum += share_at(share, row, n); }
            put(row, n, sum, false);
        }
    }
}
