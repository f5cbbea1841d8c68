// SPDX-License-Identifier: MIT
// matvec_q4_0.wgsl - chunks of 16 columns of Q4_0, half a block (q4_0.c). A block has 18 bytes: its codes begin at a word or
// in the middle of one.
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn weights_at(row: u32, c: u32) -> HalfBlock { // row: the number of its first element
    let block = (row / 32u + c / 2u) * 18u;
    let byte = block + 2u + c % 2u * 8u;
    let i = p.w_offset + byte / 4u;
    let whole = (byte & 2u) == 0u;
    let words = vec3<u32>(w[i], w[i + 1u], w[select(i + 2u, i + 1u, whole)]);
    let scale = unpack2x16float(w[p.w_offset + block / 4u] >> ((block & 2u) * 8u)).x;
    return HalfBlock(word_pair(words, whole), scale, -8.0 * scale);
}

fn inputs_at(t: u32, c: u32) -> HalfBlockColumns { return half_block_columns(t, c); }

fn product(weights: HalfBlock, inputs: HalfBlockColumns) -> f32 { return half_block_product(weights, inputs); }
