// SPDX-License-Identifier: MIT
// rows.wgsl - what the kernels over rows of activations share: where a row begins, and the number of a workgroup.

// The rows of a tensor of up to three dimensions; the elements of a row lie side by side. See ops/dispatch.h.
struct Rows {
    offset: u32, // of the first element
    n_inner: u32, // rows [n_outer, n_inner]
    stride: u32, // from one outer row to the next
    inner_stride: u32,
}

fn row_start(rows: Rows, row: u32) -> u32 {
    return rows.offset + row / rows.n_inner * rows.stride + row % rows.n_inner * rows.inner_stride;
}

// The number of a workgroup whose dispatch is folded into two dimensions.
fn group_index(group: vec3<u32>, n_groups: vec3<u32>) -> u32 { return group.y * n_groups.x + group.x; }
