// SPDX-License-Identifier: MIT
// matvec_bf16.wgsl - chunks of 8 columns of BF16: the upper halves of floats.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> vec4<u32> { return w[row + c]; }

fn inputs_at(t: u32, c: u32) -> Eight { return eight_at(t, c); }

fn product(weights: vec4<u32>, inputs: Eight) -> f32 {
    let even = bitcast<vec4<f32>>(weights << vec4<u32>(16u));
    let odd = bitcast<vec4<f32>>(weights & vec4<u32>(0xffff0000u));
    return dot(vec4<f32>(even.x, odd.x, even.y, odd.y), inputs.a) +
           dot(vec4<f32>(even.z, odd.z, even.w, odd.w), inputs.b);
}
