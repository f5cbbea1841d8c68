// SPDX-License-Identifier: MIT
// cross_entropy_grad.wgsl - dlogits = hyper[0] (softmax(logits) - onehot(target)) and the loss, 0 where the target is no
// token; a workgroup makes a row.
struct Params {
    logits: Rows,
    dlogits: Rows,
    targets_offset: u32,
    hyper_offset: u32,
    loss_offset: u32,
    n_columns: u32,
    n_rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> hyper: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let first = row_start(p.logits, row);
    let to = row_start(p.dlogits, row);
    let n = p.n_columns;
    let token = targets[p.targets_offset + row];
    if (token >= n) { // -1 too
        for (var i = lane; i < n; i += 256u) { dlogits[to + i] = 0.0; }
        if (lane == 0u) { loss[p.loss_offset + row] = 0.0; }
        return;
    }
    let sum = log_sum_exp(first, n, lane);
    let factor = hyper[p.hyper_offset];
    var i = lane;
    for (; i + 768u < n; i += 1024u) {
        let at = first + i;
        let four = vec4<f32>(logits[at], logits[at + 256u], logits[at + 512u], logits[at + 768u]);
        let places = vec4<u32>(i) + vec4<u32>(0u, 256u, 512u, 768u);
        let hit = select(vec4<f32>(0.0), vec4<f32>(1.0), places == vec4<u32>(token));
        let slopes = factor * (exp((four - sum.x) - sum.y) - hit);
        dlogits[to + i] = slopes.x;
        dlogits[to + i + 256u] = slopes.y;
        dlogits[to + i + 512u] = slopes.z;
        dlogits[to + i + 768u] = slopes.w;
    }
    for (; i < n; i += 256u) {
        let weight = exp((logits[first + i] - sum.x) - sum.y);
        dlogits[to + i] = factor * (weight - select(0.0, 1.0, i == token));
    }
    if (lane == 0u) { loss[p.loss_offset + row] = sum.y + (sum.x - logits[first + token]); }
}
