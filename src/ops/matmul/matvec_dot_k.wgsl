// SPDX-License-Identifier: MIT
// matvec_dot_k.wgsl - for matvec_dot_q4_k.wgsl and matvec_dot_q5_k.wgsl: two groups of 32 columns side by side lie in the same 32
// bytes, the second in their upper halves.
// include matvec_k_scales
const APART: u32 = 1u;
