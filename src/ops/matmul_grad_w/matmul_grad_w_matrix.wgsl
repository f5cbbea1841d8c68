// SPDX-License-Identifier: MIT
// matmul_grad_w_matrix.wgsl - matmul_grad_w.wgsl's product for tile_matrix_scaled.wgsl: a is dy, b is x, both with rows across the sums.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

const A_QUADS: u32 = TILE / 4u;
const A_PITCH: u32 = A_QUADS + 2u;
const A_STEPS: u32 = WORKGROUP / A_QUADS; // brought at once

var<workgroup> a_tile: array<Quad, DEPTH * A_PITCH>; // [DEPTH, A_PITCH] of four rows

fn left(row: u32, step: u32) -> Left {
    return subgroupMatrixLoad<Left, col_major>(&a_tile, step * A_PITCH + row / 4u, A_PITCH);
}

fn bring_a(first: u32, r: u32, lane: u32, ends: bool) {
    let q = lane % A_QUADS;
    let row = min(first + q * 4u, (p.n_rows - 1u) & ~3u);
    for (var i = 0u; i < DEPTH; i += A_STEPS) {
        let step = i + lane / A_QUADS;
        var values = a_quad(select(r + step, min(r + step, p.depth - 1u), ends), row);
        if (ends) { values = first_of(values, select(0u, 4u, r + step < p.depth)); }
        a_tile[step * A_PITCH + q] = Quad(values);
    }
}

const B_QUADS: u32 = TILE / 4u;
const B_PITCH: u32 = B_QUADS + 2u;
const B_STEPS: u32 = WORKGROUP / B_QUADS; // brought at once

var<workgroup> b_tile: array<Quad, DEPTH * B_PITCH>; // [DEPTH, B_PITCH] of four columns

fn right(step: u32, column: u32) -> Right {
    return subgroupMatrixLoad<Right, row_major>(&b_tile, step * B_PITCH + column / 4u, B_PITCH);
}

fn b_quad(row: u32, column: u32) -> vec4<f32> { return b[(p.b_offset + row * p.b_stride + column) >> 2u]; }

fn bring_b(first: u32, r: u32, lane: u32, ends: bool) {
    let q = lane % B_QUADS * 4u;
    let column = min(first + q, (p.n_columns - 1u) & ~3u);
    for (var i = 0u; i < DEPTH; i += B_STEPS) {
        let step = i + lane / B_QUADS;
        var values = b_quad(select(r + step, min(r + step, p.depth - 1u), ends), column);
        if (ends) {
            values = first_of(values, select(0u, 4u, r + step < p.depth)) *
                     vec4<f32>(b_scales[q], b_scales[q + 1u], b_scales[q + 2u], b_scales[q + 3u]);
        }
        b_tile[step * B_PITCH + q / 4u] = taken(values);
    }
}

fn measure_b(first: u32, r: u32, lane: u32) {
    let q = lane % B_QUADS * 4u;
    let column = min(first + q, (p.n_columns - 1u) & ~3u);
    for (var i = 0u; i < DEPTH; i += B_STEPS) {
        let step = r + i + lane / B_QUADS;
        let m = bitcast<vec4<u32>>(abs(b_quad(min(step, p.depth - 1u), column)));
        for (var j = 0u; j < 4u; j += 1u) { atomicMax(&b_tops[q + j], select(0u, m[j], step < p.depth)); }
    }
}
