// q4_1_row.wgsl - x = d * code + m; the block, five words: q4_1.c.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let first = e / 32u * 5u;
    let scale = unpack2x16float(weight_word(first)); // d, m
    let codes = vec4<u32>(weight_word(first + 1u), weight_word(first + 2u), weight_word(first + 3u),
                          weight_word(first + 4u));
    return nibbles16(codes >> vec4<u32>(e % 32u / 16u * 4u), scale.x, scale.y);
}
