// SPDX-License-Identifier: MIT
// layer_norm_grad.wgsl - dx = r (dy w - mean(dy w) - n mean(dy w n)), dw_parts = sums of dy n, db_parts = sums of dy.
// The work: norm_grad.wgsl.
struct Params {
    x: Rows,
    dy: Rows,
    dx: Rows,
    w_offset: u32,
    n_columns: u32,
    n_rows: u32,
    n_parts: u32,
    part_rows: u32,
    width: u32, // columns made at a time, a power of two up to 256
    eps: f32,
    dw_offset: u32,
    dw_stride: u32,
    db_offset: u32,
    db_stride: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw_parts: array<f32>;
@group(0) @binding(6) var<storage, read_write> db_parts: array<f32>;

const CENTERED: bool = true;

// What eight rows give to column i of a part. Its first rows begin the sums; they are always this invocation's.
fn put_parts(part: u32, i: u32, begins: bool, dw: f32, db: f32) {
    let dw_at = p.dw_offset + part * p.dw_stride + i;
    let db_at = p.db_offset + part * p.db_stride + i;
    if (begins) {
        dw_parts[dw_at] = dw;
        db_parts[db_at] = db;
    } else {
        dw_parts[dw_at] += dw;
        db_parts[db_at] += db;
    }
}
