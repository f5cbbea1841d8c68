// SPDX-License-Identifier: MIT
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
// F16 ends at 65,504: what lies beyond becomes infinite, and so do the results. A gradient (dy) is brought back by the loss's scale. Rows
// of activations are mended (matmul_mend.wgsl), columns of them scaled (tile_matrix_scaled.wgsl): in this shader anything more than the
// products took a quarter to a half of the speed of large tiles.
//
// Wanted: rows of a that begin at whole quads. Among the loads nothing branches, not even where all would take the same way: that
// made a third of the speed.
//
// Where there are few tiles and long sums, several workgroups have a tile in common, each a share of the steps: matrix_y_share.wgsl.
//
// The sixteen sums have names that are known when this is compiled, as an array's elements with constant indices: what is indexed
// by a variable would lie in memory, at a sixth of the speed.
// include matrix_frame

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
    let begin = n * p.share_depth;
    let end = min((n + 1u) * p.share_depth, p.depth);
    const CAREFUL = false;
    // include matrix_sums
    // include matrix_deliver
}
