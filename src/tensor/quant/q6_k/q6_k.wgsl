// SPDX-License-Identifier: MIT
// q6_k.wgsl - x = (d * scale) * (code - 32); the block, 210 bytes: q6_k.c.
fn weight4(e: u32) -> vec4<f32> {
    let block = e / 256u * 210u;
    let half = e % 256u / 128u;
    let k = e % 128u / 32u;
    let i = e % 32u;
    let low = low_nibbles(word_at(block + half * 64u + k % 2u * 32u + i) >> (k / 2u * 4u));
    let high = word_at(block + 128u + half * 32u + i) >> (k * 2u);
    let top = vec4<u32>(high, high >> 8u, high >> 16u, high >> 24u) & vec4<u32>(3u);
    let scale = f16_at(block + 208u) * i8_at(block + 192u + e % 256u / 16u);
    return scale * (vec4<f32>(low | (top << vec4<u32>(4u))) - vec4<f32>(32.0));
}
