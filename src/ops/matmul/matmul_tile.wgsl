// matmul_tile.wgsl - y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n]) for many tokens.
//
// A workgroup of 256 makes a tile of TILE tokens by TILE outputs; DEPTH columns of x and w at a time lie in workgroup
// memory, 16 KiB. Half of the invocations bring four rows by four columns of x each, turned to columns first; the others
// sixteen columns of a row of w each, decoded in one go. An invocation adds up 8 by 8 results: where tiles are small, for a
// quarter of the columns, and the parts are added in the end, always in the same order.
//
// What lies in workgroup memory is swapped about (the ^ below) so that invocations next to each other meet in no bank.
// Wanted: K a multiple of 16, rows of x a multiple of 4. Nothing branches on the way of a load.
struct Params {
    x_offset: u32,
    x_stride: u32,
    w_offset: u32,
    bias_offset: u32,
    y_offset: u32,
    y_stride: u32,
    n_tokens: u32,
    n_columns: u32, // K
    n_outputs: u32, // N
    n_tiles: u32, // of the outputs, where the kernel makes tiles
}

const QUADS: u32 = DEPTH / 4u; // four columns
const PITCH: u32 = TILE / 4u; // four tokens
const SPREAD: u32 = 8u / QUADS;
const LANES: u32 = 256u / PARTS; // invocations that share no sums
const ACROSS: u32 = TILE / 32u;

var<workgroup> x_tile: array<vec4<f32>, 512>; // [DEPTH, PITCH] of four tokens
var<workgroup> w_tile: array<vec4<f32>, 512>; // [TILE, QUADS] of four columns

fn weight_word(i: u32) -> u32 { return w[(p.w_offset + i) >> 2u][(p.w_offset + i) & 3u]; }

fn weight_quad(i: u32) -> vec4<u32> { return w[(p.w_offset + i) >> 2u]; }

fn x4(token: u32, k: u32) -> vec4<f32> {
    return x[(p.x_offset + min(token, p.n_tokens - 1u) * p.x_stride + k) >> 2u];
}

// Beyond the last column there are zeros; rows beyond the last are any others, and are not stored.
fn bring_x(first: u32, k: u32, q: u32, i: u32) {
    let column = min(k, p.n_columns - 4u);
    let rows = transpose(mat4x4<f32>(x4(first, column), x4(first + 1u, column), x4(first + 2u, column),
                                     x4(first + 3u, column)));
    let within = k < p.n_columns;
    let at = q * 4u * PITCH + (i ^ (q * SPREAD));
    x_tile[at] = select(vec4<f32>(0.0), rows[0], within);
    x_tile[at + PITCH] = select(vec4<f32>(0.0), rows[1], within);
    x_tile[at + 2u * PITCH] = select(vec4<f32>(0.0), rows[2], within);
    x_tile[at + 3u * PITCH] = select(vec4<f32>(0.0), rows[3], within);
}

fn bring_w(output: u32, k: u32, q: u32, i: u32) {
    let values = weight16(min(output, p.n_outputs - 1u) * p.n_columns + min(k, p.n_columns - 16u));
    let within = k < p.n_columns;
    let turn = (i >> 2u) % QUADS;
    w_tile[i * QUADS + (q ^ turn)] = select(vec4<f32>(0.0), values[0], within);
    w_tile[i * QUADS + ((q + 1u) ^ turn)] = select(vec4<f32>(0.0), values[1], within);
    w_tile[i * QUADS + ((q + 2u) ^ turn)] = select(vec4<f32>(0.0), values[2], within);
    w_tile[i * QUADS + ((q + 3u) ^ turn)] = select(vec4<f32>(0.0), values[3], within);
}

fn add4(sum: vec4<f32>, weights: vec4<f32>, tokens: mat4x4<f32>) -> vec4<f32> {
    return sum + weights.x * tokens[0] + weights.y * tokens[1] + weights.z * tokens[2] + weights.w * tokens[3];
}

fn x_quad(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(x_tile[at], x_tile[at + PITCH], x_tile[at + 2u * PITCH], x_tile[at + 3u * PITCH]);
}

// Four outputs of four tokens.
fn store(token: u32, output: u32, s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>) {
    let rows = transpose(mat4x4<f32>(s0 + bias_of(output), s1 + bias_of(output + 1u), s2 + bias_of(output + 2u),
                                     s3 + bias_of(output + 3u)));
    store_row(token, output, rows[0]);
    store_row(token + 1u, output, rows[1]);
    store_row(token + 2u, output, rows[2]);
    store_row(token + 3u, output, rows[3]);
}

fn store_row(token: u32, output: u32, values: vec4<f32>) {
    if (token >= p.n_tokens || output >= p.n_outputs) { return; }
    let at = p.y_offset + token * p.y_stride + output;
    if ((at & 3u) == 0u && output + 3u < p.n_outputs) {
        y[at >> 2u] = values;
        return;
    }
    y[at >> 2u][at & 3u] = values.x;
    if (output + 1u < p.n_outputs) { y[(at + 1u) >> 2u][(at + 1u) & 3u] = values.y; }
    if (output + 2u < p.n_outputs) { y[(at + 2u) >> 2u][(at + 2u) & 3u] = values.z; }
    if (output + 3u < p.n_outputs) { y[(at + 3u) >> 2u][(at + 3u) & 3u] = values.w; }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let first_token = index / p.n_tiles * TILE;
    let first_output = index % p.n_tiles * TILE;
    // What this invocation brings into workgroup memory.
    let from_x = lane < 128u;
    let x_row = lane % 128u / QUADS;
    let x_part = lane % QUADS;
    let w_row = lane % 128u / (DEPTH / 16u);
    let w_part = lane % (DEPTH / 16u) * 4u;
    // What it computes: tokens t * 4 to t * 4 + 3 of each half of the tile, outputs n * 4 to n * 4 + 3.
    let part = lane / LANES;
    let block = lane % LANES / 32u;
    let n = lane % 4u + block % ACROSS * 4u;
    let t = lane / 4u % 8u + block / ACROSS * 8u;
    var s: array<vec4<f32>, 16>; // [outputs, halves] of four tokens
    for (var k = 0u; k < p.n_columns; k += DEPTH) {
        if (from_x) {
            bring_x(first_token + x_row * 4u, k + x_part * 4u, x_part, x_row);
        } else {
            bring_w(first_output + w_row, k + w_part * 4u, w_part, w_row);
        }
        workgroupBarrier();
        for (var i = 0u; i < QUADS / PARTS; i += 1u) {
            let q = part * (QUADS / PARTS) + i;
            let x_at = q * 4u * PITCH + (t ^ (q * SPREAD));
            let low = x_quad(x_at);
            let high = x_quad(x_at + PITCH / 2u);
            let w_at = n * 4u * QUADS + (q ^ (n % QUADS));
            let w_half = w_at + TILE / 2u * QUADS;
            let w0 = w_tile[w_at];
            s[0] = add4(s[0], w0, low);
            s[1] = add4(s[1], w0, high);
            let w1 = w_tile[w_at + 1u * QUADS];
            s[2] = add4(s[2], w1, low);
            s[3] = add4(s[3], w1, high);
            let w2 = w_tile[w_at + 2u * QUADS];
            s[4] = add4(s[4], w2, low);
            s[5] = add4(s[5], w2, high);
            let w3 = w_tile[w_at + 3u * QUADS];
            s[6] = add4(s[6], w3, low);
            s[7] = add4(s[7], w3, high);
            let w4 = w_tile[w_half];
            s[8] = add4(s[8], w4, low);
            s[9] = add4(s[9], w4, high);
            let w5 = w_tile[w_half + 1u * QUADS];
            s[10] = add4(s[10], w5, low);
            s[11] = add4(s[11], w5, high);
            let w6 = w_tile[w_half + 2u * QUADS];
            s[12] = add4(s[12], w6, low);
            s[13] = add4(s[13], w6, high);
            let w7 = w_tile[w_half + 3u * QUADS];
            s[14] = add4(s[14], w7, low);
            s[15] = add4(s[15], w7, high);
        }
        workgroupBarrier();
    }
    // The sums of the other parts, one after another, through the same memory.
    let l = lane % LANES;
    for (var other = 1u; other < PARTS; other += 1u) {
        if (part == other) {
            x_tile[0u * 64u + l] = s[0];
            x_tile[1u * 64u + l] = s[1];
            x_tile[2u * 64u + l] = s[2];
            x_tile[3u * 64u + l] = s[3];
            x_tile[4u * 64u + l] = s[4];
            x_tile[5u * 64u + l] = s[5];
            x_tile[6u * 64u + l] = s[6];
            x_tile[7u * 64u + l] = s[7];
            w_tile[0u * 64u + l] = s[8];
            w_tile[1u * 64u + l] = s[9];
            w_tile[2u * 64u + l] = s[10];
            w_tile[3u * 64u + l] = s[11];
            w_tile[4u * 64u + l] = s[12];
            w_tile[5u * 64u + l] = s[13];
            w_tile[6u * 64u + l] = s[14];
            w_tile[7u * 64u + l] = s[15];
        }
        workgroupBarrier();
        if (part == 0u) {
            s[0] += x_tile[0u * 64u + l];
            s[1] += x_tile[1u * 64u + l];
            s[2] += x_tile[2u * 64u + l];
            s[3] += x_tile[3u * 64u + l];
            s[4] += x_tile[4u * 64u + l];
            s[5] += x_tile[5u * 64u + l];
            s[6] += x_tile[6u * 64u + l];
            s[7] += x_tile[7u * 64u + l];
            s[8] += w_tile[0u * 64u + l];
            s[9] += w_tile[1u * 64u + l];
            s[10] += w_tile[2u * 64u + l];
            s[11] += w_tile[3u * 64u + l];
            s[12] += w_tile[4u * 64u + l];
            s[13] += w_tile[5u * 64u + l];
            s[14] += w_tile[6u * 64u + l];
            s[15] += w_tile[7u * 64u + l];
        }
        workgroupBarrier();
    }
    if (part != 0u) { return; }
    let token = first_token + t * 4u;
    let output = first_output + n * 4u;
    store(token, output, s[0], s[2], s[4], s[6]);
    store(token + TILE / 2u, output, s[1], s[3], s[5], s[7]);
    store(token, output + TILE / 2u, s[8], s[10], s[12], s[14]);
    store(token + TILE / 2u, output + TILE / 2u, s[9], s[11], s[13], s[15]);
}
