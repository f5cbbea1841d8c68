// SPDX-License-Identifier: MIT
// glu.wgsl - out = f(gate) * up; the frame: elements.wgsl.
struct Params {
    gate: Rows,
    up: Rows,
    out: Rows,
    n_columns: u32,
    n: u32,
    f: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn element(row: u32, column: u32) -> f32 {
    return activate(p.f, gate[row_start(p.gate, row) + column]) * up[row_start(p.up, row) + column];
}
