// SPDX-License-Identifier: MIT
// q4_1_row.wgsl - x = d * code + m; the block, five words: q4_1.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn word(i: u32) -> u32 { return w[p.b_offset + i]; }

fn scales_of(e: u32) -> vec2<f32> { return unpack2x16float(word(e / 32u * 5u)); } // d, m

fn codes4(e: u32) -> u32 { return (word(e / 32u * 5u + 1u + e % 16u / 4u) >> (e % 32u / 16u * 4u)) & 0x0f0f0f0fu; }

fn codes16(e: u32) -> vec4<u32> {
    let i = e / 32u * 5u;
    let codes = vec4<u32>(word(i + 1u), word(i + 2u), word(i + 3u), word(i + 4u));
    return (codes >> vec4<u32>(e % 32u / 16u * 4u)) & vec4<u32>(0x0f0f0f0fu);
}
