// SPDX-License-Identifier: MIT
// layer_norm.wgsl - out = (x - mean(x)) / sqrt(var(x) + eps) * w + bias; the frame: norm_layer.wgsl.
struct Params {
    x: Rows,
    out: Rows,
    w_offset: u32,
    bias_offset: u32,
    n_columns: u32,
    n_rows: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn first_look(row: u32, i: u32) -> f32 { return x[row_start(p.x, row) + i]; }

fn again(row: u32, i: u32) -> f32 { return first_look(row, i); }
