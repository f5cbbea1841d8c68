// bf16_row.wgsl - sixteen weights from element e of a BF16 matrix on, e a multiple of 16.
fn bf16_pairs(words: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let a = weight_quad(e >> 1u);
    let b = weight_quad((e >> 1u) + 4u);
    return array<vec4<f32>, 4>(bf16_pairs(a.xy), bf16_pairs(a.zw), bf16_pairs(b.xy), bf16_pairs(b.zw));
}
