// SPDX-License-Identifier: MIT
// matmul_mend_y.wgsl - y for matmul_mend.wgsl; whole: the sum was made anew.
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn put(row: u32, column: u32, sum: f32, whole: bool) { y[p.y_offset + row * p.y_stride + column] = sum; }
