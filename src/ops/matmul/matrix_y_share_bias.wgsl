// SPDX-License-Identifier: MIT
// matrix_y_share_bias.wgsl - matrix_y_share.wgsl where there is a bias, which may begin anywhere: the first share has it.
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> shares: array<vec4<f32>>; // [n_shares, n_rows, n_columns]

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row >= p.n_rows || column >= p.n_columns) { return; }
    let i = p.bias_offset + column;
    let added = select(vec4<f32>(0.0), vec4<f32>(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u]), share == 0u);
    shares[((share * p.n_rows + row) * p.n_columns + column) >> 2u] = sum + added;
}
