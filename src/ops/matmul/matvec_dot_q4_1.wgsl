// SPDX-License-Identifier: MIT
// matvec_dot_q4_1.wgsl - Q4_1 for matvec_dot.wgsl: two blocks of five words a chunk (q4_1.c).
@group(0) @binding(2) var<storage, read> w: array<u32>;

const APART: u32 = 1u;

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let i = p.w_offset + (row / 32u + c * 2u) * 5u;
    let a = vec4<u32>(w[i + 1u], w[i + 2u], w[i + 3u], w[i + 4u]);
    let b = vec4<u32>(w[i + 6u], w[i + 7u], w[i + 8u], w[i + 9u]);
    let first = unpack2x16float(w[i]); // d, m
    let second = unpack2x16float(w[i + 5u]);
    return Weights(array<vec4<u32>, 4>(a & low, (a >> shift) & low, b & low, (b >> shift) & low),
                   vec4<f32>(first.xx, second.xx), vec4<f32>(first.yy, second.yy));
}
