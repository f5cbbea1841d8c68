// SPDX-License-Identifier: MIT
// attention_merge.wgsl - the parts of a cache that a softmax was taken over, put together: each part's sums and weights
// count e^(its largest score - the largest of all). A workgroup makes one head of one token.
struct Params {
    out_offset: u32,
    out_stride: u32, // of tokens
    n_rows: u32, // T H
    n_heads: u32,
    head_dim: u32,
    n_parts: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scratch: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    let stats = (p.n_rows * p.head_dim + row * 2u) * p.n_parts;
    var largest = scratch[stats];
    for (var i = 1u; i < p.n_parts; i += 1u) { largest = max(largest, scratch[stats + i]); }
    var total = 0.0;
    for (var i = 0u; i < p.n_parts; i += 1u) { total += scratch[stats + p.n_parts + i] * exp(scratch[stats + i] - largest); }
    let at = p.out_offset + row / p.n_heads * p.out_stride + row % p.n_heads * p.head_dim;
    for (var d = lane; d < p.head_dim; d += 64u) {
        var sum = 0.0;
        for (var i = 0u; i < p.n_parts; i += 1u) {
            sum += scratch[(row * p.n_parts + i) * p.head_dim + d] * exp(scratch[stats + i] - largest);
        }
        out[at + d] = sum / total;
    }
}
