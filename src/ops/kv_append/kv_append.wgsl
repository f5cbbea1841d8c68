// SPDX-License-Identifier: MIT
// kv_append.wgsl - writes keys and values into the paged F32 caches; an invocation writes one element of each. The
// caches' layout: kv_append.c.
struct Params {
    k: Rows, // [T, Hkv]
    v: Rows,
    k_cache_offset: u32,
    v_cache_offset: u32,
    positions_offset: u32,
    seqs_offset: u32,
    pages_offset: u32,
    pages_stride: u32,
    n_heads: u32,
    head_dim: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>; // positions, seqs, pages
@group(0) @binding(4) var<storage, read_write> k_cache: array<f32>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<f32>;

const PAGE: u32 = 64u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.head_dim;
    let d = i % p.head_dim;
    let token = row / p.n_heads;
    let position = step[p.positions_offset + token];
    let slot = position % PAGE;
    let page = step[p.pages_offset + step[p.seqs_offset + token] * p.pages_stride + position / PAGE];
    let head = page * p.n_heads + row % p.n_heads;
    k_cache[p.k_cache_offset + (head * p.head_dim + d) * PAGE + slot] = k[row_start(p.k, row) + d];
    v_cache[p.v_cache_offset + (head * PAGE + slot) * p.head_dim + d] = v[row_start(p.v, row) + d];
}
