// SPDX-License-Identifier: MIT
// matvec_x_norm.wgsl - for matvec.wgsl: x normalized by its root mean square, times the norm's weight. The root is the same
// for all columns, so the sum of squares is taken on the way and the product scaled at the end.
const NORM: bool = true;

fn prepare(first_token: u32, n_tokens: u32, lane: u32) {}

var<private> squares: array<f32, TOKENS>; // of the columns that this invocation has seen

fn input4(t: u32, i: u32) -> vec4<f32> {
    let value = x[p.x_offset + t * p.x_stride + i];
    squares[t % TOKENS] += dot(value, value);
    return value * norm[p.norm_offset + i];
}

fn squares_of(t: u32) -> f32 { return squares[t]; }

fn scale_of(sum: f32) -> f32 { return 1.0 / sqrt(sum / f32(p.n_columns) + p.eps); }
