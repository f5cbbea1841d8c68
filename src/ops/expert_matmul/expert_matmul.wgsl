// SPDX-License-Identifier: MIT
// expert_matmul.wgsl - y[t, j, n] = sum over k of x[t, (j,) k] w[e N + n, k] for many tokens; the frame: expert_tile.wgsl.
fn tile_of(index: u32) -> Tile {
    var tile = rows_of_tile(index / p.n_tiles);
    tile.column = index % p.n_tiles * TILE;
    tile.sums_end = p.n_columns;
    return tile;
}

fn bring(tile: Tile, r: u32, lane: u32) {
    let row = lane / 4u;
    let step = lane % 4u * 4u;
    let k = r + step;
    var from_x = vec4<f32>(0.0);
    var from_w = vec4<f32>(0.0);
    if (tile.row + row < tile.row_end) { from_x = below(k, p.n_columns, a4(a_row(tile.row + row) + k)); }
    if (tile.column + row < p.n_outputs) {
        let w_row = (tile.expert * p.n_outputs + tile.column + row) * p.n_columns;
        from_w = below(k, p.n_columns, weight4(w_row + k));
    }
    put_steps(row, step, from_x, true);
    put_steps(row, step, from_w, false);
}

fn store(tile: Tile, row: u32, column: u32, sums: vec4<f32>) {
    if (row < tile.row_end) { store_at(y_row(row), column, p.n_outputs, sums); }
}
