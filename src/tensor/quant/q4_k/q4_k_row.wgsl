// q4_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 36 words: q4_k.c.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let first = e / 256u * 36u;
    let j = e % 256u / 32u;
    let scales = k_scales(weight_quad(first), j);
    let codes = weight_quad(first + 4u + j / 2u * 8u + e % 32u / 4u);
    return nibbles16(codes >> vec4<u32>(j % 2u * 4u), scales.x, -scales.y);
}
