// SPDX-License-Identifier: MIT
// expert_tile.wgsl - what the kernels of experts for many tokens share: a workgroup makes a tile of 64 by 64 results of one
// expert, an invocation 4 by 4 of it, with 16 steps of the sums at a time in workgroup memory.
//
// The module says what the tiles are: tile_of(index), and bring fills the tiles for the steps from r on, with zeros beyond the
// ends; store takes four results. Tiles over the rows of experts: each expert's rows fill whole tiles, so there are at most
// n_rows / 64 + n_experts of them, and those that are too many have nothing to do.
const TILE: u32 = 64u;
const DEPTH: u32 = 16u;
const PITCH: u32 = 68u; // of a step in a tile's memory

struct Tile {
    expert: u32,
    row: u32, // the first
    row_end: u32,
    column: u32,
    sums: u32, // where they begin and end
    sums_end: u32,
}

var<workgroup> a_tile: array<f32, 1088>; // [DEPTH, PITCH], steps first
var<workgroup> b_tile: array<f32, 1088>;

// The expert and places of tile `index` over all experts' rows; row_end 0: there is no such tile.
fn rows_of_tile(index: u32) -> Tile {
    var tiles = 0u;
    for (var expert = 0u; expert < p.n_experts; expert += 1u) {
        let first = start_of(expert);
        let end = start_of(expert + 1u);
        let mine = (end - first + TILE - 1u) / TILE;
        if (index < tiles + mine) { return Tile(expert, first + (index - tiles) * TILE, end, 0u, 0u, 0u); }
        tiles += mine;
    }
    return Tile(0u, 0u, 0u, 0u, 0u, 0u);
}

// Four steps of one row, or column, into a tile's memory.
fn put_steps(row: u32, step: u32, values: vec4<f32>, is_a: bool) {
    for (var i = 0u; i < 4u; i += 1u) {
        if (is_a) { a_tile[(step + i) * PITCH + row] = values[i]; } else { b_tile[(step + i) * PITCH + row] = values[i]; }
    }
}

// Four columns of one step.
fn put_columns(column: u32, step: u32, values: vec4<f32>, is_a: bool) {
    for (var i = 0u; i < 4u; i += 1u) {
        if (is_a) { a_tile[step * PITCH + column + i] = values[i]; } else { b_tile[step * PITCH + column + i] = values[i]; }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let tile = tile_of(index);
    let t = lane / 16u * 4u;
    let n = lane % 16u * 4u;
    var sums0 = vec4<f32>(0.0);
    var sums1 = vec4<f32>(0.0);
    var sums2 = vec4<f32>(0.0);
    var sums3 = vec4<f32>(0.0);
    // All of a workgroup have the same tile, but WGSL cannot know: the loop's length is loaded as it wants it.
    if (lane == 0u) { n_steps = select(0u, tile.sums_end - tile.sums, tile.row < tile.row_end); }
    let end = workgroupUniformLoad(&n_steps);
    for (var r = 0u; r < end; r += DEPTH) {
        bring(tile, tile.sums + r, lane);
        workgroupBarrier();
        for (var i = 0u; i < DEPTH; i += 1u) {
            let at = i * PITCH + n;
            let right = vec4<f32>(b_tile[at], b_tile[at + 1u], b_tile[at + 2u], b_tile[at + 3u]);
            sums0 += a_tile[i * PITCH + t] * right;
            sums1 += a_tile[i * PITCH + t + 1u] * right;
            sums2 += a_tile[i * PITCH + t + 2u] * right;
            sums3 += a_tile[i * PITCH + t + 3u] * right;
        }
        workgroupBarrier();
    }
    store(tile, tile.row + t, tile.column + n, sums0);
    store(tile, tile.row + t + 1u, tile.column + n, sums1);
    store(tile, tile.row + t + 2u, tile.column + n, sums2);
    store(tile, tile.row + t + 3u, tile.column + n, sums3);
}

var<workgroup> n_steps: u32;

// Up to four results of a row of y.
fn store_at(at: u32, column: u32, n_columns: u32, sums: vec4<f32>) {
    if (column < n_columns) { y[at + column] = sums.x; }
    if (column + 1u < n_columns) { y[at + column + 1u] = sums.y; }
    if (column + 2u < n_columns) { y[at + column + 2u] = sums.z; }
    if (column + 3u < n_columns) { y[at + column + 3u] = sums.w; }
}
