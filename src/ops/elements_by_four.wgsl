// SPDX-License-Identifier: MIT
// elements_by_four.wgsl - what the element-by-element kernels of training share. An invocation makes four elements, 256 apart: so
// those that invocations read at one time lie side by side, and four reads are under way before the first is waited for.
//
// p.n is how many elements there are, p.n_columns how many a row has; 0: no tensor has gaps, all is one row.
fn four_elements(index: u32, lane: u32) -> vec4<u32> {
    return vec4<u32>(index * 1024u + lane) + vec4<u32>(0u, 256u, 512u, 768u);
}

// Where elements i lie in a tensor; those beyond the last stand for it.
fn places(rows: Rows, i: vec4<u32>) -> vec4<u32> {
    let j = min(i, vec4<u32>(p.n - 1u));
    if (p.n_columns == 0u) { return rows.offset + j; }
    let row = j / p.n_columns;
    let outer = row / rows.n_inner;
    return rows.offset + outer * rows.stride + (row - outer * rows.n_inner) * rows.inner_stride + j - row * p.n_columns;
}
