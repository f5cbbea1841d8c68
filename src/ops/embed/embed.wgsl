// SPDX-License-Identifier: MIT
// embed.wgsl - out[t] = table[ids[t]] as F32; an invocation makes four elements. The decoder of the table's type
// defines weight4; embed_ids.wgsl or embed_picked.wgsl token_of.
struct Params {
    out: Rows,
    table_offset: u32,
    ids_offset: u32,
    n_columns: u32,
    n_quads: u32, // of a row
    first_id: u32, // of the table's first row
    n_ids: u32, // rows of the table: an id of another part, or of none, writes nothing
    n: u32, // quads of all rows
    picked_offset: u32, // embed_picked.wgsl
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;

fn weight_word(i: u32) -> u32 { return table[p.table_offset + i]; }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.n_quads;
    let column = i % p.n_quads * 4u;
    let id = token_of(ids[p.ids_offset + row]) - p.first_id;
    if (id >= p.n_ids) { return; }
    let values = weight4(id * p.n_columns + column);
    let at = row_start(p.out, row) + column;
    out[at] = values.x;
    if (column + 1u < p.n_columns) { out[at + 1u] = values.y; }
    if (column + 2u < p.n_columns) { out[at + 2u] = values.z; }
    if (column + 3u < p.n_columns) { out[at + 3u] = values.w; }
}
