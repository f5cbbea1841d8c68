// SPDX-License-Identifier: MIT
// matmul_matrix.wgsl - matmul_tile.wgsl's product for tile_matrix.wgsl: a is x, b is w, both with rows along the sums. The decoder of w's
// type brings a run of a row at once (quant_row.wgsl).
// include matrix_a_along

const B_PITCH: u32 = DEPTH / 4u + 2u;
const B_RUNS: u32 = DEPTH / RUN; // of a row
const B_BRINGERS: u32 = min(WORKGROUP, TILE * B_RUNS);
const B_ROWS: u32 = B_BRINGERS / B_RUNS; // brought at once

var<workgroup> b_tile: array<Quad, TILE * B_PITCH>; // [TILE, B_PITCH] of four steps

fn right(step: u32, column: u32) -> Right {
    return subgroupMatrixLoad<Right, col_major>(&b_tile, column * B_PITCH + step / 4u, B_PITCH);
}

fn bring_b(first: u32, r: u32, lane: u32, ends: bool) {
    if (B_BRINGERS < WORKGROUP && lane >= B_BRINGERS) { return; }
    let q = lane % B_RUNS * RUN;
    let k = r + q;
    for (var i = 0u; i < TILE; i += B_ROWS) {
        let column = i + lane / B_RUNS;
        let e = min(first + column, p.n_columns - 1u) * p.depth + select(k, min(k, p.depth - RUN), ends);
        put_run(column * B_PITCH + q / 4u, e, !ends | (k < p.depth));
    }
}
