// SPDX-License-Identifier: MIT
// rope.wgsl - x' = x cos - y sin, y' = y cos + x sin; an invocation turns one pair, or copies one element beyond them.
struct Params {
    x: Rows, // [T, H]
    table: Rows, // [T]
    out: Rows,
    n_heads: u32,
    half: u32, // pairs of a head
    n_items: u32, // of a head: its pairs and the elements beyond
    n: u32,
    inverse: u32, // whether to turn back
    adjacent: u32, // whether elements 2i and 2i + 1 form a pair, not i and i + half
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let item = group_index(group, n_groups) * 256u + lane;
    if (item >= p.n) { return; }
    let row = item / p.n_items;
    let i = item % p.n_items;
    let x_row = row_start(p.x, row);
    let out_row = row_start(p.out, row);
    if (i >= p.half) {
        out[out_row + p.half + i] = x[x_row + p.half + i];
        return;
    }
    let first = select(i, 2u * i, p.adjacent != 0u);
    let second = select(i + p.half, 2u * i + 1u, p.adjacent != 0u);
    let angle = row_start(p.table, row / p.n_heads) + i;
    let c = table[angle];
    let s = select(table[angle + p.half], -table[angle + p.half], p.inverse != 0u);
    let a = x[x_row + first];
    let b = x[x_row + second];
    out[out_row + first] = a * c - b * s;
    out[out_row + second] = b * c + a * s;
}
