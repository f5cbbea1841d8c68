// q6_k_row.wgsl - x = (d * scale) * (code - 32); the block, 210 bytes: q6_k.c.
// include quant_row

fn row4(e: u32) -> vec4<f32> {
    let block = e / 256u * 210u;
    let half = e % 256u / 128u;
    let k = e % 128u / 32u;
    let i = e % 32u;
    let low = (word_from(block + half * 64u + k % 2u * 32u + i) >> (k / 2u * 4u)) & 0x0f0f0f0fu;
    let top = (word_from(block + 128u + half * 32u + i) >> (k * 2u)) & 0x03030303u;
    let codes = bytes_of(low | (top << 4u)) & vec4<u32>(63u);
    let at = block + 192u + e % 256u / 16u;
    let scale = f32(bitcast<i32>(word(at >> 2u) << (24u - (at & 3u) * 8u)) >> 24u);
    return half_from(block + 208u) * scale * (vec4<f32>(codes) - vec4<f32>(32.0));
}
