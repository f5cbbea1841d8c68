// SPDX-License-Identifier: MIT
// matrix_merge.wgsl - y = the shares of each sum added up, in their order, and onto what is there where `adds` is 1.
struct Params {
    y_offset: u32,
    y_stride: u32,
    n_columns: u32,
    n: u32, // results
    n_shares: u32,
    adds: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> shares: array<vec4<f32>>; // [n_shares, n]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let e = ((group.y * n_groups.x + group.x) * 256u + lane) * 4u;
    if (e >= p.n) { return; }
    let at = (p.y_offset + e / p.n_columns * p.y_stride + e % p.n_columns) >> 2u;
    var sum = shares[e >> 2u];
    for (var share = 1u; share < p.n_shares; share += 1u) { sum += shares[(share * p.n + e) >> 2u]; }
    if (p.adds == 1u) { sum += y[at]; }
    y[at] = sum;
}
