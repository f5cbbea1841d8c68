// weight16_any.wgsl - sixteen weights from any element on, where rows are no multiple of 16 long; nothing is read that begins
// beyond the matrix. The decoder of w's type defines weight4.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let last = p.depth * p.n_columns - 1u;
    return array<vec4<f32>, 4>(weight4(e), weight4(min(e + 4u, last)), weight4(min(e + 8u, last)),
                               weight4(min(e + 12u, last)));
}
