// SPDX-License-Identifier: MIT
// add.wgsl - out = a + b; the frame: elements.wgsl.
struct Params {
    a: Rows,
    b: Rows, // stride 0 where b is one row for all
    out: Rows,
    n_columns: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn element(row: u32, column: u32) -> f32 { return a[row_start(p.a, row) + column] + b[row_start(p.b, row) + column]; }
