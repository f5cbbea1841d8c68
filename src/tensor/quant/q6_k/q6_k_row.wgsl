// q6_k_row.wgsl - x = (d * scale) * (code - 32); the block, 210 bytes: q6_k.c.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let block = e / 256u * 210u;
    let half = e % 256u / 128u;
    let k = e % 128u / 32u;
    let i = e % 32u;
    let low = (words_at(block + half * 64u + k % 2u * 32u + i) >> vec4<u32>(k / 2u * 4u)) & vec4<u32>(0x0f0f0f0fu);
    let top = (words_at(block + 128u + half * 32u + i) >> vec4<u32>(k * 2u)) & vec4<u32>(0x03030303u);
    let codes = low | (top << vec4<u32>(4u));
    let at = block + 192u + e % 256u / 16u;
    let scale = f32(bitcast<i32>(weight_word(at >> 2u) << (24u - (at & 3u) * 8u)) >> 24u);
    let d = half_at(block + 208u) * scale;
    let byte = vec4<u32>(255u);
    return codes16(bytes_of(codes.x) & byte, bytes_of(codes.y) & byte, bytes_of(codes.z) & byte,
                   bytes_of(codes.w) & byte, d, -32.0 * d);
}
