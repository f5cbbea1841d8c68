// tile_matrix.wgsl - tile.wgsl's products where a device multiplies matrices by hardware: F16 times F16, added up in F32.
//
// A workgroup makes a tile of TILE by TILE results; DEPTH steps of the sums at a time lie in workgroup memory, as F16. Its
// subgroups share the tile out: each adds up SIDE by SIDE results, four by four matrices, of one part of the steps; the parts
// are added in the end, always in the same order.
//
// The modules it stands with say what a and b are: bring_a and bring_b fill the tiles, with zeros where the sums end within them,
// and left and right take matrices out of them; store(m, c, sum) takes four results. Rows of a tile are eight elements longer
// than they hold, so that rows of a matrix lie in different banks. MATRIX, the side of a matrix, and SUBGROUP are the device's.
//
// Wanted: rows of a that begin at whole quads. Among the loads nothing branches, not even where all would take the same way: that
// made a third of the speed.
//
// Where there are few tiles and long sums, several workgroups have a tile in common, each a share of the steps: matrix_y_share.wgsl.
//
// The sixteen sums have names that are known when this is compiled, as an array's elements with constant indices: what is indexed
// by a variable would lie in memory, at a sixth of the speed.
// include tile_args

const SIDE: u32 = 4u * MATRIX;
const ACROSS: u32 = TILE / SIDE;
const AREAS: u32 = ACROSS * ACROSS;
const WORKGROUP: u32 = SUBGROUP * AREAS * PARTS;
const BREADTH: u32 = DEPTH / PARTS; // of a part of the steps
const ROW_QUADS: u32 = MATRIX / 4u;
const MATRIX_QUADS: u32 = MATRIX * ROW_QUADS;

alias Quad = vec4<f16>;
alias Left = subgroup_matrix_left<f16, MATRIX, MATRIX>;
alias Right = subgroup_matrix_right<f16, MATRIX, MATRIX>;
alias Sum = subgroup_matrix_result<f32, MATRIX, MATRIX>;

var<private> share: u32; // which of the n_shares this workgroup's is
var<workgroup> sums: array<vec4<f32>, AREAS * PARTS * MATRIX_QUADS>; // a matrix of each subgroup

// Four elements of a row of a from i on, i a multiple of 4.
fn a_quad(row: u32, i: u32) -> vec4<f32> { return a[(p.a_offset + row * p.a_stride + i) >> 2u]; }

// The first n of four, then zeros.
fn first_of(values: vec4<f32>, n: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(n));
}

// Activations: F16 ends at 65504. A gradient beyond it becomes infinite, so that the loss is scaled anew.
fn clamped(values: vec4<f32>) -> vec4<f32> { return clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0)); }

// Stores the matrices that all subgroups have at this place of their areas.
fn deliver(sum: Sum, subgroup: u32, lane: u32, row: u32, column: u32) {
    subgroupMatrixStore<row_major>(&sums, subgroup * MATRIX_QUADS, sum, ROW_QUADS);
    workgroupBarrier();
    for (var e = lane; e < AREAS * MATRIX_QUADS; e += WORKGROUP) {
        var total = sums[e];
        for (var part = 1u; part < PARTS; part += 1u) { total += sums[part * AREAS * MATRIX_QUADS + e]; }
        let area = e / MATRIX_QUADS;
        let quad = e % MATRIX_QUADS;
        store(row + area / ACROSS * SIDE + quad / ROW_QUADS, column + area % ACROSS * SIDE + quad % ROW_QUADS * 4u, total);
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let n_all = (p.n_rows + TILE - 1u) / TILE * p.n_tiles;
    let n = index / n_all;
    if (n >= p.n_shares) { return; }
    share = n; // for store; not read here, where it must be seen that all invocations have the same
    let first_row = index % n_all / p.n_tiles * TILE;
    let first_column = index % n_all % p.n_tiles * TILE;
    let part = subgroup / AREAS;
    let m = subgroup % AREAS / ACROSS * SIDE;
    let c = subgroup % ACROSS * SIDE;
    var s: array<Sum, 16>; // [row, column] of matrices
    let end = min((n + 1u) * p.share_depth, p.depth);
    for (var r = n * p.share_depth; r < end; r += DEPTH) {
        if (r + DEPTH <= p.depth) {
            bring_a(first_row, r, lane, false);
            bring_b(first_column, r, lane, false);
        } else {
            bring_a(first_row, r, lane, true);
            bring_b(first_column, r, lane, true);
        }
        workgroupBarrier();
        for (var step = part * BREADTH; step < (part + 1u) * BREADTH; step += MATRIX) {
            let b0 = right(step, c);
            let b1 = right(step, c + MATRIX);
            let b2 = right(step, c + 2u * MATRIX);
            let b3 = right(step, c + 3u * MATRIX);
            let a0 = left(m, step);
            s[0] = subgroupMatrixMultiplyAccumulate(a0, b0, s[0]);
            s[1] = subgroupMatrixMultiplyAccumulate(a0, b1, s[1]);
            s[2] = subgroupMatrixMultiplyAccumulate(a0, b2, s[2]);
            s[3] = subgroupMatrixMultiplyAccumulate(a0, b3, s[3]);
            let a1 = left(m + MATRIX, step);
            s[4] = subgroupMatrixMultiplyAccumulate(a1, b0, s[4]);
            s[5] = subgroupMatrixMultiplyAccumulate(a1, b1, s[5]);
            s[6] = subgroupMatrixMultiplyAccumulate(a1, b2, s[6]);
            s[7] = subgroupMatrixMultiplyAccumulate(a1, b3, s[7]);
            let a2 = left(m + 2u * MATRIX, step);
            s[8] = subgroupMatrixMultiplyAccumulate(a2, b0, s[8]);
            s[9] = subgroupMatrixMultiplyAccumulate(a2, b1, s[9]);
            s[10] = subgroupMatrixMultiplyAccumulate(a2, b2, s[10]);
            s[11] = subgroupMatrixMultiplyAccumulate(a2, b3, s[11]);
            let a3 = left(m + 3u * MATRIX, step);
            s[12] = subgroupMatrixMultiplyAccumulate(a3, b0, s[12]);
            s[13] = subgroupMatrixMultiplyAccumulate(a3, b1, s[13]);
            s[14] = subgroupMatrixMultiplyAccumulate(a3, b2, s[14]);
            s[15] = subgroupMatrixMultiplyAccumulate(a3, b3, s[15]);
        }
        workgroupBarrier();
    }
    deliver(s[0], subgroup, lane, first_row, first_column);
    deliver(s[1], subgroup, lane, first_row, first_column + MATRIX);
    deliver(s[2], subgroup, lane, first_row, first_column + 2u * MATRIX);
    deliver(s[3], subgroup, lane, first_row, first_column + 3u * MATRIX);
    deliver(s[4], subgroup, lane, first_row + MATRIX, first_column);
    deliver(s[5], subgroup, lane, first_row + MATRIX, first_column + MATRIX);
    deliver(s[6], subgroup, lane, first_row + MATRIX, first_column + 2u * MATRIX);
    deliver(s[7], subgroup, lane, first_row + MATRIX, first_column + 3u * MATRIX);
    deliver(s[8], subgroup, lane, first_row + 2u * MATRIX, first_column);
    deliver(s[9], subgroup, lane, first_row + 2u * MATRIX, first_column + MATRIX);
    deliver(s[10], subgroup, lane, first_row + 2u * MATRIX, first_column + 2u * MATRIX);
    deliver(s[11], subgroup, lane, first_row + 2u * MATRIX, first_column + 3u * MATRIX);
    deliver(s[12], subgroup, lane, first_row + 3u * MATRIX, first_column);
    deliver(s[13], subgroup, lane, first_row + 3u * MATRIX, first_column + MATRIX);
    deliver(s[14], subgroup, lane, first_row + 3u * MATRIX, first_column + 2u * MATRIX);
    deliver(s[15], subgroup, lane, first_row + 3u * MATRIX, first_column + 3u * MATRIX);
}
