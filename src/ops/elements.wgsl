// SPDX-License-Identifier: MIT
// elements.wgsl - what the element-by-element kernels share: an invocation makes one element of `out`, p.n in all. The module
// defines `element`, of a row and a column.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.n_columns;
    let column = i % p.n_columns;
    out[row_start(p.out, row) + column] = element(row, column);
}
