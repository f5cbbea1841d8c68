// SPDX-License-Identifier: MIT
// tile_tiny.wgsl - tiles where the result is so small that even small ones leave most of a GPU idle.
const TILE: u32 = 32u; // rows, and columns, of a workgroup's part of the result
const DEPTH: u32 = 64u; // of the sums, at a time in workgroup memory
const PARTS: u32 = 16u; // of each sum, by different invocations
