// SPDX-License-Identifier: MIT
// rope_attention.wgsl - for steps of few tokens: normalizes queries and keys and turns them by their positions, where the model
// does, puts keys and values into the paged cache, and attends, in one dispatch (the maths: rms_norm.c, rope.c, kv_append.c,
// attention.c). What is done to heads, and how large they are, the part of the module before this one says.
//
// A workgroup makes up to four query heads of one key head, for one token, over a part of the cache. Positions of earlier
// steps come from the cache, a page at a time; those of this step come from x, because their way into the cache is only
// under way: the first part has them too. 64 invocations are the slots of a page, four times over: they share the elements
// of the keys, then the slots of the values. The softmax is taken page by page (attention.c names the papers). Where the
// cache is in several parts, each leaves its sums, its largest score and its weights' sum in scratch, and
// attention_merge.wgsl puts them together.
struct Params {
    x_offset: u32, // [T, (H + 2 Hkv) head_dim]: queries, keys, values
    x_stride: u32,
    table_offset: u32, // [T, 2 half]: cos, sin
    table_stride: u32,
    norms_offset: u32, // [2 head_dim]: of queries, of keys
    out_offset: u32,
    out_stride: u32,
    k_offset: u32,
    v_offset: u32,
    positions_offset: u32,
    seq_start_offset: u32,
    pages_offset: u32,
    pages_stride: u32,
    n_seqs: u32,
    n_tokens: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    half: u32, // pairs that are turned
    adjacent: u32, // whether elements 2i and 2i + 1 form a pair, not i and i + half
    window: i32,
    scale: f32,
    eps: f32, // of the norms
    n_blocks: u32, // of query heads that share a key head
    n_parts: u32, // of the cache
    part_pages: u32,
    n_pages: u32, // of the cache
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<i32>; // positions, seq_start, pages

const GROUP: u32 = 256u;
const PAGE: u32 = 64u;
const HEADS: u32 = 4u; // of a workgroup
const FRESH: u32 = 1024u; // elements of this step's keys at a time: all eight of 128, four of 256
const LOWEST: f32 = -3.0e38;

var<workgroup> query: array<vec4<f32>, HEAD_DIM_MAX>; // of four heads
var<workgroup> fresh: array<f32, FRESH>; // [FRESH / head_dim, head_dim]: this step's keys, up to this token's
var<workgroup> shared_sums: array<vec4<f32>, 256>;
var<workgroup> slots: array<vec4<f32>, PAGE>; // scores, then weights
var<workgroup> eighths: array<vec4<f32>, 8>;

var<private> largest: vec4<f32>; // of the scores so far
var<private> total: vec4<f32>; // of the weights that this slot has had
var<private> sums: array<vec4<f32>, COLUMNS>; // of the values

// The sequence that a token belongs to: the last that begins at it or before.
fn sequence_of(token: u32) -> u32 {
    var low = 0u;
    var high = p.n_seqs;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (step[p.seq_start_offset + middle] <= i32(token)) { low = middle; } else { high = middle; }
    }
    return low;
}

// Element d of a head that begins at `head`, times its norm's weight, from `gains` on, turned by a token's position. Without
// branches round the loads, which then are under way together.
fn turned(head: u32, d: u32, token: u32, gains: u32) -> f32 {
    if (!TURNS) { return x[head + d] * gain_at(gains + d); }
    let side = p.adjacent == 0u;
    let still = d >= 2u * p.half;
    let first = select(d % 2u == 0u, d < p.half, side);
    let i = select(select(d / 2u, select(d - p.half, d, first), side), 0u, still);
    let other = select(select(d ^ 1u, select(d - p.half, d + p.half, first), side), d, still);
    let angle = p.table_offset + token * p.table_stride + i;
    let a = x[head + d] * gain_at(gains + d);
    let b = x[head + other] * gain_at(gains + other);
    let c = angle_at(angle);
    let s = angle_at(angle + p.half);
    return select(select(a * c + b * s, a * c - b * s, first), a, still);
}

// Sums of squares of the heads' elements: of four queries, in the first elements of `slots`, eight of each; of this step's
// keys, eight of them, in the second ones, four of each.
fn sum_squares(lane: u32, q_head: u32, k_first: u32, n_new: u32) {
    var squares = vec4<f32>(0.0);
    for (var d = lane % PAGE; d < p.head_dim; d += PAGE) { squares.x += x[q_head + d] * x[q_head + d]; }
    let k_head = k_first + min(lane / 32u, n_new - 1u) * p.x_stride;
    for (var d = lane % 32u; d < p.head_dim; d += 32u) { squares.y += x[k_head + d] * x[k_head + d]; }
    shared_sums[lane] = squares;
    workgroupBarrier();
    if (lane < 32u) {
        var sum = shared_sums[lane * 8u];
        for (var i = 1u; i < 8u; i += 1u) { sum += shared_sums[lane * 8u + i]; }
        slots[lane] = sum;
    }
    workgroupBarrier();
}

// What a query, or a key, of the norm is to be multiplied with.
fn query_scale(quarter: u32) -> f32 {
    if (!NORMS) { return 1.0; }
    var sum = 0.0;
    for (var i = 0u; i < 8u; i += 1u) { sum += slots[quarter * 8u + i].x; }
    return 1.0 / sqrt(sum / f32(p.head_dim) + p.eps);
}

fn key_scale(row: u32) -> f32 {
    if (!NORMS) { return 1.0; }
    var sum = 0.0;
    for (var i = 0u; i < 4u; i += 1u) { sum += slots[row * 4u + i].y; }
    return 1.0 / sqrt(sum / f32(p.head_dim) + p.eps);
}

// This step's keys from number `row` on, as many as there is room for.
fn bring_fresh(lane: u32, row: u32, n_new: u32, k_first: u32, first_token: u32) {
    let n = min(n_new - row, FRESH / p.head_dim) * p.head_dim;
    for (var i = lane; i < n; i += GROUP) {
        let r = row + i / p.head_dim;
        fresh[i] = key_scale(r) * turned(k_first + r * p.x_stride, i % p.head_dim, first_token + r, p.head_dim);
    }
}

// A quarter of a slot's scores: of key number i of those in `fresh`.
fn fresh_score(i: u32, d_begin: u32, d_end: u32) -> vec4<f32> {
    var score = vec4<f32>(0.0);
    for (var d = d_begin; d < d_end; d += 1u) { score += query[d] * fresh[i * p.head_dim + d]; }
    return score;
}

// The page's part in the softmax. shared_sums holds four parts of each slot's scores. All invocations get the weights in
// `slots`; gives what the sums so far are to be multiplied with.
fn weigh(lane: u32, seen: bool) -> vec4<f32> {
    let slot = lane % PAGE;
    workgroupBarrier();
    let all = (shared_sums[slot] + shared_sums[slot + 64u]) + (shared_sums[slot + 128u] + shared_sums[slot + 192u]);
    let score = select(vec4<f32>(LOWEST), all, vec4<bool>(seen));
    if (lane < PAGE) { slots[lane] = score; }
    workgroupBarrier();
    if (lane < 8u) {
        var top = slots[lane];
        for (var i = 1u; i < 8u; i += 1u) { top = max(top, slots[lane + 8u * i]); }
        eighths[lane] = top;
    }
    workgroupBarrier();
    var top = largest;
    for (var i = 0u; i < 8u; i += 1u) { top = max(top, eighths[i]); }
    let fade = select(exp(largest - top), vec4<f32>(0.0), largest == vec4<f32>(LOWEST));
    let weight = select(vec4<f32>(0.0), exp(score - top), vec4<bool>(seen));
    total = total * fade + weight;
    largest = top;
    if (lane < PAGE) { slots[lane] = weight; }
    workgroupBarrier();
    return fade;
}

fn four_keys(at: u32) -> vec4<f32> { // of four elements
    return vec4<f32>(k_cache[at], k_cache[at + PAGE], k_cache[at + 2u * PAGE], k_cache[at + 3u * PAGE]);
}

fn score_of(d: u32, keys: vec4<f32>) -> vec4<f32> {
    return query[d] * keys.x + query[d + 1u] * keys.y + query[d + 2u] * keys.z + query[d + 3u] * keys.w;
}

fn four_values(at: u32) -> vec4<f32> { // of four slots
    return vec4<f32>(v_cache[at], v_cache[at + p.head_dim], v_cache[at + 2u * p.head_dim], v_cache[at + 3u * p.head_dim]);
}

fn sixteen_values(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(four_values(at), four_values(at + 4u * p.head_dim), four_values(at + 8u * p.head_dim),
                       four_values(at + 12u * p.head_dim));
}

// What an invocation takes of a page: sixteen elements of its slot's key, its first column of sixteen slots' values.
struct PagePart {
    k_first: u32, // element 0 of the slot's key
    v_first: u32, // column 0 of the first of the slots' values
    keys: mat4x4<f32>,
    values: mat4x4<f32>,
}

fn load_page(page_row: u32, page: u32, kv_head: u32, d_begin: u32, d_end: u32, lane: u32) -> PagePart {
    let id = min(u32(step[page_row + min(page, p.pages_stride - 1u)]), p.n_pages - 1u);
    let head = id * p.n_kv_heads + kv_head;
    var part: PagePart;
    part.k_first = p.k_offset + head * p.head_dim * PAGE + lane % PAGE;
    part.v_first = p.v_offset + (head * PAGE + lane / PAGE * 16u) * p.head_dim;
    if (d_begin + 16u <= d_end) {
        let at = part.k_first + d_begin * PAGE;
        part.keys = mat4x4<f32>(four_keys(at), four_keys(at + 4u * PAGE), four_keys(at + 8u * PAGE),
                                four_keys(at + 12u * PAGE));
    }
    part.values = sixteen_values(part.v_first + min(lane % PAGE, p.head_dim - 1u));
    return part;
}

// What is not seen may be anything.
fn seen_of(position: i32, first: i32, end: i32, four: vec4<f32>) -> vec4<f32> {
    let positions = vec4<i32>(position) + vec4<i32>(0, 1, 2, 3);
    return select(vec4<f32>(0.0), four, (positions >= vec4<i32>(first)) & (positions < vec4<i32>(end)));
}

fn sum_of(slot: u32, four: vec4<f32>) -> vec4<f32> {
    return slots[slot] * four.x + slots[slot + 1u] * four.y + slots[slot + 2u] * four.z + slots[slot + 3u] * four.w;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let part = group.x % p.n_parts;
    let block = group.x / p.n_parts % p.n_blocks;
    let kv_head = group.x / p.n_parts / p.n_blocks;
    let token = group.y;
    let n_shared = p.n_heads / p.n_kv_heads;
    let heads = vec4<u32>(kv_head * n_shared) +
                min(vec4<u32>(block * HEADS) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n_shared - 1u));
    let sequence = sequence_of(token);
    var first_token = 0u; // of the sequence, in this step
    if (sequence > 0u) { first_token = u32(step[p.seq_start_offset + sequence]); }
    let page_row = p.pages_offset + sequence * p.pages_stride;
    let end = step[p.positions_offset + token] + 1; // positions [first, end) are seen, those from `old` on are this step's
    let old = step[p.positions_offset + first_token];
    let first = select(0, max(0, end - p.window), p.window > 0);
    let slot = lane % PAGE;
    let quarter = lane / PAGE;
    let k_first_new = p.x_offset + first_token * p.x_stride + (p.n_heads + kv_head) * p.head_dim;
    let v_first_new = k_first_new + p.n_kv_heads * p.head_dim;
    let n_new = token - first_token + 1u;

    // The first page is on its way before anything is waited for; whether there is one is not known yet.
    let d_begin = quarter * p.head_dim / 4u;
    let d_end = (quarter + 1u) * p.head_dim / 4u;
    var page = part * p.part_pages;
    if (p.window > 0) { page = max(page, u32(first) / PAGE); }
    var coming = load_page(page_row, page, kv_head, d_begin, d_end, lane);

    let head = heads[quarter];
    let q_head = p.x_offset + token * p.x_stride + head * p.head_dim;
    if (NORMS) { sum_squares(lane, q_head, k_first_new, n_new); }
    let q_scale = p.scale * query_scale(quarter);
    for (var d = slot; d < p.head_dim; d += PAGE) { query[d][quarter] = q_scale * turned(q_head, d, token, 0u); }
    if (part == 0u) { bring_fresh(lane, 0u, n_new, k_first_new, first_token); }
    largest = vec4<f32>(LOWEST);
    workgroupBarrier();

    if (part == 0u) { // this step's own: slot i is token first_token + i
        let seen = slot < n_new && old + i32(slot) >= first;
        let n_fresh = FRESH / p.head_dim;
        var score = fresh_score(min(slot, min(n_new, n_fresh) - 1u), d_begin, d_end);
        var row = 0u; // of the first in `fresh`
        while (row + n_fresh < n_new) {
            row += n_fresh;
            workgroupBarrier();
            bring_fresh(lane, row, n_new, k_first_new, first_token);
            workgroupBarrier();
            if (slot >= row && slot < n_new) { score = fresh_score(min(slot - row, n_fresh - 1u), d_begin, d_end); }
        }
        shared_sums[lane] = score;
        weigh(lane, seen); // there is nothing before
        for (var i = quarter; i < n_new; i += 4u) {
            for (var j = 0u; j < COLUMNS; j += 1u) {
                let d = min(slot + j * PAGE, p.head_dim - 1u);
                sums[j] += slots[i] * x[v_first_new + i * p.x_stride + d];
            }
        }
        if (block == 0u) { // into the cache
            let position = u32(end - 1);
            let at = u32(step[page_row + position / PAGE]) * p.n_kv_heads + kv_head;
            for (var d = lane; d < p.head_dim; d += GROUP) {
                k_cache[p.k_offset + (at * p.head_dim + d) * PAGE + position % PAGE] =
                    fresh[(n_new - 1u - row) * p.head_dim + d];
                v_cache[p.v_offset + (at * PAGE + position % PAGE) * p.head_dim + d] =
                    x[v_first_new + (n_new - 1u) * p.x_stride + d];
            }
        }
    }

    let page_end = min((u32(old) + PAGE - 1u) / PAGE, (part + 1u) * p.part_pages);
    for (; page < page_end; page += 1u) {
        let now = coming;
        if (page + 1u < page_end) { coming = load_page(page_row, page + 1u, kv_head, d_begin, d_end, lane); }
        var score = vec4<f32>(0.0);
        var d = d_begin;
        if (d + 16u <= d_end) {
            score = score_of(d, now.keys[0]) + score_of(d + 4u, now.keys[1]) + score_of(d + 8u, now.keys[2]) +
                    score_of(d + 12u, now.keys[3]);
            d += 16u;
        }
        for (; d + 4u <= d_end; d += 4u) { score += score_of(d, four_keys(now.k_first + d * PAGE)); }
        for (; d < d_end; d += 1u) { score += query[d] * k_cache[now.k_first + d * PAGE]; }
        shared_sums[lane] = score;
        let position = i32(page * PAGE + slot);
        let fade = weigh(lane, position >= first && position < old);
        let i = quarter * 16u;
        let at = i32(page * PAGE + i);
        sums[0] = sums[0] * fade + sum_of(i, seen_of(at, first, old, now.values[0])) +
                  sum_of(i + 4u, seen_of(at + 4, first, old, now.values[1])) +
                  sum_of(i + 8u, seen_of(at + 8, first, old, now.values[2])) +
                  sum_of(i + 12u, seen_of(at + 12, first, old, now.values[3]));
        for (var j = 1u; j < COLUMNS; j += 1u) {
            if (j * PAGE >= p.head_dim) { break; }
            let more = sixteen_values(now.v_first + min(slot + j * PAGE, p.head_dim - 1u));
            sums[j] = sums[j] * fade + sum_of(i, seen_of(at, first, old, more[0])) +
                      sum_of(i + 4u, seen_of(at + 4, first, old, more[1])) +
                      sum_of(i + 8u, seen_of(at + 8, first, old, more[2])) +
                      sum_of(i + 12u, seen_of(at + 12, first, old, more[3]));
        }
    }

    workgroupBarrier();
    if (lane < PAGE) { slots[lane] = total; }
    workgroupBarrier();
    if (lane < 8u) {
        var sum = slots[lane];
        for (var i = 1u; i < 8u; i += 1u) { sum += slots[lane + 8u * i]; }
        eighths[lane] = sum;
    }
    workgroupBarrier();
    var all = eighths[0];
    for (var i = 1u; i < 8u; i += 1u) { all += eighths[i]; }
    for (var j = 0u; j < COLUMNS; j += 1u) {
        if (j * PAGE >= p.head_dim) { break; }
        shared_sums[lane] = sums[j];
        workgroupBarrier();
        let d = slot + j * PAGE;
        let h = block * HEADS + quarter; // each quarter writes a head
        if (d < p.head_dim && h < n_shared) {
            let sum = shared_sums[slot][quarter] + shared_sums[slot + 64u][quarter] + shared_sums[slot + 128u][quarter] +
                      shared_sums[slot + 192u][quarter];
            let row = token * p.n_heads + kv_head * n_shared + h;
            if (p.n_parts == 1u) {
                out[p.out_offset + token * p.out_stride + (kv_head * n_shared + h) * p.head_dim + d] = sum / all[quarter];
            } else {
                let at = row * p.n_parts + part;
                scratch[at * p.head_dim + d] = sum;
                if (d == 0u) {
                    let stats = (p.n_tokens * p.n_heads * p.head_dim + row * 2u) * p.n_parts + part;
                    scratch[stats] = largest[quarter];
                    scratch[stats + p.n_parts] = all[quarter];
                }
            }
        }
        workgroupBarrier();
    }
}
