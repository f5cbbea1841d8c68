// SPDX-License-Identifier: MIT
// cross_entropy.wgsl - loss = log sum_v exp(logits[v]) - logits[target], 0 where the target is no token; a workgroup makes a
// row.
struct Params {
    logits: Rows,
    targets_offset: u32,
    loss_offset: u32,
    n_columns: u32,
    n_rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let first = row_start(p.logits, row);
    let token = targets[p.targets_offset + row];
    if (token >= p.n_columns) { // -1 too
        if (lane == 0u) { loss[p.loss_offset + row] = 0.0; }
        return;
    }
    let sum = log_sum_exp(first, p.n_columns, lane);
    if (lane == 0u) { loss[p.loss_offset + row] = sum.y + (sum.x - logits[first + token]); }
}
