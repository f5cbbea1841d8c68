// SPDX-License-Identifier: MIT
// matmul_few.wgsl - y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n]) for few tokens.
//
// 32 invocations share the sum of one output, each takes every 32nd four columns, and a tree adds them up; a workgroup makes
// 8 outputs of a token.
const OUTPUTS: u32 = 8u; // of a workgroup
const LANES: u32 = 32u; // invocations that share an output

var<workgroup> partial: array<f32, 256>; // [OUTPUTS, LANES]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let n = index * OUTPUTS + lane / LANES;
    let x_row = p.x_offset + group.z * p.x_stride;
    var sums = vec4<f32>(0.0);
    if (n < p.n_outputs) {
        let w_row = n * p.n_columns;
        var k = lane % LANES * 4u;
        for (; k + 4u <= p.n_columns; k += LANES * 4u) { sums += weight4(w_row + k) * x4(x_row + k); }
        if (k < p.n_columns) { sums += within_row(k, weight4(w_row + k)) * within_row(k, x4(x_row + k)); }
    }
    partial[lane] = (sums.x + sums.y) + (sums.z + sums.w);
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES == 0u && n < p.n_outputs) {
        y[p.y_offset + group.z * p.y_stride + n] = partial[lane] + bias_of(n);
    }
}
