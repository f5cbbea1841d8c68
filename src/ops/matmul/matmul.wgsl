// SPDX-License-Identifier: MIT
// matmul.wgsl - y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n]) for many tokens.
//
// A workgroup makes a tile of 64 tokens by 64 outputs, an invocation 4 by 4 of it, with 16 columns of x and w at a time in
// workgroup memory.
const TILE: u32 = 64u;
const DEPTH: u32 = 16u;
const PITCH: u32 = 68u; // of a column in a tile's memory

var<workgroup> x_tile: array<f32, 1088>; // [DEPTH, PITCH], columns first
var<workgroup> w_tile: array<f32, 1088>;

fn store_row(token: u32, first: u32, sums: vec4<f32>) {
    if (token >= p.n_tokens) { return; }
    let at = p.y_offset + token * p.y_stride + first;
    if (first < p.n_outputs) { y[at] = sums.x + bias_of(first); }
    if (first + 1u < p.n_outputs) { y[at + 1u] = sums.y + bias_of(first + 1u); }
    if (first + 2u < p.n_outputs) { y[at + 2u] = sums.z + bias_of(first + 2u); }
    if (first + 3u < p.n_outputs) { y[at + 3u] = sums.w + bias_of(first + 3u); }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let first_token = index / p.n_tiles * TILE;
    let first_output = index % p.n_tiles * TILE;
    // What this invocation brings into workgroup memory: four columns of a row of x, and of w.
    let row = lane / 4u;
    let column = lane % 4u * 4u;
    let token = first_token + row;
    let output = first_output + row;
    // What it computes.
    let t = lane / 16u * 4u;
    let n = lane % 16u * 4u;
    var sums0 = vec4<f32>(0.0);
    var sums1 = vec4<f32>(0.0);
    var sums2 = vec4<f32>(0.0);
    var sums3 = vec4<f32>(0.0);
    for (var k = 0u; k < p.n_columns; k += DEPTH) {
        var from_x = vec4<f32>(0.0);
        var from_w = vec4<f32>(0.0);
        if (token < p.n_tokens) { from_x = within_row(k + column, x4(p.x_offset + token * p.x_stride + k + column)); }
        if (output < p.n_outputs) { from_w = within_row(k + column, weight4(output * p.n_columns + k + column)); }
        for (var i = 0u; i < 4u; i += 1u) {
            x_tile[(column + i) * PITCH + row] = from_x[i];
            w_tile[(column + i) * PITCH + row] = from_w[i];
        }
        workgroupBarrier();
        for (var i = 0u; i < DEPTH; i += 1u) {
            let at = i * PITCH + n;
            let weights = vec4<f32>(w_tile[at], w_tile[at + 1u], w_tile[at + 2u], w_tile[at + 3u]);
            sums0 += x_tile[i * PITCH + t] * weights;
            sums1 += x_tile[i * PITCH + t + 1u] * weights;
            sums2 += x_tile[i * PITCH + t + 2u] * weights;
            sums3 += x_tile[i * PITCH + t + 3u] * weights;
        }
        workgroupBarrier();
    }
    store_row(first_token + t, first_output + n, sums0);
    store_row(first_token + t + 1u, first_output + n, sums1);
    store_row(first_token + t + 2u, first_output + n, sums2);
    store_row(first_token + t + 3u, first_output + n, sums3);
}
