// SPDX-License-Identifier: MIT
// tile_small.wgsl - tiles where there are few of them: a quarter of the size, so four times as many workgroups.
const TILE: u32 = 64u; // rows, and columns, of a workgroup's part of the result
const DEPTH: u32 = 32u; // of the sums, at a time in workgroup memory
const PARTS: u32 = 4u; // of each sum, by different invocations
