// SPDX-License-Identifier: MIT
// q4_k.wgsl - x = (d * scale) * code - (dmin * offset); the block, 36 words: q4_k.c.
fn weight4(e: u32) -> vec4<f32> {
    let first = e / 256u * 36u;
    let j = e % 256u / 32u;
    let group = k_group(first, j);
    let codes = low_nibbles(weight_word(first + 4u + j / 2u * 8u + e % 32u / 4u) >> (j % 2u * 4u));
    return group.x * vec4<f32>(codes) - vec4<f32>(group.y);
}
