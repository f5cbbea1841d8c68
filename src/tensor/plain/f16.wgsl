// SPDX-License-Identifier: MIT
// f16.wgsl - four weights from element e of an F16 matrix on. Rows of odd length begin in the middle of a word.
fn weight4(e: u32) -> vec4<f32> {
    let i = e >> 1u;
    let a = unpack2x16float(weight_word(i));
    let b = unpack2x16float(weight_word(i + 1u));
    if ((e & 1u) == 0u) { return vec4<f32>(a, b); }
    return vec4<f32>(a.y, b, unpack2x16float(weight_word(i + 2u)).x);
}
