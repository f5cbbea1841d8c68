// SPDX-License-Identifier: MIT
// matvec_q8_0.wgsl - chunks of 8 columns of Q8_0, a quarter of a block (q8_0.c). A block has 34 bytes: its codes begin at a
// word or in the middle of one.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    codes: vec2<u32>,
    scale: f32,
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let block = (row / 32u + c / 4u) * 34u;
    let byte = block + 2u + c % 4u * 8u;
    let i = p.w_offset + byte / 4u;
    let whole = (byte & 2u) == 0u;
    let words = vec3<u32>(w[i], w[i + 1u], w[select(i + 2u, i + 1u, whole)]);
    let scale = unpack2x16float(w[p.w_offset + block / 4u] >> ((block & 2u) * 8u)).x;
    return Weights(word_pair(words, whole), scale);
}

fn inputs_at(t: u32, c: u32) -> Eight { return eight_at(t, c); }

fn signed_bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u));
}

fn product(weights: Weights, inputs: Eight) -> f32 {
    return weights.scale * (dot(signed_bytes(weights.codes.x), inputs.a) + dot(signed_bytes(weights.codes.y), inputs.b));
}
