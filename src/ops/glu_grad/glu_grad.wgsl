// SPDX-License-Identifier: MIT
// glu_grad.wgsl - dgate = f'(gate) up dy, dup = f(gate) dy.
struct Params {
    gate: Rows,
    up: Rows,
    dy: Rows,
    dgate: Rows,
    dup: Rows,
    n_columns: u32,
    n: u32,
    f: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgate: array<f32>;
@group(0) @binding(5) var<storage, read_write> dup: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = four_elements(group_index(group, n_groups), lane);
    let from_gate = places(p.gate, i);
    let from_up = places(p.up, i);
    let from_dy = places(p.dy, i);
    let to_gate = places(p.dgate, i);
    let to_up = places(p.dup, i);
    let gates = vec4<f32>(gate[from_gate.x], gate[from_gate.y], gate[from_gate.z], gate[from_gate.w]);
    let ups = vec4<f32>(up[from_up.x], up[from_up.y], up[from_up.z], up[from_up.w]);
    let dys = vec4<f32>(dy[from_dy.x], dy[from_dy.y], dy[from_dy.z], dy[from_dy.w]);
    let gate_grads = activate_slopes(p.f, gates) * ups * dys;
    for (var c = 0u; c < 4u; c += 1u) {
        if (i[c] < p.n) {
            dgate[to_gate[c]] = gate_grads[c];
            dup[to_up[c]] = activate(p.f, gates[c]) * dys[c];
        }
    }
}
