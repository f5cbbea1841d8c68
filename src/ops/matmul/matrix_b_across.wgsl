// matrix_b_across.wgsl - b for tile_matrix.wgsl where its rows run across the sums: the tile has a row for each step. b_quad(r, c)
// is four elements of row r of b from column c on.
const B_QUADS: u32 = TILE / 4u;
const B_PITCH: u32 = B_QUADS + 2u;
const B_STEPS: u32 = WORKGROUP / B_QUADS; // brought at once

var<workgroup> b_tile: array<vec4<f16>, DEPTH * B_PITCH>; // [DEPTH, B_PITCH] of four columns

fn right(step: u32, column: u32) -> Right {
    return subgroupMatrixLoad<Right, row_major>(&b_tile, step * B_PITCH + column / 4u, B_PITCH);
}

fn bring_b(first: u32, r: u32, lane: u32, ends: bool) {
    let q = lane % B_QUADS;
    let column = min(first + q * 4u, (p.n_columns - 1u) & ~3u);
    for (var i = 0u; i < DEPTH; i += B_STEPS) {
        let step = i + lane / B_QUADS;
        var values = b_quad(select(r + step, min(r + step, p.depth - 1u), ends), column);
        if (ends) { values = first_of(values, select(0u, 4u, r + step < p.depth)); }
        b_tile[step * B_PITCH + q] = vec4<f16>(values);
    }
}
