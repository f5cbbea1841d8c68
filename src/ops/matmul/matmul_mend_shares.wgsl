// SPDX-License-Identifier: MIT
// matmul_mend_shares.wgsl - the shares of the sums for matmul_mend.wgsl.
const SHARED: bool = true;

@group(0) @binding(4) var<storage, read_write> shares: array<f32>; // [n_shares, n_rows, n_columns]

fn share_at(share: u32, row: u32, column: u32) -> f32 {
    return shares[(share * p.n_rows + row) * p.n_columns + column];
}
