// SPDX-License-Identifier: MIT
// expert_weight.wgsl - for the kernels of experts: w is an input, y the output; the decoder of w's type defines weight4.
@group(0) @binding(2) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn weight_word(i: u32) -> u32 { return w[p.b_offset + i]; }
