// SPDX-License-Identifier: MIT
// matrix_large.wgsl - tiles of matrices for large products.
const TILE: u32 = 128u; // rows, and columns, of a workgroup's part of the result
const DEPTH: u32 = 32u; // of the sums, at a time in workgroup memory
const PARTS: u32 = 1u; // of each sum, by different subgroups
