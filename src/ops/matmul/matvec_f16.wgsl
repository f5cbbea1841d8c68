// SPDX-License-Identifier: MIT
// matvec_f16.wgsl - chunks of 8 columns of F16.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> vec4<u32> { return w[row + c]; }

fn inputs_at(t: u32, c: u32) -> Eight { return eight_at(t, c); }

fn product(weights: vec4<u32>, inputs: Eight) -> f32 {
    let a = vec4<f32>(unpack2x16float(weights.x), unpack2x16float(weights.y));
    let b = vec4<f32>(unpack2x16float(weights.z), unpack2x16float(weights.w));
    return dot(a, inputs.a) + dot(b, inputs.b);
}
