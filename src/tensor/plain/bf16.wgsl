// SPDX-License-Identifier: MIT
// bf16.wgsl - four weights from element e of a BF16 matrix on. Rows of odd length begin in the middle of a word.
fn unpack_bf16(word: u32) -> vec2<f32> { return bitcast<vec2<f32>>(vec2<u32>(word << 16u, word & 0xffff0000u)); }

fn weight4(e: u32) -> vec4<f32> {
    let i = e >> 1u;
    let a = unpack_bf16(weight_word(i));
    let b = unpack_bf16(weight_word(i + 1u));
    if ((e & 1u) == 0u) { return vec4<f32>(a, b); }
    return vec4<f32>(a.y, b, unpack_bf16(weight_word(i + 2u)).x);
}
