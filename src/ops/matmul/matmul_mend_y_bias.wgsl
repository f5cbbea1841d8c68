// SPDX-License-Identifier: MIT
// matmul_mend_y_bias.wgsl - matmul_mend_y.wgsl where there is a bias, which the first share of a sum has already.
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn put(row: u32, column: u32, sum: f32, whole: bool) {
    y[p.y_offset + row * p.y_stride + column] = select(sum, sum + bias[p.bias_offset + column], whole);
}
