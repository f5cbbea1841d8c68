// SPDX-License-Identifier: MIT
// matvec_y.wgsl - for matvec.wgsl: four rows of w make four outputs; `added` is what is added to output n of token t,
// `made` what then becomes of it.
const OUTPUTS: u32 = 4u;

fn rows_of(four: u32) -> vec4<u32> {
    return min(vec4<u32>(four * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.n_outputs - 1u));
}

// At the end where the sums are scaled, at the beginning where not.
fn all_added(t: u32, four: u32) -> vec4<f32> {
    let n = min(vec4<u32>(four * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.n_outputs - 1u));
    return vec4<f32>(added(t, n.x), added(t, n.y), added(t, n.z), added(t, n.w));
}

fn begin(t: u32, four: u32) -> vec4<f32> {
    if (NORM) { return vec4<f32>(0.0); }
    return all_added(t, four);
}

fn finish(t: u32, four: u32, sums: vec4<f32>) {
    let n = four * 4u;
    let at = p.y_offset + t * p.y_stride + n;
    var all = sums;
    if (NORM) { all += all_added(t, four); }
    if (n < p.n_outputs) { y[at] = made(all.x); }
    if (n + 1u < p.n_outputs) { y[at + 1u] = made(all.y); }
    if (n + 2u < p.n_outputs) { y[at + 2u] = made(all.z); }
    if (n + 3u < p.n_outputs) { y[at + 3u] = made(all.w); }
}
