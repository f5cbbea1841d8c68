// SPDX-License-Identifier: MIT
// matrix_b_across.wgsl - b for tile_matrix.wgsl where its rows run across the sums: the tile has a row for each step. b_row(r) is the
// number of the first element of b's row r, and put_run brings RUN of them at once (quant_row.wgsl).
const B_PITCH: u32 = TILE / 4u + 2u;
const B_RUNS: u32 = TILE / RUN; // of a row
const B_BRINGERS: u32 = min(WORKGROUP, DEPTH * B_RUNS);
const B_STEPS: u32 = B_BRINGERS / B_RUNS; // brought at once

var<workgroup> b_tile: array<Quad, DEPTH * B_PITCH>; // [DEPTH, B_PITCH] of four columns

fn right(step: u32, column: u32) -> Right {
    return subgroupMatrixLoad<Right, row_major>(&b_tile, step * B_PITCH + column / 4u, B_PITCH);
}

fn bring_b(first: u32, r: u32, lane: u32, ends: bool) {
    if (B_BRINGERS < WORKGROUP && lane >= B_BRINGERS) { return; }
    let q = lane % B_RUNS * RUN;
    let column = min(first + q, (p.n_columns - 1u) / RUN * RUN);
    for (var i = 0u; i < DEPTH; i += B_STEPS) {
        let step = i + lane / B_RUNS;
        let row = select(r + step, min(r + step, p.depth - 1u), ends);
        put_run(step * B_PITCH + q / 4u, b_row(row) + column, !ends | (r + step < p.depth));
    }
}
