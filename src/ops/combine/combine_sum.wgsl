// SPDX-License-Identifier: MIT
// combine_sum.wgsl - for combine.wgsl: no weights, a plain sum.
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn weight_of(row: u32, j: u32) -> f32 { return 1.0; }
