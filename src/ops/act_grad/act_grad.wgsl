// SPDX-License-Identifier: MIT
// act_grad.wgsl - dx = f'(x) dy.
struct Params {
    x: Rows,
    dy: Rows,
    dx: Rows,
    n_columns: u32,
    n: u32,
    f: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = four_elements(group_index(group, n_groups), lane);
    let from_x = places(p.x, i);
    let from_dy = places(p.dy, i);
    let to = places(p.dx, i);
    let xs = vec4<f32>(x[from_x.x], x[from_x.y], x[from_x.z], x[from_x.w]);
    let dys = vec4<f32>(dy[from_dy.x], dy[from_dy.y], dy[from_dy.z], dy[from_dy.w]);
    let values = activate_slopes(p.f, xs) * dys;
    for (var c = 0u; c < 4u; c += 1u) {
        if (i[c] < p.n) { dx[to[c]] = values[c]; }
    }
}
