// SPDX-License-Identifier: MIT
// q4_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 36 words: q4_k.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn word(i: u32) -> u32 { return w[(p.b_offset + i) >> 2u][i & 3u]; }

// Words i to i + 3, i a multiple of 4, as p.b_offset is.
fn quad(i: u32) -> vec4<u32> { return w[(p.b_offset + i) >> 2u]; }

fn scales_of(e: u32) -> vec2<f32> { return k_scales(quad(e / 256u * 36u), e % 256u / 32u); }

// Where the code of e lies: two groups of 32 have the same 8 words.
fn code_word(e: u32) -> u32 { return e / 256u * 36u + 4u + e % 256u / 64u * 8u + e % 32u / 4u; }

fn codes4(e: u32) -> u32 { return (word(code_word(e)) >> (e % 64u / 32u * 4u)) & 0x0f0f0f0fu; }

fn codes16(e: u32) -> vec4<u32> {
    return (quad(code_word(e)) >> vec4<u32>(e % 64u / 32u * 4u)) & vec4<u32>(0x0f0f0f0fu);
}
