// SPDX-License-Identifier: MIT
// attention_tiles.wgsl - what the attention kernels of training share: tiles in workgroup memory, and products of tiles.
//
// A workgroup of 128 invocations makes 64 rows of one head: queries, or keys where keys get their gradients. It walks
// over the others 32 at a time. Scores [64, 32] are products of two tiles, 32 columns of the head at a time; an invocation
// makes 4 by 4 of them, in registers. They become weights in `wide`, and sums [64, 64] of the head's columns grow by
// weights times a tile [32, 64]; an invocation has 4 rows of two quads (four floats). Where a head has more columns, a
// workgroup has more such sums, SPANS at most, a number that the host puts before this text; where that is not enough, more
// workgroups make the same scores.
//
// Quads lie so that invocations whose reads are served together touch different groups of banks: quad c of row r is at
// c ^ (r % 8). Rows and columns are dealt to invocations so that of sixteen neighbours every two read the same quad, for
// both factors of a product: then some GPUs serve them at once. What comes from memory is asked for before a barrier and
// put into the tiles behind it.
//
// A token sees the tokens from the begin of its document, or of its window, up to itself. Documents follow one another,
// so begins never fall: the first row of a tile tells where its walk begins, or ends.
//
// The kernel's `p` has n_tokens, n_heads, n_kv_heads, head_dim, window, scale, alibi; of each tensor where it begins and
// how far its tokens and its heads lie apart; and whether all of these are whole quads (aligned).
const WIDE: u32 = 64u; // rows of a workgroup
const NARROW: u32 = 32u; // rows of a step of its walk
const DEPTH: u32 = 32u; // columns of the head that `wide` holds
const SPAN: u32 = 64u; // and `narrow`

const LOWEST: f32 = -1.0e38; // whose exponential is zero, without an overflow on the way to it

var<workgroup> wide: array<vec4<f32>, 512>; // [WIDE, DEPTH / 4], or weights [WIDE, NARROW / 4]
var<workgroup> narrow: array<vec4<f32>, 512>; // [NARROW, SPAN / 4]; for sums without the exchange of quads

// Of four rows: one quad of what is read; or four scores, those of columns column + 8 j.
struct Quads {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

// Of rows row + 16 i: quads column and column + 8.
struct Sums {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
    s0: vec4<f32>,
    s1: vec4<f32>,
    s2: vec4<f32>,
    s3: vec4<f32>,
}

// Where quad `column` of row `row` lies in `wide`; 16 rows on it is 128 further.
fn wide_place(row: u32, column: u32) -> u32 { return row * 8u + (column ^ (row % 8u)); }

// The rows row_of(lane) + 16 i and the columns column_of(lane) + 8 j are what an invocation makes.
fn row_of(lane: u32) -> u32 { return lane / 32u * 4u + lane / 16u % 2u * 2u + lane % 2u; }

fn column_of(lane: u32) -> u32 { return lane / 2u % 8u; }

// It brings quad lane % 8 of rows lane / 8 + 16 i, and puts weights where it has made their scores.
fn brought_place(lane: u32) -> u32 { return wide_place(lane / 8u, lane % 8u); }

fn made_place(lane: u32) -> u32 { return wide_place(row_of(lane), column_of(lane)); }

fn put_wide(place: u32, quads: Quads) {
    wide[place] = quads.r0;
    wide[place + 128u] = quads.r1;
    wide[place + 256u] = quads.r2;
    wide[place + 384u] = quads.r3;
}

// To `narrow` it brings quad lane % 16 of rows lane / 16 + 8 i: exchanged for products, else for sums.
fn put_narrow(place: u32, quads: Quads) {
    narrow[place] = quads.r0;
    narrow[place + 128u] = quads.r1;
    narrow[place + 256u] = quads.r2;
    narrow[place + 384u] = quads.r3;
}

fn exchanged(lane: u32) -> u32 { return lane ^ (lane / 16u); }

// sums + wide narrow^T, of the columns from 4 first_quad on in `narrow`.
fn add_products(sums: Quads, first_quad: u32, lane: u32) -> Quads {
    let row = row_of(lane);
    let column = column_of(lane);
    var out = sums;
    for (var c = 0u; c < DEPTH / 4u; c += 1u) {
        let a = wide_place(row, c);
        let b = column * 16u + first_quad + (c ^ column);
        let b0 = narrow[b];
        let b1 = narrow[b + 128u];
        let b2 = narrow[b + 256u];
        let b3 = narrow[b + 384u];
        let x = vec4<f32>(b0.x, b1.x, b2.x, b3.x);
        let y = vec4<f32>(b0.y, b1.y, b2.y, b3.y);
        let z = vec4<f32>(b0.z, b1.z, b2.z, b3.z);
        let w = vec4<f32>(b0.w, b1.w, b2.w, b3.w);
        out.r0 = add_four(out.r0, wide[a], x, y, z, w);
        out.r1 = add_four(out.r1, wide[a + 128u], x, y, z, w);
        out.r2 = add_four(out.r2, wide[a + 256u], x, y, z, w);
        out.r3 = add_four(out.r3, wide[a + 384u], x, y, z, w);
    }
    return out;
}

// sums + wide narrow; row c + 8 j of narrow belongs to element j of quad c in wide.
fn add_weighted(sums: Sums, lane: u32) -> Sums {
    let row = row_of(lane);
    let column = column_of(lane);
    var out = sums;
    for (var c = 0u; c < NARROW / 4u; c += 1u) {
        let a = wide_place(row, c);
        let b = c * 16u + column;
        let w0 = wide[a];
        let w1 = wide[a + 128u];
        let w2 = wide[a + 256u];
        let w3 = wide[a + 384u];
        let x = narrow[b];
        let y = narrow[b + 128u];
        let z = narrow[b + 256u];
        let w = narrow[b + 384u];
        out.r0 = add_four(out.r0, w0, x, y, z, w);
        out.r1 = add_four(out.r1, w1, x, y, z, w);
        out.r2 = add_four(out.r2, w2, x, y, z, w);
        out.r3 = add_four(out.r3, w3, x, y, z, w);
        let x8 = narrow[b + 8u];
        let y8 = narrow[b + 136u];
        let z8 = narrow[b + 264u];
        let w8 = narrow[b + 392u];
        out.s0 = add_four(out.s0, w0, x8, y8, z8, w8);
        out.s1 = add_four(out.s1, w1, x8, y8, z8, w8);
        out.s2 = add_four(out.s2, w2, x8, y8, z8, w8);
        out.s3 = add_four(out.s3, w3, x8, y8, z8, w8);
    }
    return out;
}

fn add_four(sum: vec4<f32>, factor: vec4<f32>, x: vec4<f32>, y: vec4<f32>, z: vec4<f32>, w: vec4<f32>) -> vec4<f32> {
    let two = fma(vec4<f32>(factor.y), y, fma(vec4<f32>(factor.x), x, sum));
    return fma(vec4<f32>(factor.w), w, fma(vec4<f32>(factor.z), z, two));
}

// Sums of rows r0 to r3, each by its factor.
fn scaled(sums: Sums, by: vec4<f32>) -> Sums {
    return Sums(sums.r0 * by.x, sums.r1 * by.y, sums.r2 * by.z, sums.r3 * by.w, sums.s0 * by.x, sums.s1 * by.y,
                sums.s2 * by.z, sums.s3 * by.w);
}

// What an invocation reads: the quads from column d on of tokens token + step i.
struct Reads {
    at: vec4<u32>, // the places; where there is nothing to read, the tensor's first
    n: vec4<u32>, // elements of each quad
}

fn reads_of(offset: u32, stride: u32, head_at: u32, token: u32, step: u32, d: u32) -> Reads {
    let tokens = vec4<u32>(token) + step * vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (tokens < vec4<u32>(p.n_tokens)) & vec4<bool>(d < p.head_dim);
    return Reads(select(vec4<u32>(offset), offset + tokens * stride + head_at + d, inside),
                 select(vec4<u32>(0u), vec4<u32>(min(p.head_dim - d, 4u)), inside));
}

// Whole quads, zero where there was nothing to read.
fn there(quads: Quads, n: vec4<u32>) -> Quads {
    return Quads(select(vec4<f32>(0.0), quads.r0, n.x > 0u), select(vec4<f32>(0.0), quads.r1, n.y > 0u),
                 select(vec4<f32>(0.0), quads.r2, n.z > 0u), select(vec4<f32>(0.0), quads.r3, n.w > 0u));
}

// n elements from place `at`, which lie in the quads `low` and `high`, then zeros.
fn quad_of(low: vec4<f32>, high: vec4<f32>, at: u32, n: u32) -> vec4<f32> {
    var quad = low;
    switch at % 4u {
        case 1u: { quad = vec4<f32>(low.yzw, high.x); }
        case 2u: { quad = vec4<f32>(low.zw, high.xy); }
        case 3u: { quad = vec4<f32>(low.w, high.xyz); }
        default: {}
    }
    return select(vec4<f32>(0.0), quad, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(n));
}

// The place of a read's last element.
fn last_of(at: u32, n: u32) -> u32 { return at + max(n, 1u) - 1u; }

// The first token that `token` sees, given its place in its document.
fn first_seen(token: u32, position: i32) -> u32 {
    let begin = u32(clamp(i32(token) - position, 0, i32(token)));
    if (p.window == 0u || token < p.window) { return begin; }
    return max(begin, token + 1u - p.window);
}

// How much a head's scores fall with each token back (ALiBi: self_attention.h).
fn alibi_slope(head: u32) -> f32 {
    if (p.alibi == 0.0) { return 0.0; }
    let n = 1u << firstLeadingBit(p.n_heads); // the power of two below
    let step = select(f32(2u * (head - n) + 1u) / f32(2u * n), f32(head + 1u) / f32(n), head < n);
    return exp2(-p.alibi * step);
}

// Scores of pairs so far apart.
fn scores_of(products: vec4<f32>, away: vec4<i32>, slope: f32) -> vec4<f32> {
    return products * p.scale - slope * vec4<f32>(away);
}

fn sum_of(values: vec4<f32>) -> f32 { return (values.x + values.y) + (values.z + values.w); }
