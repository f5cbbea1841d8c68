// SPDX-License-Identifier: MIT
// matmul_grad_x_matrix.wgsl - matmul_grad_x.wgsl's product for tile_matrix.wgsl: a is dy, with rows along the sums, b is w, with rows
// across them; stands with matrix_b_across.wgsl.
// include matrix_a_along

fn b_row(row: u32) -> u32 { return row * p.n_columns; }
