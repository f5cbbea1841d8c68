// SPDX-License-Identifier: MIT
// f16_row.wgsl - four weights from element e of an F16 matrix on, e a multiple of 4.
// include quad_row
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;

fn row4(e: u32) -> vec4<f32> {
    let pairs = w[(p.b_offset + e / 2u) >> 1u];
    return vec4<f32>(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
