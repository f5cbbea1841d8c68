// SPDX-License-Identifier: MIT
// route_grad.wgsl - dlogits[x] = q[x] (d[x] - sum over y of q[y] d[y]); a workgroup makes a token.
struct Params {
    logits: Rows,
    dweights: Rows,
    dlogits: Rows,
    ids_offset: u32,
    n_rows: u32,
    n_experts: u32,
    top_k: u32,
    renorm: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> dweights: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;

// Which of the row's choices the expert is; top_k: none.
fn place_of(row: u32, expert: u32) -> u32 {
    var place = 0u;
    while (place < p.top_k && ids[p.ids_offset + row * p.top_k + place] != expert) { place += 1u; }
    return place;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let first = row_start(p.logits, row);
    let d = row_start(p.dweights, row);
    let largest = logits[first + ids[p.ids_offset + row * p.top_k]];
    var part = 0.0;
    var weighted = 0.0;
    for (var expert = lane; expert < p.n_experts; expert += 256u) {
        let place = place_of(row, expert);
        let e = exp(logits[first + expert] - largest);
        if (place < p.top_k || p.renorm == 0u) { part += e; }
        if (place < p.top_k) { weighted += e * dweights[d + place]; }
    }
    let sum = group_sum(lane, part);
    let mean = group_sum(lane, weighted) / sum;
    for (var expert = lane; expert < p.n_experts; expert += 256u) {
        let place = place_of(row, expert);
        let q = exp(logits[first + expert] - largest) / sum;
        var value = 0.0;
        if (p.renorm == 0u) { value = -q * mean; }
        if (place < p.top_k) { value = q * (dweights[d + place] - mean); }
        dlogits[row_start(p.dlogits, row) + expert] = value;
    }
}
