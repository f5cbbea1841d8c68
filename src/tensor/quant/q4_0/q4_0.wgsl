// SPDX-License-Identifier: MIT
// q4_0.wgsl - x = d * (code - 8); the block: q4_0.c.
fn weight4(e: u32) -> vec4<f32> {
    let block = e / 32u * 18u;
    let i = e % 32u;
    let codes = low_nibbles(word_at(block + 2u + i % 16u) >> (i / 16u * 4u));
    return f16_at(block) * (vec4<f32>(codes) - vec4<f32>(8.0));
}
