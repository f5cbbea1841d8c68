// matmul_matrix.wgsl - matmul_tile.wgsl's product for tile_matrix.wgsl: a is x, b is w, both with rows along the sums.
// include matrix_a_along

const B_QUADS: u32 = DEPTH / 4u;
const B_PITCH: u32 = B_QUADS + 2u;
const B_ROWS: u32 = WORKGROUP / B_QUADS; // brought at once

var<workgroup> b_tile: array<vec4<f16>, TILE * B_PITCH>; // [TILE, B_PITCH] of four steps

fn right(step: u32, column: u32) -> Right {
    return subgroupMatrixLoad<Right, col_major>(&b_tile, column * B_PITCH + step / 4u, B_PITCH);
}

fn a_value(x: vec4<f32>) -> vec4<f32> { return clamped(x); }

fn bring_b(first: u32, r: u32, lane: u32, ends: bool) {
    let q = lane % B_QUADS;
    let k = r + q * 4u;
    for (var i = 0u; i < TILE; i += B_ROWS) {
        let column = i + lane / B_QUADS;
        var values = row4(min(first + column, p.n_columns - 1u) * p.depth + select(k, min(k, p.depth - 4u), ends));
        if (ends) { values = first_of(values, select(0u, 4u, k < p.depth)); }
        b_tile[column * B_PITCH + q] = vec4<f16>(values);
    }
}
