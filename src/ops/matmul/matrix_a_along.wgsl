// SPDX-License-Identifier: MIT
// matrix_a_along.wgsl - a for tile_matrix.wgsl where its rows run along the sums: the tile has a row for each of a's.
const A_QUADS: u32 = DEPTH / 4u;
const A_PITCH: u32 = A_QUADS + 2u;
const A_ROWS: u32 = WORKGROUP / A_QUADS; // brought at once

var<workgroup> a_tile: array<Quad, TILE * A_PITCH>; // [TILE, A_PITCH] of four steps

fn left(row: u32, step: u32) -> Left {
    return subgroupMatrixLoad<Left, row_major>(&a_tile, row * A_PITCH + step / 4u, A_PITCH);
}

fn bring_a(first: u32, r: u32, lane: u32, ends: bool) {
    let q = lane % A_QUADS;
    let step = r + q * 4u;
    for (var i = 0u; i < TILE; i += A_ROWS) {
        let row = i + lane / A_QUADS;
        var values = a_quad(min(first + row, p.n_rows - 1u), select(step, min(step, (p.depth - 1u) & ~3u), ends));
        if (ends) { values = first_of(values, select(0u, p.depth - step, step < p.depth)); }
        a_tile[row * A_PITCH + q] = Quad(values);
    }
}
