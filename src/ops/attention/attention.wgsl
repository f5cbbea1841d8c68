// SPDX-License-Identifier: MIT
// attention.wgsl - out = sum_j softmax(scale * q . k_j)_j v_j over the paged F32 cache; a workgroup makes one head of
// one token, page by page with an online softmax (the papers: attention.c; the caches' layout: kv_append.c).
//
// An invocation is a slot of the page while scores are made (keys lie transposed: 64 of them are read side by side),
// and every 64th element of the head while values are summed. Values are summed in the order of their positions, the
// weights slot by slot, then by a tree.
struct Params {
    q: Rows, // [T, H]
    out: Rows,
    k_offset: u32,
    v_offset: u32,
    positions_offset: u32,
    seq_start_offset: u32,
    pages_offset: u32,
    pages_stride: u32,
    n_seqs: u32,
    n_rows: u32, // T H
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    window: i32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k_cache: array<f32>;
@group(0) @binding(3) var<storage, read> v_cache: array<f32>;
@group(0) @binding(4) var<storage, read> step: array<i32>; // positions, seq_start, pages
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

const PAGE: u32 = 64u; // slots, and invocations
const HEAD_DIM_MAX: u32 = 1024u;
const LOWEST: f32 = -3.0e38;

var<workgroup> query: array<f32, HEAD_DIM_MAX>;
var<workgroup> sums: array<f32, HEAD_DIM_MAX>; // of the values, by element
var<workgroup> scores: array<f32, PAGE>;
var<workgroup> weights: array<f32, PAGE>;

// The sequence that a token belongs to: the last that begins at it or before (empty ones begin there too, but earlier).
fn sequence_of(token: u32) -> u32 {
    var low = 0u;
    var high = p.n_seqs; // seq_start[low] <= token < seq_start[high]
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (step[p.seq_start_offset + middle] <= i32(token)) { low = middle; } else { high = middle; }
    }
    return low;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let token = row / p.n_heads;
    let kv_head = row % p.n_heads / (p.n_heads / p.n_kv_heads);
    let page_row = p.pages_offset + sequence_of(token) * p.pages_stride;
    let end = step[p.positions_offset + token] + 1; // positions [first, end) are seen
    let first = select(0, max(0, end - p.window), p.window > 0);
    let q_row = row_start(p.q, row);
    for (var d = lane; d < p.head_dim; d += PAGE) {
        query[d] = q[q_row + d] * p.scale;
        sums[d] = 0.0;
    }
    workgroupBarrier();

    var largest = LOWEST; // of the scores so far
    var total = 0.0; // of the weights that this slot has had
    for (var page_first = first / 64 * 64; page_first < end; page_first += 64) {
        let slot_begin = u32(max(first - page_first, 0));
        let slot_end = u32(min(end - page_first, 64));
        let head = u32(step[page_row + u32(page_first) / PAGE]) * p.n_kv_heads + kv_head;
        let seen = lane >= slot_begin && lane < slot_end;
        var score = LOWEST;
        if (seen) {
            let k_first = p.k_offset + head * p.head_dim * PAGE + lane;
            score = 0.0;
            for (var d = 0u; d < p.head_dim; d += 1u) { score += query[d] * k_cache[k_first + d * PAGE]; }
        }
        scores[lane] = score;
        workgroupBarrier();
        var page_largest = largest;
        for (var slot = slot_begin; slot < slot_end; slot += 1u) { page_largest = max(page_largest, scores[slot]); }
        let fade = select(exp(largest - page_largest), 0.0, largest == LOWEST); // of what was summed before
        let weight = select(0.0, exp(score - page_largest), seen);
        total = total * fade + weight;
        largest = page_largest;
        weights[lane] = weight;
        workgroupBarrier();
        let v_first = p.v_offset + head * PAGE * p.head_dim;
        for (var d = lane; d < p.head_dim; d += PAGE) {
            var sum = sums[d] * fade;
            for (var slot = slot_begin; slot < slot_end; slot += 1u) {
                sum += weights[slot] * v_cache[v_first + slot * p.head_dim + d];
            }
            sums[d] = sum;
        }
    }

    workgroupBarrier();
    scores[lane] = total;
    workgroupBarrier();
    for (var half = PAGE / 2u; half > 0u; half /= 2u) {
        if (lane < half) { scores[lane] += scores[lane + half]; }
        workgroupBarrier();
    }
    let all = scores[0];
    let out_row = row_start(p.out, row);
    for (var d = lane; d < p.head_dim; d += PAGE) { out[out_row + d] = select(0.0, sums[d] / all, end > first); }
}
