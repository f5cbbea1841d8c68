// SPDX-License-Identifier: MIT
// embed_grad.wgsl - dtable[ids[t]] += dy[t], by runs of equal ids. A workgroup makes 32 columns of the runs that begin among
// 64 neighbours of the order.
//
// Invocations are 8 workers a column. A run that ends among the 64 has one worker. The last run may go on for
// long: all eight share it, 256 rows at a time, found by all invocations at once.
struct Params {
    dy_offset: u32,
    dy_stride: u32,
    dtable_offset: u32,
    dtable_stride: u32,
    ids_offset: u32,
    order_offset: u32,
    n_tokens: u32,
    n_columns: u32,
    first_id: u32, // of dtable's first row
    n_ids: u32, // rows of dtable: an id of another part adds nothing
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>; // ids and order
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>;

const CHUNK: u32 = 64u;
const COLUMNS: u32 = 32u;
const WORKERS: u32 = 8u;
const NONE: u32 = 0xffffffffu; // no row

var<workgroup> chunk_ids: array<u32, CHUNK>;
var<workgroup> rows: array<u32, 256>; // of the chunk, or of 256 places of the last run
var<workgroup> sums: array<f32, 256>;
var<workgroup> last_run: u32; // its place in the chunk; CHUNK: it began before

fn dy_at(row: u32, i: u32) -> f32 {
    if (row == NONE || i >= p.n_columns) { return 0.0; }
    return dy[p.dy_offset + row * p.dy_stride + i];
}

fn add_to_table(id: u32, i: u32, sum: f32) {
    if (i < p.n_columns) { dtable[p.dtable_offset + (id - p.first_id) * p.dtable_stride + i] += sum; }
}

// The row at a place of the order, NONE where its id is another.
fn row_of(place: u32, id: u32) -> u32 {
    if (place >= p.n_tokens) { return NONE; }
    let row = indices[p.order_offset + place];
    return select(NONE, row, indices[p.ids_offset + row] == id);
}

fn add_last_run(first: u32, id: u32, i: u32, lane: u32) {
    var four = vec4<f32>(0.0);
    for (var place = first;; place += 256u) {
        rows[lane] = row_of(place + lane, id);
        workgroupBarrier();
        for (var at = lane / COLUMNS; at < 256u; at += 4u * WORKERS) {
            if (rows[at] == NONE) { break; } // and all behind it
            four += vec4<f32>(dy_at(rows[at], i), dy_at(rows[at + WORKERS], i), dy_at(rows[at + 2u * WORKERS], i),
                              dy_at(rows[at + 3u * WORKERS], i));
        }
        if (workgroupUniformLoad(&rows[255]) == NONE) { break; }
    }
    sums[lane] = (four.x + four.y) + (four.z + four.w);
    workgroupBarrier();
    if (lane >= COLUMNS) { return; }
    var sum = 0.0;
    for (var worker = 0u; worker < WORKERS; worker += 1u) { sum += sums[worker * COLUMNS + lane]; }
    add_to_table(id, i, sum);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group_index(group, n_groups);
    let n_blocks = (p.n_columns + COLUMNS - 1u) / COLUMNS;
    let first = index / n_blocks * CHUNK;
    if (first >= p.n_tokens) { return; }
    let n = min(CHUNK, p.n_tokens - first);
    let i = index % n_blocks * COLUMNS + lane % COLUMNS;
    if (lane < n) {
        let row = indices[p.order_offset + first + lane];
        rows[lane] = row;
        chunk_ids[lane] = indices[p.ids_offset + row];
    }
    if (lane == 0u) { last_run = CHUNK; }
    var before = NONE; // the id before the chunk
    if (first > 0u) { before = indices[p.ids_offset + indices[p.order_offset + first - 1u]]; }
    workgroupBarrier();
    let last_id = chunk_ids[n - 1u];
    for (var at = lane / COLUMNS; at < n; at += WORKERS) {
        let id = chunk_ids[at];
        var previous = before;
        if (at > 0u) { previous = chunk_ids[at - 1u]; }
        if (id == previous || id - p.first_id >= p.n_ids) { continue; } // not the first of its run, or another part's
        if (id == last_id) {
            last_run = at;
            continue;
        }
        var sum = 0.0;
        for (var other = at; chunk_ids[other] == id; other += 1u) { sum += dy_at(rows[other], i); }
        add_to_table(id, i, sum);
    }
    let run = workgroupUniformLoad(&last_run);
    if (run < CHUNK) { add_last_run(first + run, last_id, i, lane); }
}
