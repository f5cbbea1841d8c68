// rms_norm.wgsl - out = x / sqrt(mean(x^2) + eps) * w; a workgroup makes a row.
struct Params {
    x: Rows,
    out: Rows,
    w_offset: u32,
    n_columns: u32,
    n_rows: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let x_row = row_start(p.x, row);
    let out_row = row_start(p.out, row);
    var squares = 0.0;
    for (var i = lane; i < p.n_columns; i += 256u) {
        let value = x[x_row + i];
        squares += value * value;
    }
    let scale = 1.0 / sqrt(group_sum(lane, squares) / f32(p.n_columns) + p.eps);
    for (var i = lane; i < p.n_columns; i += 256u) {
        out[out_row + i] = x[x_row + i] * scale * w[p.w_offset + i];
    }
}
