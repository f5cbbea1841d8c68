// add_rms_norm.wgsl - sum = a + b, out = rms_norm(sum); a workgroup makes a row.
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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let a_row = row_start(p.a, row);
    let b_row = row_start(p.b, row);
    let sum_row = row_start(p.sum, row);
    let out_row = row_start(p.out, row);
    var squares = 0.0;
    for (var i = lane; i < p.n_columns; i += 256u) {
        let value = a[a_row + i] + b[b_row + i];
        sum[sum_row + i] = value; // read back below, by the same invocation
        squares += value * value;
    }
    let scale = 1.0 / sqrt(group_sum(lane, squares) / f32(p.n_columns) + p.eps);
    for (var i = lane; i < p.n_columns; i += 256u) {
        out[out_row + i] = sum[sum_row + i] * scale * w[p.w_offset + i];
    }
}
