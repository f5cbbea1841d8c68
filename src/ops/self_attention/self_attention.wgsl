// SPDX-License-Identifier: MIT
// self_attention.wgsl - y = sum_j softmax(scale q . k_j - slope (i - j))_j v_j and lse, with an online softmax over tiles
// of keys (Dao 2023, FlashAttention-2). Dropout is behind the weights' sum. See attention_tiles.wgsl.
struct Params {
    q_offset: u32,
    q_stride: u32,
    q_head_stride: u32,
    k_offset: u32,
    k_stride: u32,
    k_head_stride: u32,
    v_offset: u32,
    v_stride: u32,
    v_head_stride: u32,
    y_offset: u32,
    y_stride: u32,
    y_head_stride: u32,
    positions_offset: u32,
    lse_offset: u32,
    lse_stride: u32,
    n_tokens: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    window: u32,
    scale: f32,
    alibi: f32,
    aligned: u32,
    seed_offset: u32,
    stream: u32,
    threshold: u32,
    kept_scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> positions: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;

fn put_y_quad(token: u32, head: u32, d: u32, quad: vec4<f32>) {
    if (token >= p.n_tokens) { return; }
    let at = p.y_offset + token * p.y_stride + head * p.y_head_stride + d;
    if (d < p.head_dim) { y[at] = quad.x; }
    if (d + 1u < p.head_dim) { y[at + 1u] = quad.y; }
    if (d + 2u < p.head_dim) { y[at + 2u] = quad.z; }
    if (d + 3u < p.head_dim) { y[at + 3u] = quad.w; }
}

fn put_y(token: u32, head: u32, d: u32, sums: Sums) {
    put_y_quad(token, head, d, sums.r0);
    put_y_quad(token + 16u, head, d, sums.r1);
    put_y_quad(token + 32u, head, d, sums.r2);
    put_y_quad(token + 48u, head, d, sums.r3);
    put_y_quad(token, head, d + 32u, sums.s0);
    put_y_quad(token + 16u, head, d + 32u, sums.s1);
    put_y_quad(token + 32u, head, d + 32u, sums.s2);
    put_y_quad(token + 48u, head, d + 32u, sums.s3);
}

fn put_lse(token: u32, head: u32, value: f32) {
    if (token < p.n_tokens) { lse[p.lse_offset + token * p.lse_stride + head] = value; }
}

fn begin_of(token: u32) -> u32 {
    if (token >= p.n_tokens) { return 0u; }
    return first_seen(token, positions[p.positions_offset + token]);
}

// sums + the weights in `wide` times the 64 columns from d on of 32 values.
fn add_values(sums: Sums, first: u32, head: u32, d: u32, lane: u32) -> Sums {
    let rows = v_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
    workgroupBarrier(); // the last columns have been used
    put_narrow(lane, rows);
    workgroupBarrier();
    return add_weighted(sums, lane);
}

// Scores of one query with four keys: LOWEST where it does not see the key.
fn seen_scores(products: vec4<f32>, query: u32, begin: u32, keys: vec4<u32>, slope: f32) -> vec4<f32> {
    let seen = (keys >= vec4<u32>(begin)) & (keys <= vec4<u32>(query));
    let away = vec4<i32>(i32(query)) - vec4<i32>(keys);
    return select(vec4<f32>(LOWEST), scores_of(products, away, slope), seen);
}

fn weights_of(scores: vec4<f32>, largest: f32) -> vec4<f32> {
    return select(vec4<f32>(0.0), exp(scores - largest), scores > vec4<f32>(LOWEST));
}

fn largest_of(values: vec4<f32>) -> f32 { return max(max(values.x, values.y), max(values.z, values.w)); }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group_index(group, n_groups);
    let n_tiles = (p.n_tokens + WIDE - 1u) / WIDE;
    let tile = index / p.n_heads;
    let first_column = tile / n_tiles * SPANS * SPAN; // of the head
    if (first_column >= p.head_dim) { return; }
    let first_query = (n_tiles - 1u - tile % n_tiles) * WIDE; // those of most keys begin first
    let end = min(first_query + WIDE, p.n_tokens);
    let head = index % p.n_heads;
    let kv_head = head / (p.n_heads / p.n_kv_heads);
    let slope = alibi_slope(head);
    let row = row_of(lane);
    let column = column_of(lane);
    let query = first_query + row;
    let begins = vec4<u32>(begin_of(query), begin_of(query + 16u), begin_of(query + 32u), begin_of(query + 48u));
    let rows = row_keys(vec4<u32>(query) + vec4<u32>(0u, 16u, 32u, 48u), head);
    var largest = vec4<f32>(LOWEST); // of the scores so far, by row
    var total = vec4<f32>(0.0); // of the weights of this invocation's columns
    var y0 = Sums();
    var y1 = Sums();
    var y2 = Sums();
    var y3 = Sums();
    for (var first_key = begin_of(first_query); first_key < end; first_key += NARROW) {
        var scores = products(first_query, head, first_key, kv_head, lane);
        let values = v_rows(first_key + lane / 16u, 8u, kv_head, first_column + lane % 16u * 4u);
        let keys = vec4<u32>(first_key + column) + vec4<u32>(0u, 8u, 16u, 24u);
        scores.r0 = seen_scores(scores.r0, query, begins.x, keys, slope);
        scores.r1 = seen_scores(scores.r1, query + 16u, begins.y, keys, slope);
        scores.r2 = seen_scores(scores.r2, query + 32u, begins.z, keys, slope);
        scores.r3 = seen_scores(scores.r3, query + 48u, begins.w, keys, slope);
        workgroupBarrier();
        wide[made_place(lane)] = vec4<f32>(largest_of(scores.r0), largest_of(scores.r1), largest_of(scores.r2),
                                           largest_of(scores.r3));
        put_narrow(lane, values);
        workgroupBarrier();
        var next = largest;
        for (var c = 0u; c < 8u; c += 1u) { next = max(next, wide[wide_place(row, c)]); }
        let fade = exp(largest - next); // of what was summed before
        scores.r0 = weights_of(scores.r0, next.x);
        scores.r1 = weights_of(scores.r1, next.y);
        scores.r2 = weights_of(scores.r2, next.z);
        scores.r3 = weights_of(scores.r3, next.w);
        total = total * fade +
                vec4<f32>(sum_of(scores.r0), sum_of(scores.r1), sum_of(scores.r2), sum_of(scores.r3));
        largest = next;
        workgroupBarrier();
        put_wide(made_place(lane), dropped_rows(scores, rows, keys));
        workgroupBarrier();
        y0 = add_weighted(scaled(y0, fade), lane);
        if (SPANS > 1u) { y1 = add_values(scaled(y1, fade), first_key, kv_head, first_column + SPAN, lane); }
        if (SPANS > 2u) { y2 = add_values(scaled(y2, fade), first_key, kv_head, first_column + 2u * SPAN, lane); }
        if (SPANS > 3u) { y3 = add_values(scaled(y3, fade), first_key, kv_head, first_column + 3u * SPAN, lane); }
    }
    workgroupBarrier();
    wide[made_place(lane)] = total;
    workgroupBarrier();
    var all = vec4<f32>(0.0);
    for (var c = 0u; c < 8u; c += 1u) { all += wide[wide_place(row, c)]; }
    let inverse = 1.0 / all;
    let d = first_column + column * 4u;
    put_y(query, head, d, scaled(y0, inverse));
    if (SPANS > 1u) { put_y(query, head, d + SPAN, scaled(y1, inverse)); }
    if (SPANS > 2u) { put_y(query, head, d + 2u * SPAN, scaled(y2, inverse)); }
    if (SPANS > 3u) { put_y(query, head, d + 3u * SPAN, scaled(y3, inverse)); }
    if (column == 0u && first_column == 0u) {
        let logs = largest + log(all);
        put_lse(query, head, logs.x);
        put_lse(query + 16u, head, logs.y);
        put_lse(query + 32u, head, logs.z);
        put_lse(query + 48u, head, logs.w);
    }
}
