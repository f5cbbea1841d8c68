// SPDX-License-Identifier: MIT
// matvec_k_scales.wgsl - the scales of two groups of Q4_K or Q5_K, as a block's first four words pack them: quant_fit.h.
// Of the codes of groups 2j and 2j + 1, then of their columns' sums.
fn two_runs_scales(head: vec4<u32>, j: u32) -> vec4<f32> {
    let shift = (j & 1u) * 16u;
    let a = head.y >> shift;
    let b = head.z >> shift;
    let c = head.w >> shift;
    let upper = j >= 2u; // four bits in c, two above those of the lower groups
    let scales = select(a & 0x3f3fu, (c & 0x0f0fu) | ((a >> 2u) & 0x3030u), upper);
    let offsets = select(b & 0x3f3fu, ((c >> 4u) & 0x0f0fu) | ((b >> 2u) & 0x3030u), upper);
    let d = unpack2x16float(head.x);
    return vec4<f32>(vec4<u32>(scales, scales >> 8u, offsets, offsets >> 8u) & vec4<u32>(255u)) *
           vec4<f32>(d.x, d.x, -d.y, -d.y);
}
