// SPDX-License-Identifier: MIT
// q4_1.wgsl - x = d * code + m; the block, five words: q4_1.c.
fn weight4(e: u32) -> vec4<f32> {
    let first = e / 32u * 5u;
    let i = e % 32u;
    let scale = unpack2x16float(weight_word(first)); // d, m
    let codes = low_nibbles(weight_word(first + 1u + i % 16u / 4u) >> (i / 16u * 4u));
    return scale.x * vec4<f32>(codes) + vec4<f32>(scale.y);
}
