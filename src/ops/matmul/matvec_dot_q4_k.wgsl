// SPDX-License-Identifier: MIT
// matvec_dot_q4_k.wgsl - Q4_K for matvec_dot.wgsl; the block, 9 times 16 bytes: q4_k.c.
// include matvec_dot_k
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let block = row + c / 4u * 9u;
    let at = block + 1u + c % 4u * 2u;
    let a = w[at];
    let b = w[at + 1u];
    let s = two_runs_scales(w[block], c % 4u);
    return Weights(array<vec4<u32>, 4>(a & low, b & low, (a >> shift) & low, (b >> shift) & low), s.xxyy, s.zzww);
}
