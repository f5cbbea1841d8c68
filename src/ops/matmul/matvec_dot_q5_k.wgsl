// SPDX-License-Identifier: MIT
// matvec_dot_q5_k.wgsl - Q5_K for matvec_dot.wgsl; the block, 11 times 16 bytes: q5_k.c.
// include matvec_dot_k
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

// The fifth bits: of group j in bit j of each byte.
fn fifth(bits: vec4<u32>, j: u32) -> vec4<u32> { return ((bits >> vec4<u32>(j)) & vec4<u32>(0x01010101u)) << vec4<u32>(4u); }

fn weights_at(row: u32, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let block = row + c / 4u * 11u;
    let at = block + 3u + c % 4u * 2u;
    let j = c % 4u * 2u;
    let bits = array<vec4<u32>, 2>(w[block + 1u], w[block + 2u]);
    let a = w[at];
    let b = w[at + 1u];
    let s = two_runs_scales(w[block], c % 4u);
    return Weights(array<vec4<u32>, 4>((a & low) | fifth(bits[0], j), (b & low) | fifth(bits[1], j),
                                       ((a >> shift) & low) | fifth(bits[0], j + 1u),
                                       ((b >> shift) & low) | fifth(bits[1], j + 1u)),
                   s.xxyy, s.zzww);
}
