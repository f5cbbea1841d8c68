// q4_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 36 words: q4_k.c.
// include quant_row

fn row4(e: u32) -> vec4<f32> {
    let first = e / 256u * 36u;
    let j = e % 256u / 32u;
    let scales = k_scales(quad(first), j);
    let codes = bytes_of(word(first + 4u + j / 2u * 8u + e % 32u / 4u) >> (j % 2u * 4u)) & vec4<u32>(15u);
    return scales.x * vec4<f32>(codes) - vec4<f32>(scales.y);
}
