// SPDX-License-Identifier: MIT
// combine_weights.wgsl - for combine.wgsl: weights are an input.
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn weight_of(row: u32, j: u32) -> f32 { return weights[p.weights_offset + row * p.weights_stride + j]; }
