// SPDX-License-Identifier: MIT
// quant_block.wgsl - what the decoders of block formats share. The module they stand in defines weight_word(i), word i
// of the matrix; a decoder defines weight4(e), elements e to e + 3, where e is a multiple of 4. Fields of a block lie at
// even bytes, but for single bytes.

fn word_at(byte: u32) -> u32 {
    let i = byte >> 2u;
    if ((byte & 2u) == 0u) { return weight_word(i); }
    return (weight_word(i) >> 16u) | (weight_word(i + 1u) << 16u);
}

fn f16_at(byte: u32) -> f32 { return unpack2x16float(weight_word(byte >> 2u) >> ((byte & 2u) * 8u)).x; }

fn i8_at(byte: u32) -> f32 { return f32(bitcast<i32>(weight_word(byte >> 2u) << (24u - (byte & 3u) * 8u)) >> 24u); }

// The low four bits of each byte.
fn low_nibbles(word: u32) -> vec4<u32> {
    return vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(15u);
}

// Scale and offset of group j in a block of Q4_K or Q5_K that begins at word `first`; the packing: quant_fit.h.
fn k_group(first: u32, j: u32) -> vec2<f32> {
    let shift = (j & 3u) * 8u;
    let a = (weight_word(first + 1u) >> shift) & 255u;
    let b = (weight_word(first + 2u) >> shift) & 255u;
    let c = (weight_word(first + 3u) >> shift) & 255u;
    var fields = vec2<u32>(a & 63u, b & 63u);
    if (j >= 4u) { fields = vec2<u32>((c & 15u) | ((a >> 6u) << 4u), (c >> 4u) | ((b >> 6u) << 4u)); }
    return unpack2x16float(weight_word(first)) * vec2<f32>(fields);
}
