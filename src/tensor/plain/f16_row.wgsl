// f16_row.wgsl - sixteen weights from element e of an F16 matrix on, e a multiple of 16.
fn f16_pairs(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn weight16(e: u32) -> array<vec4<f32>, 4> {
    let a = weight_quad(e >> 1u);
    let b = weight_quad((e >> 1u) + 4u);
    return array<vec4<f32>, 4>(f16_pairs(a.xy), f16_pairs(a.zw), f16_pairs(b.xy), f16_pairs(b.zw));
}
