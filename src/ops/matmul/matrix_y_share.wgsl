// SPDX-License-Identifier: MIT
// matrix_y_share.wgsl - how tile_matrix.wgsl stores a share of each sum; matrix_merge.wgsl or matmul_mend.wgsl adds them up. Rows of y are whole quads.
@group(0) @binding(4) var<storage, read_write> shares: array<vec4<f32>>; // [n_shares, n_rows, n_columns]

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row >= p.n_rows || column >= p.n_columns) { return; }
    shares[((share * p.n_rows + row) * p.n_columns + column) >> 2u] = sum;
}
