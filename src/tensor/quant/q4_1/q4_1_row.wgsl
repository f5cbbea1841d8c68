// q4_1_row.wgsl - x = d * code + m; the block, five words: q4_1.c.
// include quant_row

fn row4(e: u32) -> vec4<f32> {
    let first = e / 32u * 5u;
    let i = e % 32u;
    let scale = unpack2x16float(word(first)); // d, m
    let codes = bytes_of(word(first + 1u + i % 16u / 4u) >> (i / 16u * 4u)) & vec4<u32>(15u);
    return scale.x * vec4<f32>(codes) + vec4<f32>(scale.y);
}
