// SPDX-License-Identifier: MIT
// expert_matmul_few.wgsl - y[t, j, n] = sum over k of x[t, (j,) k] w[e N + n, k] for few tokens; of the matrices only those of
// experts that were chosen are read. 32 invocations share the sum of one output, a workgroup makes 8 outputs of a row.
const OUTPUTS: u32 = 8u; // of a workgroup
const LANES: u32 = 32u; // invocations that share an output

var<workgroup> partial: array<f32, 256>; // [OUTPUTS, LANES]
var<workgroup> expert_here: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let place = group.z;
    let n = (group.y * n_groups.x + group.x) * OUTPUTS + lane / LANES;
    for (var expert = lane; expert < p.n_experts; expert += 256u) {
        if (start_of(expert) <= place && place < start_of(expert + 1u)) { expert_here = expert; }
    }
    let expert = workgroupUniformLoad(&expert_here);
    let x_row = a_row(place);
    var sums = vec4<f32>(0.0);
    if (n < p.n_outputs) {
        let w_row = (expert * p.n_outputs + n) * p.n_columns;
        var k = lane % LANES * 4u;
        for (; k + 4u <= p.n_columns; k += LANES * 4u) { sums += weight4(w_row + k) * a4(x_row + k); }
        if (k < p.n_columns) {
            sums += below(k, p.n_columns, weight4(w_row + k)) * below(k, p.n_columns, a4(x_row + k));
        }
    }
    partial[lane] = (sums.x + sums.y) + (sums.z + sums.w);
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES == 0u && n < p.n_outputs) { y[y_row(place) + n] = partial[lane]; }
}
