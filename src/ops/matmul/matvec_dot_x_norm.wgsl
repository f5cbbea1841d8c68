// SPDX-License-Identifier: MIT
// matvec_dot_x_norm.wgsl - for matvec_dot.wgsl: x normalized by its root mean square, times the norm's weight. The root is the same
// for all columns, so the sum of squares is taken on the way and the product scaled at the end.
const NORM: bool = true;

fn norm_at(i: u32) -> vec4<f32> { return norm[p.norm_offset + i]; }

fn scale_of(squares: f32) -> f32 { return 1.0 / sqrt(squares / f32(p.n_columns) + p.eps); }
