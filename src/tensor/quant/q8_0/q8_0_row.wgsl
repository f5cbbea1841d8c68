// SPDX-License-Identifier: MIT
// q8_0_row.wgsl - x = d * q = d * (code - 128), where the code is q with its highest bit turned over; the block: q8_0.c.
// include quant_row
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn word(i: u32) -> u32 { return w[p.b_offset + i]; }

fn scales_of(e: u32) -> vec2<f32> { return half_from(e / 32u * 34u) * vec2<f32>(1.0, -128.0); }

fn codes4(e: u32) -> u32 { return word_from(e / 32u * 34u + 2u + e % 32u) ^ 0x80808080u; }

fn codes16(e: u32) -> vec4<u32> { return words_from(e / 32u * 34u + 2u + e % 32u) ^ vec4<u32>(0x80808080u); }
