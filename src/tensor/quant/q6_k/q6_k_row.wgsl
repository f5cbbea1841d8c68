// SPDX-License-Identifier: MIT
// q6_k_row.wgsl - x = (d * scale) * (code - 32); the block, 210 bytes: q6_k.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn word(i: u32) -> u32 { return w[p.b_offset + i]; }

fn scales_of(e: u32) -> vec2<f32> {
    let block = e / 256u * 210u;
    let at = block + 192u + e % 256u / 16u;
    let scale = f32(bitcast<i32>(word(at >> 2u) << (24u - (at & 3u) * 8u)) >> 24u);
    return half_from(block + 208u) * scale * vec2<f32>(1.0, -32.0);
}

// Where the four low bits of e's code lie, and the two high ones.
fn low_byte(e: u32) -> u32 { return e / 256u * 210u + e % 256u / 128u * 64u + e % 64u; }

fn top_byte(e: u32) -> u32 { return e / 256u * 210u + 128u + e % 256u / 128u * 32u + e % 32u; }

fn codes4(e: u32) -> u32 {
    let low = (word_from(low_byte(e)) >> (e % 128u / 64u * 4u)) & 0x0f0f0f0fu;
    return low | (((word_from(top_byte(e)) >> (e % 128u / 32u * 2u)) & 0x03030303u) << 4u);
}

fn codes16(e: u32) -> vec4<u32> {
    let low = (words_from(low_byte(e)) >> vec4<u32>(e % 128u / 64u * 4u)) & vec4<u32>(0x0f0f0f0fu);
    let top = (words_from(top_byte(e)) >> vec4<u32>(e % 128u / 32u * 2u)) & vec4<u32>(0x03030303u);
    return low | (top << vec4<u32>(4u));
}
