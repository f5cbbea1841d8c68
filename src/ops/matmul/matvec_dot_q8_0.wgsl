// SPDX-License-Identifier: MIT
// matvec_dot_q8_0.wgsl - Q8_0 for matvec_dot.wgsl: two blocks of 34 bytes a chunk (q8_0.c).
// include matvec_dot_words

const APART: u32 = 1u;

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let byte = (row / 32u + c * 2u) * 34u;
    let i = sixteen_of(byte);
    let bytes = array<vec4<u32>, 6>(w[i], w[i + 1u], w[i + 2u], w[i + 3u], w[i + 4u],
                                    w[min(i + 5u, sixteen_of(byte + 67u))]);
    let a = moved(bytes[0], bytes[1], byte);
    let b = moved(bytes[1], bytes[2], byte);
    let d = moved(bytes[2], bytes[3], byte);
    let e = moved(bytes[3], bytes[4], byte);
    let end = moved(bytes[4], bytes[5], byte).x;
    let scales = vec2<f32>(unpack2x16float(a.x).x, unpack2x16float(d.x).y);
    return Weights(array<vec4<u32>, 4>(halves(a, b.x), halves(b, d.x), vec4<u32>(d.yzw, e.x), vec4<u32>(e.yzw, end)),
                   scales.xxyy, vec4<f32>(0.0));
}
