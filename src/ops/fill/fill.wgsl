// SPDX-License-Identifier: MIT
// fill.wgsl - y = value.
struct Params {
    y: Rows,
    n_columns: u32,
    n: u32,
    value: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = four_elements(group_index(group, n_groups), lane);
    let at = places(p.y, i);
    for (var c = 0u; c < 4u; c += 1u) {
        if (i[c] < p.n) { y[at[c]] = p.value; }
    }
}
