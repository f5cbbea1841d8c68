// SPDX-License-Identifier: MIT
// f32.wgsl - four weights from element e of an F32 matrix on.
fn weight4(e: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(weight_word(e), weight_word(e + 1u), weight_word(e + 2u), weight_word(e + 3u)));
}
