// q5_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 44 words: q5_k.c.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let first = e / 256u * 44u;
    let j = e % 256u / 32u;
    let i = e % 32u / 4u;
    let scales = k_scales(weight_quad(first), j);
    let fifth = ((weight_quad(first + 4u + i) >> vec4<u32>(j)) & vec4<u32>(0x01010101u)) << vec4<u32>(4u);
    let low = (weight_quad(first + 12u + j / 2u * 8u + i) >> vec4<u32>(j % 2u * 4u)) & vec4<u32>(0x0f0f0f0fu);
    let codes = low | fifth;
    let byte = vec4<u32>(255u);
    return codes16(bytes_of(codes.x) & byte, bytes_of(codes.y) & byte, bytes_of(codes.z) & byte,
                   bytes_of(codes.w) & byte, scales.x, -scales.y);
}
