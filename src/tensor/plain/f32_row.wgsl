// SPDX-License-Identifier: MIT
// f32_row.wgsl - four weights from element e of an F32 matrix on, e a multiple of 4.
// include quad_row
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

fn row4(e: u32) -> vec4<f32> { return w[(p.b_offset + e) >> 2u]; }
