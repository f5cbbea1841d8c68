// SPDX-License-Identifier: MIT
// matvec_dot_q6_k.wgsl - Q6_K for matvec_dot.wgsl. A chunk's runs lie in the same bytes, 32 columns apart, and have a scale each
// (q6_k.c). A block has 210 bytes.
// include matvec_dot_words

const APART: u32 = 2u;

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let low = vec4<u32>(0x0f0f0f0fu);
    let top = vec4<u32>(0x30303030u);
    let block = (row / 256u + c / 4u) * 210u;
    let half = c % 4u / 2u;
    let first = sixteen_of(block);
    let at = first + half * 4u + c % 2u;
    let a = moved(w[at], w[at + 1u], block);
    let b = moved(w[at + 2u], w[at + 3u], block);
    let at_high = first + 8u + half * 2u + c % 2u;
    let high = moved(w[at_high], w[at_high + 1u], block);
    let codes = array<vec4<u32>, 4>((a & low) | ((high << vec4<u32>(4u)) & top), (b & low) | ((high << vec4<u32>(2u)) & top),
                                    ((a >> vec4<u32>(4u)) & low) | (high & top),
                                    ((b >> vec4<u32>(4u)) & low) | ((high >> vec4<u32>(2u)) & top));
    let behind = w[first + 13u]; // some of the scales, and d
    let all = moved(w[first + 12u], behind, block);
    let packed = select(all.xy, all.zw, half == 1u); // of its eight scales a half's runs have every other one
    let shift = 24u - c % 2u * 8u;
    let scales = vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(packed.x << shift, packed.x << (shift - 16u),
                                                        packed.y << shift, packed.y << (shift - 16u))) >>
                           vec4<u32>(24u));
    let d = unpack2x16float(moved(behind, vec4<u32>(0u), block).x).x;
    return Weights(codes, scales * d, scales * (d * -32.0));
}
