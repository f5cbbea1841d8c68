// SPDX-License-Identifier: MIT
// matmul_grad_w_y_any.wgsl - matmul_grad_w_y.wgsl where rows of dw have any length.
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row >= p.n_rows || column >= p.n_columns) { return; }
    let at = p.y_offset + row * p.y_stride + column;
    y[at] += sum.x;
    if (column + 1u < p.n_columns) { y[at + 1u] += sum.y; }
    if (column + 2u < p.n_columns) { y[at + 2u] += sum.z; }
    if (column + 3u < p.n_columns) { y[at + 3u] += sum.w; }
}
