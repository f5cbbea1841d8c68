// add.wgsl - out = a + b; an invocation makes one element.
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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.n_columns;
    let column = i % p.n_columns;
    out[row_start(p.out, row) + column] = a[row_start(p.a, row) + column] + b[row_start(p.b, row) + column];
}
