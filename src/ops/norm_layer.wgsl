// SPDX-License-Identifier: MIT
// norm_layer.wgsl - what layer_norm and add_layer_norm share: a workgroup makes a row. The module defines `first_look` and
// `again`, which give an element of the row that is normalized: in the first pass over it, and later.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let out_row = row_start(p.out, row);
    var total = 0.0;
    for (var i = lane; i < p.n_columns; i += 256u) { total += first_look(row, i); }
    let mean = group_sum(lane, total) / f32(p.n_columns);
    var squares = 0.0;
    for (var i = lane; i < p.n_columns; i += 256u) {
        let d = again(row, i) - mean;
        squares += d * d;
    }
    let scale = 1.0 / sqrt(group_sum(lane, squares) / f32(p.n_columns) + p.eps);
    for (var i = lane; i < p.n_columns; i += 256u) {
        out[out_row + i] = (again(row, i) - mean) * scale * w[p.w_offset + i] + bias[p.bias_offset + i];
    }
}
