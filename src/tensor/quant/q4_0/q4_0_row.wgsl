// q4_0_row.wgsl - x = d * (code - 8); the block: q4_0.c.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let block = e / 32u * 18u;
    let d = half_at(block);
    return nibbles16(words_at(block + 2u) >> vec4<u32>(e % 32u / 16u * 4u), d, -8.0 * d);
}
