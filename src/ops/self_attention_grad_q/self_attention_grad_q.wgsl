// SPDX-License-Identifier: MIT
// self_attention_grad_q.wgsl - dq = scale sum_j p_j (m_j dy . v_j - delta) k_j with p_j = exp(s_j - lse) and dropout's m_j,
// over tiles of keys. See attention_tiles.wgsl.
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
    dy_offset: u32,
    dy_stride: u32,
    dy_head_stride: u32,
    dq_offset: u32,
    dq_stride: u32,
    dq_head_stride: u32,
    stats_offset: u32,
    positions_offset: u32,
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
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> stats: array<f32>;
@group(0) @binding(6) var<storage, read> positions: array<i32>;
@group(0) @binding(7) var<storage, read_write> dq: array<f32>;

fn put_dq_quad(token: u32, head: u32, d: u32, quad: vec4<f32>) {
    if (token >= p.n_tokens) { return; }
    let at = p.dq_offset + token * p.dq_stride + head * p.dq_head_stride + d;
    if (d < p.head_dim) { dq[at] = quad.x; }
    if (d + 1u < p.head_dim) { dq[at + 1u] = quad.y; }
    if (d + 2u < p.head_dim) { dq[at + 2u] = quad.z; }
    if (d + 3u < p.head_dim) { dq[at + 3u] = quad.w; }
}

fn put_dq(token: u32, head: u32, d: u32, sums: Sums) {
    put_dq_quad(token, head, d, sums.r0);
    put_dq_quad(token + 16u, head, d, sums.r1);
    put_dq_quad(token + 32u, head, d, sums.r2);
    put_dq_quad(token + 48u, head, d, sums.r3);
    put_dq_quad(token, head, d + 32u, sums.s0);
    put_dq_quad(token + 16u, head, d + 32u, sums.s1);
    put_dq_quad(token + 32u, head, d + 32u, sums.s2);
    put_dq_quad(token + 48u, head, d + 32u, sums.s3);
}

fn begin_of(token: u32) -> u32 {
    if (token >= p.n_tokens) { return 0u; }
    return first_seen(token, positions[p.positions_offset + token]);
}

// (lse, delta)
fn stats_of(token: u32, head: u32) -> vec2<f32> {
    if (token >= p.n_tokens) { return vec2<f32>(0.0); }
    let at = p.stats_offset + 2u * (token * p.n_heads + head);
    return vec2<f32>(stats[at], stats[at + 1u]);
}

// Of the gradients of 64 queries' outputs with 32 values.
fn dots(wide_token: u32, wide_head: u32, first: u32, head: u32, lane: u32) -> Quads {
    var sums = Quads();
    for (var d = 0u; d < p.head_dim; d += SPAN) {
        let low = dy_rows(wide_token + lane / 8u, 16u, wide_head, d + lane % 8u * 4u);
        let others = v_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
        workgroupBarrier(); // the last tiles have been used
        put_wide(brought_place(lane), low);
        put_narrow(exchanged(lane), others);
        workgroupBarrier();
        sums = add_products(sums, 0u, lane);
        if (d + DEPTH < p.head_dim) {
            let high = dy_rows(wide_token + lane / 8u, 16u, wide_head, d + DEPTH + lane % 8u * 4u);
            workgroupBarrier();
            put_wide(brought_place(lane), high);
            workgroupBarrier();
            sums = add_products(sums, 8u, lane);
        }
    }
    return sums;
}

// sums + the weights in `wide` times the 64 columns from d on of 32 keys.
fn add_keys(sums: Sums, first: u32, head: u32, d: u32, lane: u32) -> Sums {
    let rows = k_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
    workgroupBarrier(); // the last columns have been used
    put_narrow(lane, rows);
    workgroupBarrier();
    return add_weighted(sums, lane);
}

// The gradients of one query's scores with four keys.
fn score_grads(products: vec4<f32>, dots: vec4<f32>, query: u32, keys: vec4<u32>, begin: u32, stats: vec2<f32>,
               slope: f32) -> vec4<f32> {
    let seen = (keys >= vec4<u32>(begin)) & (keys <= vec4<u32>(query));
    let away = vec4<i32>(i32(query)) - vec4<i32>(keys);
    let weights = exp(min(scores_of(products, away, slope) - stats.x, vec4<f32>(1.0))); // what is not seen may be large
    return select(vec4<f32>(0.0), weights * (dots - stats.y), seen);
}

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
    let stats0 = stats_of(query, head);
    let stats1 = stats_of(query + 16u, head);
    let stats2 = stats_of(query + 32u, head);
    let stats3 = stats_of(query + 48u, head);
    let rows = row_keys(vec4<u32>(query) + vec4<u32>(0u, 16u, 32u, 48u), head);
    var dq0 = Sums();
    var dq1 = Sums();
    var dq2 = Sums();
    var dq3 = Sums();
    for (var first_key = begin_of(first_query); first_key < end; first_key += NARROW) {
        let s = products(first_query, head, first_key, kv_head, lane);
        let keys = vec4<u32>(first_key + column) + vec4<u32>(0u, 8u, 16u, 24u);
        let t = dropped_rows(dots(first_query, head, first_key, kv_head, lane), rows, keys);
        var grads = Quads();
        grads.r0 = score_grads(s.r0, t.r0, query, keys, begins.x, stats0, slope);
        grads.r1 = score_grads(s.r1, t.r1, query + 16u, keys, begins.y, stats1, slope);
        grads.r2 = score_grads(s.r2, t.r2, query + 32u, keys, begins.z, stats2, slope);
        grads.r3 = score_grads(s.r3, t.r3, query + 48u, keys, begins.w, stats3, slope);
        let keys_read = k_rows(first_key + lane / 16u, 8u, kv_head, first_column + lane % 16u * 4u);
        workgroupBarrier();
        put_wide(made_place(lane), grads);
        put_narrow(lane, keys_read);
        workgroupBarrier();
        dq0 = add_weighted(dq0, lane);
        if (SPANS > 1u) { dq1 = add_keys(dq1, first_key, kv_head, first_column + SPAN, lane); }
        if (SPANS > 2u) { dq2 = add_keys(dq2, first_key, kv_head, first_column + 2u * SPAN, lane); }
        if (SPANS > 3u) { dq3 = add_keys(dq3, first_key, kv_head, first_column + 3u * SPAN, lane); }
    }
    let scale = vec4<f32>(p.scale);
    let d = first_column + column * 4u;
    put_dq(query, head, d, scaled(dq0, scale));
    if (SPANS > 1u) { put_dq(query, head, d + SPAN, scaled(dq1, scale)); }
    if (SPANS > 2u) { put_dq(query, head, d + 2u * SPAN, scaled(dq2, scale)); }
    if (SPANS > 3u) { put_dq(query, head, d + 3u * SPAN, scaled(dq3, scale)); }
}
