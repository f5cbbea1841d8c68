// SPDX-License-Identifier: MIT
// matrix_frame.wgsl - what tile_matrix.wgsl and tile_matrix_scaled.wgsl have in common.
// include tile_args

const SIDE: u32 = 4u * MATRIX;
const ACROSS: u32 = TILE / SIDE;
const AREAS: u32 = ACROSS * ACROSS;
const WORKGROUP: u32 = SUBGROUP * AREAS * PARTS;
const BREADTH: u32 = DEPTH / PARTS; // of a part of the steps
const ROW_QUADS: u32 = MATRIX / 4u;
const MATRIX_QUADS: u32 = MATRIX * ROW_QUADS;

alias Quad = vec4<f16>;
alias Left = subgroup_matrix_left<f16, MATRIX, MATRIX>;
alias Right = subgroup_matrix_right<f16, MATRIX, MATRIX>;
alias Sum = subgroup_matrix_result<f32, MATRIX, MATRIX>;

var<private> share: u32; // which of the n_shares this workgroup's is
var<workgroup> sums: array<vec4<f32>, AREAS * PARTS * MATRIX_QUADS>; // a matrix of each subgroup

// Four elements of a row of a from i on, i a multiple of 4.
fn a_quad(row: u32, i: u32) -> vec4<f32> { return a[(p.a_offset + row * p.a_stride + i) >> 2u]; }

// The first n of four, then zeros.
fn first_of(values: vec4<f32>, n: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(n));
}
