// SPDX-License-Identifier: MIT
// adamw.wgsl - m = b1 m + (1 - b1) g', v = b2 v + (1 - b2) g'^2, w -= rate (m c1 / (sqrt(v c2) + eps) + decay w) with
// g' = factor g; nothing where stats say that g is no number.
struct Params {
    g: Rows,
    w: Rows,
    m: Rows,
    v: Rows,
    n_columns: u32,
    n: u32,
    stats_offset: u32,
    hyper_offset: u32,
    beta1: f32,
    beta2: f32,
    rest1: f32, // 1 - beta1
    rest2: f32,
    eps: f32,
    decay: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read> hyper: array<f32>;
@group(0) @binding(4) var<storage, read_write> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> m: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    if (stats[p.stats_offset + 2u] == 0.0) { return; }
    let factor = stats[p.stats_offset + 1u];
    let rate = hyper[p.hyper_offset + 3u];
    let correct1 = hyper[p.hyper_offset + 4u];
    let correct2 = hyper[p.hyper_offset + 5u];
    let i = four_elements(group_index(group, n_groups), lane);
    let from_g = places(p.g, i);
    let at_w = places(p.w, i);
    let at_m = places(p.m, i);
    let at_v = places(p.v, i);
    let grads = vec4<f32>(g[from_g.x], g[from_g.y], g[from_g.z], g[from_g.w]) * factor;
    let weights = vec4<f32>(w[at_w.x], w[at_w.y], w[at_w.z], w[at_w.w]);
    let first = p.beta1 * vec4<f32>(m[at_m.x], m[at_m.y], m[at_m.z], m[at_m.w]) + p.rest1 * grads;
    let second = p.beta2 * vec4<f32>(v[at_v.x], v[at_v.y], v[at_v.z], v[at_v.w]) + p.rest2 * grads * grads;
    let steps = first * correct1 / (sqrt(second * correct2) + p.eps) + p.decay * weights;
    for (var c = 0u; c < 4u; c += 1u) {
        if (i[c] < p.n) {
            w[at_w[c]] = weights[c] - rate * steps[c];
            m[at_m[c]] = first[c];
            v[at_v[c]] = second[c];
        }
    }
}
