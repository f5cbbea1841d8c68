// SPDX-License-Identifier: MIT
// take_rows.wgsl - out[i] = x[rows[i]]; the frame: elements.wgsl.
struct Params {
    x: Rows,
    out: Rows,
    rows_offset: u32,
    n_columns: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn element(row: u32, column: u32) -> f32 { return x[row_start(p.x, rows[p.rows_offset + row]) + column]; }
