// SPDX-License-Identifier: MIT
// q5_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 44 words: q5_k.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn word(i: u32) -> u32 { return w[(p.b_offset + i) >> 2u][i & 3u]; }

// Words i to i + 3, i a multiple of 4, as p.b_offset is.
fn quad(i: u32) -> vec4<u32> { return w[(p.b_offset + i) >> 2u]; }

fn scales_of(e: u32) -> vec2<f32> { return k_scales(quad(e / 256u * 44u), e % 256u / 32u); }

// Where the four low bits of e's code lie: two groups of 32 have the same 8 words; and the fifth, beside those of all groups.
fn low_word(e: u32) -> u32 { return e / 256u * 44u + 12u + e % 256u / 64u * 8u + e % 32u / 4u; }

fn top_word(e: u32) -> u32 { return e / 256u * 44u + 4u + e % 32u / 4u; }

fn codes4(e: u32) -> u32 {
    let low = (word(low_word(e)) >> (e % 64u / 32u * 4u)) & 0x0f0f0f0fu;
    return low | (((word(top_word(e)) >> (e % 256u / 32u)) & 0x01010101u) << 4u);
}

fn codes16(e: u32) -> vec4<u32> {
    let low = (quad(low_word(e)) >> vec4<u32>(e % 64u / 32u * 4u)) & vec4<u32>(0x0f0f0f0fu);
    let top = (quad(top_word(e)) >> vec4<u32>(e % 256u / 32u)) & vec4<u32>(0x01010101u);
    return low | (top << vec4<u32>(4u));
}
