// SPDX-License-Identifier: MIT
// self_attention_grad_kv.wgsl - dk = scale sum_i p_i (m_i dy_i . v - delta_i) q_i, dv = sum_i m_i p_i dy_i, p_i = exp(s_i - lse_i),
// m_i dropout's, head by head of those that share the keys, over tiles of queries. See attention_tiles.wgsl.
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
    dk_offset: u32,
    dk_stride: u32,
    dk_head_stride: u32,
    dv_offset: u32,
    dv_stride: u32,
    dv_head_stride: u32,
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
@group(0) @binding(7) var<storage, read_write> dk: array<f32>;
@group(0) @binding(8) var<storage, read_write> dv: array<f32>;

fn put_dk_quad(token: u32, head: u32, d: u32, quad: vec4<f32>) {
    if (token >= p.n_tokens) { return; }
    let at = p.dk_offset + token * p.dk_stride + head * p.dk_head_stride + d;
    if (d < p.head_dim) { dk[at] = quad.x; }
    if (d + 1u < p.head_dim) { dk[at + 1u] = quad.y; }
    if (d + 2u < p.head_dim) { dk[at + 2u] = quad.z; }
    if (d + 3u < p.head_dim) { dk[at + 3u] = quad.w; }
}

fn put_dk(token: u32, head: u32, d: u32, sums: Sums) {
    put_dk_quad(token, head, d, sums.r0);
    put_dk_quad(token + 16u, head, d, sums.r1);
    put_dk_quad(token + 32u, head, d, sums.r2);
    put_dk_quad(token + 48u, head, d, sums.r3);
    put_dk_quad(token, head, d + 32u, sums.s0);
    put_dk_quad(token + 16u, head, d + 32u, sums.s1);
    put_dk_quad(token + 32u, head, d + 32u, sums.s2);
    put_dk_quad(token + 48u, head, d + 32u, sums.s3);
}

fn put_dv_quad(token: u32, head: u32, d: u32, quad: vec4<f32>) {
    if (token >= p.n_tokens) { return; }
    let at = p.dv_offset + token * p.dv_stride + head * p.dv_head_stride + d;
    if (d < p.head_dim) { dv[at] = quad.x; }
    if (d + 1u < p.head_dim) { dv[at + 1u] = quad.y; }
    if (d + 2u < p.head_dim) { dv[at + 2u] = quad.z; }
    if (d + 3u < p.head_dim) { dv[at + 3u] = quad.w; }
}

fn put_dv(token: u32, head: u32, d: u32, sums: Sums) {
    put_dv_quad(token, head, d, sums.r0);
    put_dv_quad(token + 16u, head, d, sums.r1);
    put_dv_quad(token + 32u, head, d, sums.r2);
    put_dv_quad(token + 48u, head, d, sums.r3);
    put_dv_quad(token, head, d + 32u, sums.s0);
    put_dv_quad(token + 16u, head, d + 32u, sums.s1);
    put_dv_quad(token + 32u, head, d + 32u, sums.s2);
    put_dv_quad(token + 48u, head, d + 32u, sums.s3);
}

fn begin_of(token: u32) -> u32 {
    if (token >= p.n_tokens) { return p.n_tokens; } // it is not there, and sees no key
    return first_seen(token, positions[p.positions_offset + token]);
}

// Of four queries.
struct Stats {
    lse: vec4<f32>,
    delta: vec4<f32>,
}

fn stats_of(queries: vec4<u32>, head: u32) -> Stats {
    let at = p.stats_offset + 2u * (min(queries, vec4<u32>(p.n_tokens - 1u)) * p.n_heads + head);
    let lse = vec4<f32>(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
    return Stats(lse, vec4<f32>(stats[at.x + 1u], stats[at.y + 1u], stats[at.z + 1u], stats[at.w + 1u]));
}

// Of 64 keys with 32 queries.
fn products(wide_token: u32, wide_head: u32, first: u32, head: u32, lane: u32) -> Quads {
    var sums = Quads();
    for (var d = 0u; d < p.head_dim; d += SPAN) {
        let low = k_rows(wide_token + lane / 8u, 16u, wide_head, d + lane % 8u * 4u);
        let others = q_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
        workgroupBarrier(); // the last tiles have been used
        put_wide(brought_place(lane), low);
        put_narrow(exchanged(lane), others);
        workgroupBarrier();
        sums = add_products(sums, 0u, lane);
        if (d + DEPTH < p.head_dim) {
            let high = k_rows(wide_token + lane / 8u, 16u, wide_head, d + DEPTH + lane % 8u * 4u);
            workgroupBarrier();
            put_wide(brought_place(lane), high);
            workgroupBarrier();
            sums = add_products(sums, 8u, lane);
        }
    }
    return sums;
}

// Of 64 values with the gradients of 32 queries' outputs.
fn dots(wide_token: u32, wide_head: u32, first: u32, head: u32, lane: u32) -> Quads {
    var sums = Quads();
    for (var d = 0u; d < p.head_dim; d += SPAN) {
        let low = v_rows(wide_token + lane / 8u, 16u, wide_head, d + lane % 8u * 4u);
        let others = dy_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
        workgroupBarrier(); // the last tiles have been used
        put_wide(brought_place(lane), low);
        put_narrow(exchanged(lane), others);
        workgroupBarrier();
        sums = add_products(sums, 0u, lane);
        if (d + DEPTH < p.head_dim) {
            let high = v_rows(wide_token + lane / 8u, 16u, wide_head, d + DEPTH + lane % 8u * 4u);
            workgroupBarrier();
            put_wide(brought_place(lane), high);
            workgroupBarrier();
            sums = add_products(sums, 8u, lane);
        }
    }
    return sums;
}

// sums + the weights in `wide` times the 64 columns from d on of 32 outputs' gradients.
fn add_dy(sums: Sums, first: u32, head: u32, d: u32, lane: u32) -> Sums {
    let rows = dy_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
    workgroupBarrier(); // the last columns have been used
    put_narrow(lane, rows);
    workgroupBarrier();
    return add_weighted(sums, lane);
}

// sums + the weights in `wide` times the 64 columns from d on of 32 queries.
fn add_queries(sums: Sums, first: u32, head: u32, d: u32, lane: u32) -> Sums {
    let rows = q_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
    workgroupBarrier(); // the last columns have been used
    put_narrow(lane, rows);
    workgroupBarrier();
    return add_weighted(sums, lane);
}

// The weights of one key for four queries.
fn weights_of(products: vec4<f32>, key: u32, queries: vec4<u32>, begins: vec4<u32>, lse: vec4<f32>,
              slope: f32) -> vec4<f32> {
    let seen = (begins <= vec4<u32>(key)) & (queries >= vec4<u32>(key));
    let away = vec4<i32>(queries) - vec4<i32>(i32(key));
    let weights = exp(min(scores_of(products, away, slope) - lse, vec4<f32>(1.0))); // what is not seen may be large
    return select(vec4<f32>(0.0), weights, seen);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group_index(group, n_groups);
    let n_tiles = (p.n_tokens + WIDE - 1u) / WIDE;
    let tile = index / p.n_kv_heads;
    let first_column = tile / n_tiles * SPANS * SPAN; // of the head
    if (first_column >= p.head_dim) { return; }
    let first_key = tile % n_tiles * WIDE;
    let last_key = min(first_key + WIDE, p.n_tokens) - 1u;
    let kv_head = index % p.n_kv_heads;
    let n_shared = p.n_heads / p.n_kv_heads;
    let column = column_of(lane);
    let key = first_key + row_of(lane);
    var dk0 = Sums();
    var dk1 = Sums();
    var dv0 = Sums();
    var dv1 = Sums();
    for (var head = kv_head * n_shared; head < (kv_head + 1u) * n_shared; head += 1u) {
        let slope = alibi_slope(head);
        // Where a query sees no key of the tile, because of its document or its window, nor do those that follow.
        for (var first = first_key; begin_of(first) <= last_key; first += NARROW) {
            let s = products(first_key, kv_head, first, head, lane);
            var t = dots(first_key, kv_head, first, head, lane);
            let queries = vec4<u32>(first + column) + vec4<u32>(0u, 8u, 16u, 24u);
            let begins = vec4<u32>(begin_of(queries.x), begin_of(queries.y), begin_of(queries.z), begin_of(queries.w));
            let known = stats_of(queries, head);
            var weights = Quads();
            weights.r0 = weights_of(s.r0, key, queries, begins, known.lse, slope);
            weights.r1 = weights_of(s.r1, key + 16u, queries, begins, known.lse, slope);
            weights.r2 = weights_of(s.r2, key + 32u, queries, begins, known.lse, slope);
            weights.r3 = weights_of(s.r3, key + 48u, queries, begins, known.lse, slope);
            var dropped = weights;
            if (DROPS) {
                let kept = kept_columns(row_keys(queries, head), key);
                dropped = multiplied(weights, kept);
                t = multiplied(t, kept);
            }
            let dy_read = dy_rows(first + lane / 16u, 8u, head, first_column + lane % 16u * 4u);
            workgroupBarrier();
            put_wide(made_place(lane), dropped);
            put_narrow(lane, dy_read);
            workgroupBarrier();
            dv0 = add_weighted(dv0, lane);
            if (SPANS > 1u) { dv1 = add_dy(dv1, first, head, first_column + SPAN, lane); }
            let q_read = q_rows(first + lane / 16u, 8u, head, first_column + lane % 16u * 4u);
            workgroupBarrier();
            weights.r0 *= t.r0 - known.delta; // the gradients of the scores
            weights.r1 *= t.r1 - known.delta;
            weights.r2 *= t.r2 - known.delta;
            weights.r3 *= t.r3 - known.delta;
            put_wide(made_place(lane), weights);
            put_narrow(lane, q_read);
            workgroupBarrier();
            dk0 = add_weighted(dk0, lane);
            if (SPANS > 1u) { dk1 = add_queries(dk1, first, head, first_column + SPAN, lane); }
        }
    }
    let scale = vec4<f32>(p.scale);
    let d = first_column + column * 4u;
    put_dk(key, kv_head, d, scaled(dk0, scale));
    put_dv(key, kv_head, d, dv0);
    if (SPANS > 1u) {
        put_dk(key, kv_head, d + SPAN, scaled(dk1, scale));
        put_dv(key, kv_head, d + SPAN, dv1);
    }
}
