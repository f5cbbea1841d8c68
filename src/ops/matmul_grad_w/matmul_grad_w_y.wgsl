// SPDX-License-Identifier: MIT
// matmul_grad_w_y.wgsl - how matmul_grad_w.wgsl adds its results to what is there, where rows of dw are whole quads.
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row < p.n_rows && column < p.n_columns) { y[(p.y_offset + row * p.y_stride + column) >> 2u] += sum; }
}
