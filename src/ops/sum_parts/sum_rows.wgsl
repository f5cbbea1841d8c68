// SPDX-License-Identifier: MIT
// sum_rows.wgsl - sums of groups of rows, for sum_parts, or all rows added to what is there, for add_rows. A workgroup makes 32
// columns of a group: eight invocations share a column, each has every eighth row, four of them under way at a time.
struct Params {
    x: Rows,
    y_offset: u32,
    y_stride: u32, // from a group's sums to the next
    n_columns: u32,
    n_rows: u32,
    n_parts: u32,
    part_rows: u32,
    adds: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const COLUMNS: u32 = 32u;
const SHARES: u32 = 8u; // of a column

var<workgroup> sums: array<f32, 256>;

fn x_at(row: u32, end: u32, i: u32) -> f32 {
    if (row >= end) { return 0.0; }
    return x[p.x.offset + row * p.x.stride + i];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group_index(group, n_groups);
    let n_blocks = (p.n_columns + COLUMNS - 1u) / COLUMNS;
    let part = index / n_blocks;
    if (part >= p.n_parts) { return; }
    let i = index % n_blocks * COLUMNS + lane % COLUMNS;
    let first = min(part * p.part_rows, p.n_rows);
    let end = select(first, min(first + p.part_rows, p.n_rows), i < p.n_columns);
    var four = vec4<f32>(0.0);
    for (var row = first + lane / COLUMNS; row < end; row += 4u * SHARES) {
        four += vec4<f32>(x_at(row, end, i), x_at(row + SHARES, end, i), x_at(row + 2u * SHARES, end, i),
                          x_at(row + 3u * SHARES, end, i));
    }
    sums[lane] = (four.x + four.y) + (four.z + four.w);
    workgroupBarrier();
    if (lane >= COLUMNS || i >= p.n_columns) { return; }
    var sum = 0.0;
    for (var share = 0u; share < SHARES; share += 1u) { sum += sums[share * COLUMNS + lane]; }
    let at = p.y_offset + part * p.y_stride + i;
    if (p.adds != 0u) { y[at] += sum; } else { y[at] = sum; }
}
