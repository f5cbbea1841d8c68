// SPDX-License-Identifier: MIT
// matvec_dot_q4_0.wgsl - Q4_0 for matvec_dot.wgsl: two blocks of 18 bytes a chunk (q4_0.c).
// include matvec_dot_words

const APART: u32 = 1u;

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let byte = (row / 32u + c * 2u) * 18u;
    let i = sixteen_of(byte);
    let third = w[i + 2u];
    let head = moved(w[i], w[i + 1u], byte);
    let middle = moved(w[i + 1u], third, byte);
    let end = moved(third, w[min(i + 3u, sixteen_of(byte + 35u))], byte).x;
    let a = halves(head, middle.x);
    let b = vec4<u32>(middle.yzw, end);
    let d = vec2<f32>(unpack2x16float(head.x).x, unpack2x16float(middle.x).y).xxyy;
    return Weights(array<vec4<u32>, 4>(a & low, (a >> shift) & low, b & low, (b >> shift) & low), d, d * -8.0);
}
