// SPDX-License-Identifier: MIT
// bf16_row.wgsl - four weights from element e of a BF16 matrix on, e a multiple of 4.
// include quad_row
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;

fn row4(e: u32) -> vec4<f32> {
    let pairs = w[(p.b_offset + e / 2u) >> 1u];
    return bitcast<vec4<f32>>(vec4<u32>(pairs.x << 16u, pairs.x & 0xffff0000u, pairs.y << 16u, pairs.y & 0xffff0000u));
}
