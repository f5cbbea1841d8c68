// SPDX-License-Identifier: MIT
// expert_params.wgsl - the uniforms of the kernels of experts, and how they find rows: x and y have a row for each token and
// choice (inner_stride 0: one for all choices), w the experts' matrices one after another, groups the rows of each (group.c).
struct Params {
    a_offset: u32,
    a_stride: u32, // from token to token
    a_inner: u32, // from choice to choice
    b_offset: u32,
    b_stride: u32,
    b_inner: u32,
    groups_offset: u32,
    y_offset: u32,
    y_stride: u32,
    y_inner: u32,
    n_rows: u32, // tokens times choices
    n_outputs: u32, // rows of an expert's matrix
    n_columns: u32, // of the matrix
    n_experts: u32,
    top_k: u32,
    n_tiles: u32, // across
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> groups: array<u32>;

fn start_of(expert: u32) -> u32 { return groups[p.groups_offset + expert]; }

// Token and choice at a place.
fn row_at(place: u32) -> vec2<u32> {
    let row = groups[p.groups_offset + p.n_experts + 1u + place];
    return vec2<u32>(row / p.top_k, row % p.top_k);
}

fn a_row(place: u32) -> u32 {
    let row = row_at(place);
    return p.a_offset + row.x * p.a_stride + row.y * p.a_inner;
}

fn y_row(place: u32) -> u32 {
    let row = row_at(place);
    return p.y_offset + row.x * p.y_stride + row.y * p.y_inner;
}

fn a4(i: u32) -> vec4<f32> { return vec4<f32>(a[i], a[i + 1u], a[i + 2u], a[i + 3u]); }

// Zero where i + 0 to i + 3 is not below the end.
fn below(i: u32, end: u32, values: vec4<f32>) -> vec4<f32> {
    return select(values, vec4<f32>(0.0), vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(end));
}
