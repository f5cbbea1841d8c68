// SPDX-License-Identifier: MIT
// tile_args.wgsl - what tile.wgsl and tile_matrix.wgsl are given.
struct Params {
    a_offset: u32,
    a_stride: u32,
    b_offset: u32,
    b_stride: u32,
    bias_offset: u32,
    y_offset: u32,
    y_stride: u32,
    n_rows: u32, // of y
    n_columns: u32, // of y
    depth: u32, // of the sums
    n_tiles: u32, // across
    share_depth: u32, // of the sums, for one of the n_shares workgroups that have a tile in common; of matrices only
    n_shares: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
