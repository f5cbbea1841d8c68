// SPDX-License-Identifier: MIT
// matvec_f32.wgsl - chunks of 4 columns of F32.
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

fn weights_at(row: u32, c: u32) -> vec4<f32> { return w[row + c]; }

fn inputs_at(t: u32, c: u32) -> vec4<f32> { return input4(t, c); }

fn product(weights: vec4<f32>, inputs: vec4<f32>) -> f32 { return dot(weights, inputs); }
