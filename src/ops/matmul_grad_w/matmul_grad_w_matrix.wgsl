// matmul_grad_w_matrix.wgsl - matmul_grad_w.wgsl's product for tile_matrix.wgsl: a is dy, b is x, both with rows across the sums;
// stands with matrix_b_across.wgsl.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

const A_SCALED: bool = false;
const B_SCALED: bool = true;
const A_QUADS: u32 = TILE / 4u;
const A_PITCH: u32 = A_QUADS + 2u;
const A_STEPS: u32 = WORKGROUP / A_QUADS; // brought at once

var<workgroup> a_tile: array<Quad, DEPTH * A_PITCH>; // [DEPTH, A_PITCH] of four rows

fn left(row: u32, step: u32) -> Left {
    return subgroupMatrixLoad<Left, col_major>(&a_tile, step * A_PITCH + row / 4u, A_PITCH);
}

fn bring_a(first: u32, r: u32, lane: u32, careful: bool) {
    let q = lane % A_QUADS;
    let row = min(first + q * 4u, (p.n_rows - 1u) & ~3u);
    for (var i = 0u; i < DEPTH; i += A_STEPS) {
        let step = i + lane / A_QUADS;
        var values = a_quad(select(r + step, min(r + step, p.depth - 1u), careful), row);
        if (careful) { values = first_of(values, select(0u, 4u, r + step < p.depth)); }
        a_tile[step * A_PITCH + q] = taken(values, A_SCALED);
    }
}

fn measure_a(first: u32, r: u32, lane: u32) {}

const RUN: u32 = 4u; // elements of a row of b that are brought at once

fn b_row(row: u32) -> u32 { return row * p.b_stride; }

fn row4(e: u32) -> vec4<f32> { return b[(p.b_offset + e) >> 2u]; }

fn put_run(at: u32, e: u32, within: bool) {}
