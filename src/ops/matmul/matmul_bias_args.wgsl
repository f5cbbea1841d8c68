// SPDX-License-Identifier: MIT
// matmul_bias_args.wgsl - the arguments of matmul.wgsl where there is a bias.
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn bias_of(n: u32) -> f32 { return bias[p.bias_offset + n]; }
