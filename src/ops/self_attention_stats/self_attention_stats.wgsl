// SPDX-License-Identifier: MIT
// self_attention_stats.wgsl - stats = (lse, sum over d of y dy); 16 invocations share a row, a workgroup makes 16 rows.
struct Params {
    y: Rows,
    dy: Rows,
    stats: Rows,
    lse_offset: u32,
    lse_stride: u32,
    n_heads: u32,
    n_columns: u32,
    n_rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;

const LANES: u32 = 16u;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups) * (256u / LANES) + lane / LANES;
    let y_row = row_start(p.y, row);
    let dy_row = row_start(p.dy, row);
    let n = select(0u, p.n_columns, row < p.n_rows);
    var sum = 0.0;
    for (var i = lane % LANES; i < n; i += LANES) { sum += y[y_row + i] * dy[dy_row + i]; }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES != 0u || row >= p.n_rows) { return; }
    let at = row_start(p.stats, row);
    stats[at] = lse[p.lse_offset + row / p.n_heads * p.lse_stride + row % p.n_heads];
    stats[at + 1u] = sums[lane];
}
