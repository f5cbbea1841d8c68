// SPDX-License-Identifier: MIT
// q5_k.wgsl - x = (d * scale) * code - (dmin * offset); the block, 44 words: q5_k.c.
fn weight4(e: u32) -> vec4<f32> {
    let first = e / 256u * 44u;
    let j = e % 256u / 32u;
    let i = e % 32u / 4u;
    let group = k_group(first, j);
    let high = weight_word(first + 4u + i) >> j;
    let fifth = vec4<u32>(high, high >> 8u, high >> 16u, high >> 24u) & vec4<u32>(1u);
    let codes = low_nibbles(weight_word(first + 12u + j / 2u * 8u + i) >> (j % 2u * 4u)) | (fifth << vec4<u32>(4u));
    return group.x * vec4<f32>(codes) - vec4<f32>(group.y);
}
