// SPDX-License-Identifier: MIT
// add_rms_norm.wgsl - sum = a + b, out = rms_norm(sum); the frame: norm_rms.wgsl.
struct Params {
    a: Rows,
    b: Rows,
    sum: Rows,
    out: Rows,
    w_offset: u32,
    n_columns: u32,
    n_rows: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn first_look(row: u32, i: u32) -> f32 {
    let value = a[row_start(p.a, row) + i] + b[row_start(p.b, row) + i];
    sum[row_start(p.sum, row) + i] = value; // read back below, by the same invocation
    return value;
}

fn again(row: u32, i: u32) -> f32 { return sum[row_start(p.sum, row) + i]; }
