// rope_attention.wgsl - for steps of few tokens: turns queries and keys by their positions, puts keys and values into the
// paged cache and attends, in one dispatch (the maths: rope.c, kv_append.c, attention.c).
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
    table_offset: u32,
    table_stride: u32,
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
    n_blocks: u32, // of query heads that share a key head
    n_parts: u32, // of the cache
    part_pages: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>; // [T, 2 half]: cos, sin
@group(0) @binding(3) var<storage, read> step: array<i32>; // positions, seq_start, pages
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<f32>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<f32>;
@group(0) @binding(7) var<storage, read_write> scratch: array<f32>;

const GROUP: u32 = 256u;
const PAGE: u32 = 64u;
const HEADS: u32 = 4u; // of a workgroup
const COLUMNS: u32 = 4u; // of the values, of an invocation: head_dim / 64
const LOWEST: f32 = -3.0e38;

var<workgroup> query: array<vec4<f32>, 256>; // [head_dim] of four heads
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

// Element d of a head that begins at `head`, turned by a token's position.
fn turned(head: u32, d: u32, token: u32) -> f32 {
    if (d >= 2u * p.half) { return x[head + d]; }
    let side = p.adjacent == 0u;
    let i = select(d / 2u, d % p.half, side);
    let first = select(d % 2u == 0u, d < p.half, side);
    let other = select(d ^ 1u, select(d - p.half, d + p.half, d < p.half), side);
    let angle = p.table_offset + token * p.table_stride + i;
    let a = x[head + d] * table[angle];
    let b = x[head + other] * table[angle + p.half];
    return select(a + b, a - b, first);
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
    let first_token = u32(step[p.seq_start_offset + sequence]); // of the sequence, in this step
    let page_row = p.pages_offset + sequence * p.pages_stride;
    let end = step[p.positions_offset + token] + 1; // positions [first, end) are seen, those from `old` on are this step's
    let old = step[p.positions_offset + first_token];
    let first = select(0, max(0, end - p.window), p.window > 0);
    let slot = lane % PAGE;
    let quarter = lane / PAGE;
    let k_column = (p.n_heads + kv_head) * p.head_dim; // in x
    let v_column = k_column + p.n_kv_heads * p.head_dim;
    let x_row = p.x_offset + token * p.x_stride;

    for (var d = lane; d < p.head_dim; d += GROUP) {
        let at = vec4<u32>(x_row) + heads * vec4<u32>(p.head_dim);
        query[d] = p.scale * vec4<f32>(turned(at.x, d, token), turned(at.y, d, token), turned(at.z, d, token),
                                       turned(at.w, d, token));
    }
    if (part == 0u && block == 0u) { // into the cache
        let position = u32(end - 1);
        let head = u32(step[page_row + position / PAGE]) * p.n_kv_heads + kv_head;
        for (var d = lane; d < p.head_dim; d += GROUP) {
            k_cache[p.k_offset + (head * p.head_dim + d) * PAGE + position % PAGE] = turned(x_row + k_column, d, token);
            v_cache[p.v_offset + (head * PAGE + position % PAGE) * p.head_dim + d] = x[x_row + v_column + d];
        }
    }
    largest = vec4<f32>(LOWEST);
    workgroupBarrier();

    let d_begin = quarter * p.head_dim / 4u;
    let d_end = (quarter + 1u) * p.head_dim / 4u;
    if (part == 0u) { // this step's own: slot i is token first_token + i
        let n_new = token - first_token + 1u;
        let seen = slot < n_new && old + i32(slot) >= first;
        var score = vec4<f32>(0.0);
        if (seen) {
            let at = p.x_offset + (first_token + slot) * p.x_stride + k_column;
            for (var d = d_begin; d < d_end; d += 1u) { score += query[d] * turned(at, d, first_token + slot); }
        }
        shared_sums[lane] = score;
        weigh(lane, seen); // there is nothing before
        for (var i = quarter; i < n_new; i += 4u) {
            let at = p.x_offset + (first_token + i) * p.x_stride + v_column;
            for (var j = 0u; j < COLUMNS; j += 1u) {
                let d = slot + j * PAGE;
                if (d < p.head_dim) { sums[j] += slots[i] * x[at + d]; }
            }
        }
    }

    let page_end = min((u32(old) + PAGE - 1u) / PAGE, (part + 1u) * p.part_pages);
    for (var page = max(u32(first) / PAGE, part * p.part_pages); page < page_end; page += 1u) {
        let first_position = i32(page * PAGE);
        let head = u32(step[page_row + page]) * p.n_kv_heads + kv_head;
        let k_first = p.k_offset + head * p.head_dim * PAGE + slot;
        var score = vec4<f32>(0.0);
        var d = d_begin;
        for (; d + 8u <= d_end; d += 8u) { // loads first, so that they are under way together
            let at = k_first + d * PAGE;
            let a = vec4<f32>(k_cache[at], k_cache[at + 64u], k_cache[at + 128u], k_cache[at + 192u]);
            let b = vec4<f32>(k_cache[at + 256u], k_cache[at + 320u], k_cache[at + 384u], k_cache[at + 448u]);
            score += query[d] * a.x + query[d + 1u] * a.y + query[d + 2u] * a.z + query[d + 3u] * a.w;
            score += query[d + 4u] * b.x + query[d + 5u] * b.y + query[d + 6u] * b.z + query[d + 7u] * b.w;
        }
        for (; d < d_end; d += 1u) { score += query[d] * k_cache[k_first + d * PAGE]; }
        shared_sums[lane] = score;
        let position = first_position + i32(slot);
        let fade = weigh(lane, position >= first && position < old);
        for (var j = 0u; j < COLUMNS; j += 1u) {
            let column = slot + j * PAGE;
            if (column >= p.head_dim) { break; }
            let v_first = p.v_offset + (head * PAGE + quarter * 16u) * p.head_dim + column;
            var sum = sums[j] * fade;
            for (var i = 0u; i < 16u; i += 1u) {
                let at = first_position + i32(quarter * 16u + i);
                let value = v_cache[v_first + i * p.head_dim]; // what is not seen may be anything
                sum += slots[quarter * 16u + i] * select(0.0, value, at >= first && at < old);
            }
            sums[j] = sum;
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
