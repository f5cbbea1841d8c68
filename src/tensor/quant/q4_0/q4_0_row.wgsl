// q4_0_row.wgsl - x = d * (code - 8); the block: q4_0.c.
// include quant_row

fn row4(e: u32) -> vec4<f32> {
    let block = e / 32u * 18u;
    let i = e % 32u;
    let codes = bytes_of(word_from(block + 2u + i % 16u) >> (i / 16u * 4u)) & vec4<u32>(15u);
    return half_from(block) * (vec4<f32>(codes) - vec4<f32>(8.0));
}
