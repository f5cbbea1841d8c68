// SPDX-License-Identifier: MIT
// q4_0_row.wgsl - x = d * (code - 8); the block: q4_0.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn word(i: u32) -> u32 { return w[p.b_offset + i]; }

fn scales_of(e: u32) -> vec2<f32> { return half_from(e / 32u * 18u) * vec2<f32>(1.0, -8.0); }

fn codes4(e: u32) -> u32 {
    return (word_from(e / 32u * 18u + 2u + e % 16u) >> (e % 32u / 16u * 4u)) & 0x0f0f0f0fu;
}

fn codes16(e: u32) -> vec4<u32> {
    return (words_from(e / 32u * 18u + 2u) >> vec4<u32>(e % 32u / 16u * 4u)) & vec4<u32>(0x0f0f0f0fu);
}
