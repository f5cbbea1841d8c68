// take_rows.wgsl - out[i] = x[rows[i]]; an invocation copies one element.
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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.n_columns;
    let column = i % p.n_columns;
    out[row_start(p.out, row) + column] = x[row_start(p.x, rows[p.rows_offset + row]) + column];
}
