// q8_0_row.wgsl - x = d * q; the block: q8_0.c.
fn signed_bytes(word: u32, scale: f32) -> vec4<f32> {
    let high = vec4<u32>(word << 24u, word << 16u, word << 8u, word);
    return scale * vec4<f32>(bitcast<vec4<i32>>(high) >> vec4<u32>(24u));
}

fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let block = e / 32u * 34u;
    let codes = words_at(block + 2u + e % 32u);
    let d = half_at(block);
    return array<vec4<f32>, 4>(signed_bytes(codes.x, d), signed_bytes(codes.y, d), signed_bytes(codes.z, d),
                               signed_bytes(codes.w, d));
}
