// self_attention_grad_kv.wgsl - dk = scale sum_i p_i (dy_i . v - delta_i) q_i, dv = sum_i p_i dy_i with p_i = exp(s_i - lse_i), head
// by head of those that share the keys, over tiles of queries. See attention_tiles.wgsl; of a head, a workgroup makes 64
// keys.
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
    stats_stride: u32,
    positions_offset: u32,
    n_tokens: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    window: u32,
    scale: f32,
    alibi: f32,
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

fn q_quad(token: u32, head: u32, d: u32) -> vec4<f32> {
    if (token >= p.n_tokens || d >= p.head_dim) { return vec4<f32>(0.0); }
    let at = p.q_offset + token * p.q_stride + head * p.q_head_stride + d;
    let n = min(p.head_dim - d, 4u);
    let low = q[at / 4u];
    if (at % 4u == 0u && n == 4u) { return low; }
    return quad_of(low, q[(at + n - 1u) / 4u], at, n);
}

fn k_quad(token: u32, head: u32, d: u32) -> vec4<f32> {
    if (token >= p.n_tokens || d >= p.head_dim) { return vec4<f32>(0.0); }
    let at = p.k_offset + token * p.k_stride + head * p.k_head_stride + d;
    let n = min(p.head_dim - d, 4u);
    let low = k[at / 4u];
    if (at % 4u == 0u && n == 4u) { return low; }
    return quad_of(low, k[(at + n - 1u) / 4u], at, n);
}

fn v_quad(token: u32, head: u32, d: u32) -> vec4<f32> {
    if (token >= p.n_tokens || d >= p.head_dim) { return vec4<f32>(0.0); }
    let at = p.v_offset + token * p.v_stride + head * p.v_head_stride + d;
    let n = min(p.head_dim - d, 4u);
    let low = v[at / 4u];
    if (at % 4u == 0u && n == 4u) { return low; }
    return quad_of(low, v[(at + n - 1u) / 4u], at, n);
}

fn dy_quad(token: u32, head: u32, d: u32) -> vec4<f32> {
    if (token >= p.n_tokens || d >= p.head_dim) { return vec4<f32>(0.0); }
    let at = p.dy_offset + token * p.dy_stride + head * p.dy_head_stride + d;
    let n = min(p.head_dim - d, 4u);
    let low = dy[at / 4u];
    if (at % 4u == 0u && n == 4u) { return low; }
    return quad_of(low, dy[(at + n - 1u) / 4u], at, n);
}

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

// Beyond the last token it is there: no key is seen.
fn begin_of(token: u32) -> u32 {
    if (token >= p.n_tokens) { return p.n_tokens; }
    return first_seen(token, positions[p.positions_offset + token]);
}

// Of four queries.
struct Stats {
    lse: vec4<f32>, // to base 2
    delta: vec4<f32>,
}

fn stats_of(queries: vec4<u32>, head: u32) -> Stats {
    let at = p.stats_offset + min(queries, vec4<u32>(p.n_tokens - 1u)) * p.stats_stride + 2u * head;
    let lse = vec4<f32>(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
    return Stats(lse * LOG2_E, vec4<f32>(stats[at.x + 1u], stats[at.y + 1u], stats[at.z + 1u], stats[at.w + 1u]));
}

// The weights of one key for four queries, from their products.
fn weights_of(products: vec4<f32>, key: u32, queries: vec4<u32>, begins: vec4<u32>, lse: vec4<f32>,
              slope: f32) -> vec4<f32> {
    let seen = (begins <= vec4<u32>(key)) & (queries >= vec4<u32>(key));
    let away = vec4<f32>(vec4<i32>(queries) - vec4<i32>(i32(key)));
    let scores = products * (p.scale * LOG2_E) - slope * away;
    return select(vec4<f32>(0.0), exp2(min(scores - lse, vec4<f32>(1.0))), seen);
}

// A tile of 32 queries' 64 columns from `d` on.
fn load_dy(first: u32, head: u32, d: u32, lane: u32) {
    for (var i = 0u; i < 4u; i += 1u) {
        narrow[lane + 128u * i] = dy_quad(first + lane / 16u + 8u * i, head, d + lane % 16u * 4u);
    }
}

fn load_q(first: u32, head: u32, d: u32, lane: u32) {
    for (var i = 0u; i < 4u; i += 1u) {
        narrow[lane + 128u * i] = q_quad(first + lane / 16u + 8u * i, head, d + lane % 16u * 4u);
    }
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
    let row = lane / 8u;
    let column = lane % 8u;
    let place = tile_place(row, column);
    let key = first_key + row;
    var dk0 = Sums();
    var dk1 = Sums();
    var dv0 = Sums();
    var dv1 = Sums();
    for (var head = kv_head * n_shared; head < (kv_head + 1u) * n_shared; head += 1u) {
        let slope = alibi_slope(head);
        // A query beyond the document or the window sees no key of the tile, and so do all that follow.
        for (var first = first_key; begin_of(first) <= last_key; first += NARROW) {
            var products = Scores();
            var dots = Scores();
            for (var d = 0u; d < p.head_dim; d += DEPTH) {
                workgroupBarrier(); // the last tiles have been used
                for (var i = 0u; i < 4u; i += 1u) {
                    wide[place + 128u * i] = k_quad(key + 16u * i, kv_head, d + column * 4u);
                }
                for (var i = 0u; i < 2u; i += 1u) {
                    narrow[place + 128u * i] = q_quad(first + row + 16u * i, head, d + column * 4u);
                }
                workgroupBarrier();
                products = add_products(products, row, column);
                workgroupBarrier();
                for (var i = 0u; i < 4u; i += 1u) {
                    wide[place + 128u * i] = v_quad(key + 16u * i, kv_head, d + column * 4u);
                }
                for (var i = 0u; i < 2u; i += 1u) {
                    narrow[place + 128u * i] = dy_quad(first + row + 16u * i, head, d + column * 4u);
                }
                workgroupBarrier();
                dots = add_products(dots, row, column);
            }
            let queries = vec4<u32>(first + column) + vec4<u32>(0u, 8u, 16u, 24u);
            let begins = vec4<u32>(begin_of(queries.x), begin_of(queries.y), begin_of(queries.z), begin_of(queries.w));
            let known = stats_of(queries, head);
            var weights = Scores();
            weights.r0 = weights_of(products.r0, key, queries, begins, known.lse, slope);
            weights.r1 = weights_of(products.r1, key + 16u, queries, begins, known.lse, slope);
            weights.r2 = weights_of(products.r2, key + 32u, queries, begins, known.lse, slope);
            weights.r3 = weights_of(products.r3, key + 48u, queries, begins, known.lse, slope);
            workgroupBarrier();
            put_wide(place, weights);
            load_dy(first, head, first_column, lane);
            workgroupBarrier();
            dv0 = add_weighted(dv0, row, column);
            if (SPANS > 1u) {
                workgroupBarrier();
                load_dy(first, head, first_column + SPAN, lane);
                workgroupBarrier();
                dv1 = add_weighted(dv1, row, column);
            }
            workgroupBarrier();
            put_wide(place, Scores(weights.r0 * (dots.r0 - known.delta), weights.r1 * (dots.r1 - known.delta),
                                   weights.r2 * (dots.r2 - known.delta), weights.r3 * (dots.r3 - known.delta)));
            load_q(first, head, first_column, lane);
            workgroupBarrier();
            dk0 = add_weighted(dk0, row, column);
            if (SPANS > 1u) {
                workgroupBarrier();
                load_q(first, head, first_column + SPAN, lane);
                workgroupBarrier();
                dk1 = add_weighted(dk1, row, column);
            }
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
