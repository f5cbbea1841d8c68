// SPDX-License-Identifier: MIT
// tile_large.wgsl - tiles for large products.
const TILE: u32 = 128u; // rows, and columns, of a workgroup's part of the result
const DEPTH: u32 = 16u; // of the sums, at a time in workgroup memory
const PARTS: u32 = 1u; // of each sum, by different invocations
