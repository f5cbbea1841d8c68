// SPDX-License-Identifier: MIT
// matvec_y_glu.wgsl - for matvec.wgsl: w's upper half makes gates, its lower half what they gate; two outputs of four rows.
const OUTPUTS: u32 = 2u;

fn rows_of(four: u32) -> vec4<u32> {
    let gates = min(vec2<u32>(four * 2u) + vec2<u32>(0u, 1u), vec2<u32>(p.n_outputs - 1u));
    return vec4<u32>(gates, gates + vec2<u32>(p.n_outputs));
}

fn begin(t: u32, four: u32) -> vec4<f32> { return vec4<f32>(0.0); }

fn finish(t: u32, four: u32, sums: vec4<f32>) {
    let n = four * 2u;
    let at = p.y_offset + t * p.y_stride + n;
    if (n < p.n_outputs) { y[at] = activate(p.act, sums.x) * sums.z; }
    if (n + 1u < p.n_outputs) { y[at + 1u] = activate(p.act, sums.y) * sums.w; }
}
