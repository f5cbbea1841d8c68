// SPDX-License-Identifier: MIT
// row4_any.wgsl - four weights from any element on, where rows are no whole quads. The decoder of w's type defines weight4.
// include quad_row
@group(0) @binding(2) var<storage, read> w: array<u32>;

fn weight_word(i: u32) -> u32 { return w[p.b_offset + i]; }

fn row4(e: u32) -> vec4<f32> { return weight4(e); }
