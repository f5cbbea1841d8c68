// SPDX-License-Identifier: MIT
// q8_0.wgsl - x = d * q; the block: q8_0.c.
fn weight4(e: u32) -> vec4<f32> {
    let block = e / 32u * 34u;
    let q = word_at(block + 2u + e % 32u);
    return f16_at(block) * vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(q << 24u, q << 16u, q << 8u, q)) >> vec4<u32>(24u));
}
