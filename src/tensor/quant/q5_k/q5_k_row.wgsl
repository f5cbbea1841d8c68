// q5_k_row.wgsl - x = (d * scale) * code - (dmin * offset); the block, 44 words: q5_k.c.
// include quant_row

fn row4(e: u32) -> vec4<f32> {
    let first = e / 256u * 44u;
    let j = e % 256u / 32u;
    let i = e % 32u / 4u;
    let scales = k_scales(quad(first), j);
    let fifth = (word(first + 4u + i) >> j) & 0x01010101u;
    let low = (word(first + 12u + j / 2u * 8u + i) >> (j % 2u * 4u)) & 0x0f0f0f0fu;
    let codes = bytes_of(low | (fifth << 4u)) & vec4<u32>(31u);
    return scales.x * vec4<f32>(codes) - vec4<f32>(scales.y);
}
