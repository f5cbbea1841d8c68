// SPDX-License-Identifier: MIT
// sum_squares.wgsl - parts[p] = the sum of x^2 over piece p; a workgroup makes a piece.
struct Params {
    x_offset: u32,
    parts_offset: u32,
    n: u32,
    n_parts: u32,
    part_size: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let part = group_index(group, n_groups);
    if (part >= p.n_parts) { return; }
    let first = min(part * p.part_size, p.n);
    let end = min(p.n - first, p.part_size); // counted from `first`
    var four = vec4<f32>(0.0);
    var i = lane;
    for (; i + 768u < end; i += 1024u) {
        let at = p.x_offset + first + i;
        let values = vec4<f32>(x[at], x[at + 256u], x[at + 512u], x[at + 768u]);
        four += values * values;
    }
    for (; i < end; i += 256u) {
        let value = x[p.x_offset + first + i];
        four.x += value * value;
    }
    let sum = group_sum(lane, (four.x + four.y) + (four.z + four.w));
    if (lane == 0u) { parts[p.parts_offset + part] = sum; }
}
