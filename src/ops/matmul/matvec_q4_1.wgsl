// SPDX-License-Identifier: MIT
// matvec_q4_1.wgsl - chunks of 16 columns of Q4_1, half a block of five words (q4_1.c).
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn weights_at(row: u32, c: u32) -> HalfBlock { // row: the number of its first element
    let first = p.w_offset + (row / 32u + c / 2u) * 5u;
    let i = first + 1u + c % 2u * 2u;
    let scale = unpack2x16float(w[first]);
    return HalfBlock(vec2<u32>(w[i], w[i + 1u]), scale.x, scale.y);
}

fn inputs_at(t: u32, c: u32) -> HalfBlockColumns { return half_block_columns(t, c); }

fn product(weights: HalfBlock, inputs: HalfBlockColumns) -> f32 { return half_block_product(weights, inputs); }
