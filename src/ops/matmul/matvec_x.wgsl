// SPDX-License-Identifier: MIT
// matvec_x.wgsl - for matvec.wgsl: x as it is. `input4` is columns 4i to 4i + 3 of token t.
const NORM: bool = false;

fn prepare(first_token: u32, n_tokens: u32, lane: u32) {}

fn input4(t: u32, i: u32) -> vec4<f32> { return x[p.x_offset + t * p.x_stride + i]; }

fn squares_of(t: u32) -> f32 { return 0.0; }

fn scale_of(squares: f32) -> f32 { return 1.0; }
