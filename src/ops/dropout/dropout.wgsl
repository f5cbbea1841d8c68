// SPDX-License-Identifier: MIT
// dropout.wgsl - y = x scale where the hash of the element's place says so, else 0. See dropout_hash.wgsl.
struct Params {
    x: Rows,
    y: Rows,
    n_columns: u32,
    n: u32,
    seed_offset: u32,
    stream: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> seed: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = four_elements(group_index(group, n_groups), lane);
    let from_x = places(p.x, i);
    let to = places(p.y, i);
    let values = vec4<f32>(x[from_x.x], x[from_x.y], x[from_x.z], x[from_x.w]) * p.scale;
    let first = dropout_key(seed[p.seed_offset], seed[p.seed_offset + 1u], p.stream);
    let kept = dropout_hash(i, first, pcg_hash(first)) >= vec4<u32>(p.threshold);
    for (var c = 0u; c < 4u; c += 1u) {
        if (i[c] < p.n) { y[to[c]] = select(0.0, values[c], kept[c]); }
    }
}
