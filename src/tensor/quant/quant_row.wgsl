// SPDX-License-Identifier: MIT
// quant_row.wgsl - what the row decoders of block formats share. A decoder declares the matrix, w, which begins at word p.b_offset,
// and word(i) of it; of the sixteen weights that element e is one of, all of one scale, it says scales_of(e): a weight is
// scales.x * code + scales.y; and it gives the codes from e on, a byte each: codes4(e), where e is a multiple of 4, and codes16(e),
// where e is one of 16.
//
// From these come row4(e), four weights, and put_run(at, e, within), which puts the RUN weights from e on into b_tile from `at` on, or
// zeros where they are not `within` the sums. Nothing branches: loads behind a branch would wait for each other.
const RUN: u32 = 16u;

fn row4(e: u32) -> vec4<f32> { return weights(scales_of(e), codes4(e)); }

fn put_run(at: u32, e: u32, within: bool) {
    let scales = select(vec2<f32>(0.0), scales_of(e), within);
    let codes = codes16(e);
    b_tile[at] = Quad(weights(scales, codes.x));
    b_tile[at + 1u] = Quad(weights(scales, codes.y));
    b_tile[at + 2u] = Quad(weights(scales, codes.z));
    b_tile[at + 3u] = Quad(weights(scales, codes.w));
}

fn weights(scales: vec2<f32>, codes: u32) -> vec4<f32> {
    let bytes = vec4<u32>(codes, codes >> 8u, codes >> 16u, codes >> 24u) & vec4<u32>(255u);
    return scales.x * vec4<f32>(bytes) + vec4<f32>(scales.y);
}

// The word that begins at an even byte, and the four words that do.
fn word_from(byte: u32) -> u32 {
    let first = word(byte >> 2u);
    return select(first, (first >> 16u) | (word((byte + 2u) >> 2u) << 16u), (byte & 2u) != 0u);
}

fn words_from(byte: u32) -> vec4<u32> {
    let i = byte >> 2u;
    let words = vec4<u32>(word(i), word(i + 1u), word(i + 2u), word(i + 3u));
    let next = vec4<u32>(words.yzw, word((byte + 14u) >> 2u)); // the last halves: never beyond the sixteen bytes
    return select(words, (words >> vec4<u32>(16u)) | (next << vec4<u32>(16u)), (byte & 2u) != 0u);
}

fn half_from(byte: u32) -> f32 { return unpack2x16float(word(byte >> 2u) >> ((byte & 2u) * 8u)).x; }

// Scale and offset of group j in a block of Q4_K or Q5_K whose first four words are `head`; the packing: quant_fit.h.
fn k_scales(head: vec4<u32>, j: u32) -> vec2<f32> {
    let fields = (head.yzw >> vec3<u32>((j & 3u) * 8u)) & vec3<u32>(255u);
    let early = fields.xy & vec2<u32>(63u);
    let late = vec2<u32>((fields.z & 15u) | ((fields.x >> 6u) << 4u), (fields.z >> 4u) | ((fields.y >> 6u) << 4u));
    return unpack2x16float(head.x) * vec2<f32>(select(early, late, j >= 4u)) * vec2<f32>(1.0, -1.0);
}
