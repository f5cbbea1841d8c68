// SPDX-License-Identifier: MIT
// quad_row.wgsl - what the row decoders of floats share: they bring four weights at once, so that invocations next to each other
// read what lies side by side. As in quant_row.wgsl.
const RUN: u32 = 4u;

fn put_run(at: u32, e: u32, within: bool) { b_tile[at] = Quad(select(vec4<f32>(0.0), row4(e), within)); }
