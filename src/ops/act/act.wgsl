// SPDX-License-Identifier: MIT
// act.wgsl - out = f(x); the frame: elements.wgsl.
struct Params {
    x: Rows,
    out: Rows,
    n_columns: u32,
    n: u32,
    f: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn element(row: u32, column: u32) -> f32 { return activate(p.f, x[row_start(p.x, row) + column]); }
