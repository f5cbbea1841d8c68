// matvec_y.wgsl - for matvec.wgsl: four rows of w make four outputs; `added` is what is added to output n of token t.
const OUTPUTS: u32 = 4u;

fn rows_of(four: u32) -> vec4<u32> {
    return min(vec4<u32>(four * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.n_outputs - 1u));
}

fn finish(t: u32, four: u32, sums: vec4<f32>) {
    let n = four * 4u;
    let at = p.y_offset + t * p.y_stride + n;
    if (n < p.n_outputs) { y[at] = sums.x + added(t, n); }
    if (n + 1u < p.n_outputs) { y[at + 1u] = sums.y + added(t, n + 1u); }
    if (n + 2u < p.n_outputs) { y[at + 2u] = sums.z + added(t, n + 2u); }
    if (n + 3u < p.n_outputs) { y[at + 3u] = sums.w + added(t, n + 3u); }
}
