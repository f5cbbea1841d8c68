// SPDX-License-Identifier: MIT
// combine_grad.wgsl - dy[t, j] = weights[t, j] dout[t], dweights[t, j] = y[t, j] . dout[t]; a workgroup makes a row (t, j).
struct Params {
    y: Rows,
    dy: Rows,
    weights_offset: u32,
    weights_stride: u32,
    dout_offset: u32,
    dout_stride: u32,
    dweights_offset: u32,
    dweights_stride: u32,
    n_rows: u32,
    n_columns: u32,
    top_k: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> dout: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dweights: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let token = row / p.top_k;
    let j = row % p.top_k;
    let weight = weights[p.weights_offset + token * p.weights_stride + j];
    let y_row = row_start(p.y, row);
    let dy_row = row_start(p.dy, row);
    let dout_row = p.dout_offset + token * p.dout_stride;
    var part = 0.0;
    for (var i = lane; i < p.n_columns; i += 256u) {
        let d = dout[dout_row + i];
        part += y[y_row + i] * d;
        dy[dy_row + i] = weight * d;
    }
    let sum = group_sum(lane, part);
    if (lane == 0u) { dweights[p.dweights_offset + token * p.dweights_stride + j] = sum; }
}
