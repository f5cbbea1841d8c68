// SPDX-License-Identifier: MIT
// expert_matmul_grad_x.wgsl - dx[t, j, k] = sum over n of dy[t, j, n] w[e N + n, k]; the frame: expert_tile.wgsl.
fn tile_of(index: u32) -> Tile {
    var tile = rows_of_tile(index / p.n_tiles);
    tile.column = index % p.n_tiles * TILE;
    tile.sums_end = p.n_outputs;
    return tile;
}

fn bring(tile: Tile, r: u32, lane: u32) {
    let row = lane / 4u;
    let step = lane % 4u * 4u;
    var from_dy = vec4<f32>(0.0);
    if (tile.row + row < tile.row_end) { from_dy = below(r + step, p.n_outputs, a4(a_row(tile.row + row) + r + step)); }
    put_steps(row, step, from_dy, true);
    let n = r + lane / 16u;
    let k = tile.column + lane % 16u * 4u;
    var from_w = vec4<f32>(0.0);
    if (n < p.n_outputs && k < p.n_columns) {
        from_w = below(k, p.n_columns, weight4((tile.expert * p.n_outputs + n) * p.n_columns + k));
    }
    put_columns(lane % 16u * 4u, lane / 16u, from_w, false);
}

fn store(tile: Tile, row: u32, column: u32, sums: vec4<f32>) {
    if (row < tile.row_end) { store_at(y_row(row), column, p.n_columns, sums); }
}
