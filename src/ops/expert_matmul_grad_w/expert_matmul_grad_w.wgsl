// SPDX-License-Identifier: MIT
// expert_matmul_grad_w.wgsl - dw[e N + n, k] += sum over the rows (t, j) of expert e of dy[t, j, n] x[t, (j,) k]; the frame:
// expert_tile.wgsl. Every expert has its tiles, whether it has rows or not.
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn tile_of(index: u32) -> Tile {
    let down = (p.n_outputs + TILE - 1u) / TILE;
    let expert = index / p.n_tiles / down;
    var tile = Tile(min(expert, p.n_experts - 1u), index / p.n_tiles % down * TILE, p.n_outputs, 0u, 0u, 0u);
    tile.column = index % p.n_tiles * TILE;
    tile.sums = start_of(tile.expert);
    tile.sums_end = start_of(tile.expert + 1u);
    if (expert >= p.n_experts) { tile.row_end = 0u; } // the dispatch is folded
    return tile;
}

fn bring(tile: Tile, r: u32, lane: u32) {
    let place = r + lane / 16u;
    let column = lane % 16u * 4u;
    var from_dy = vec4<f32>(0.0);
    var from_x = vec4<f32>(0.0);
    if (place < tile.sums_end) {
        let row = row_at(place);
        let x_row = p.b_offset + row.x * p.b_stride + row.y * p.b_inner + tile.column + column;
        from_dy = below(tile.row + column, p.n_outputs, a4(a_row(place) + tile.row + column));
        from_x = below(tile.column + column, p.n_columns, vec4<f32>(b[x_row], b[x_row + 1u], b[x_row + 2u], b[x_row + 3u]));
    }
    put_columns(column, lane / 16u, from_dy, true);
    put_columns(column, lane / 16u, from_x, false);
}

fn store(tile: Tile, row: u32, column: u32, sums: vec4<f32>) {
    if (row >= tile.row_end || tile.sums == tile.sums_end) { return; }
    let at = p.y_offset + (tile.expert * p.n_outputs + row) * p.y_stride;
    var all = sums;
    if (column < p.n_columns) { all.x += y[at + column]; }
    if (column + 1u < p.n_columns) { all.y += y[at + column + 1u]; }
    if (column + 2u < p.n_columns) { all.z += y[at + column + 2u]; }
    if (column + 3u < p.n_columns) { all.w += y[at + column + 3u]; }
    store_at(at, column, p.n_columns, all);
}
