// SPDX-License-Identifier: MIT
// matmul_y_bias.wgsl - matmul_y.wgsl where there is a bias, which may begin anywhere.
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row >= p.n_rows || column >= p.n_columns) { return; }
    let i = p.bias_offset + column;
    y[(p.y_offset + row * p.y_stride + column) >> 2u] =
        sum + vec4<f32>(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u]);
}
