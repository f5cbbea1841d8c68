// SPDX-License-Identifier: MIT
// matmul_mend_shares_bias.wgsl - matmul_mend_shares.wgsl where there is a bias.
const SHARED: bool = true;

@group(0) @binding(5) var<storage, read_write> shares: array<f32>; // [n_shares, n_rows, n_columns]

fn share_at(share: u32, row: u32, column: u32) -> f32 {
    return shares[(share * p.n_rows + row) * p.n_columns + column];
}
