// SPDX-License-Identifier: MIT
// tile.wgsl - what the matmul and its gradients share: y[m, c] = sum over r of a(m, r) b(r, c).
//
// A workgroup of 256 makes a tile of TILE by TILE results; DEPTH steps of the sums at a time lie in workgroup memory, 16 KiB. Half
// of the invocations bring a, the others b; an invocation adds up 8 by 8 results: where tiles are small, for a part of the
// steps, and the parts are added in the end, always in the same order.
//
// The module it stands in says what a and b are: bring_a and bring_b fill the tiles, with zeros beyond the sums' end (what is
// beyond the last row or column is not stored), and store(m, c, sum) takes four results. A matrix whose rows run along the sums
// is brought four rows by four steps at a time, turned in registers; such blocks are swapped about in memory, the ^ below,
// so that invocations next to each other write to different banks (turn_a, turn_b; 0 where nothing is turned).
//
// On the way of a load nothing branches but on what is the same for all: loads behind branches would wait for each other.
// include tile_args

const QUADS: u32 = DEPTH / 4u;
const PITCH: u32 = TILE / 4u;
const SPREAD: u32 = 8u / QUADS;
const LANES: u32 = 256u / PARTS; // invocations that share no sums
const ACROSS: u32 = TILE / 32u;
const BRINGERS: u32 = 128u; // of a, and of b

alias Quad = vec4<f32>;

var<workgroup> a_tile: array<Quad, 512>; // [DEPTH, PITCH] of four rows
var<workgroup> b_tile: array<Quad, 512>; // [DEPTH, PITCH] of four columns

// Elements i to i + 3 of four rows of a, of n elements each; the rows may begin anywhere. What is beyond a row is not said.
fn a_block(r0: u32, r1: u32, r2: u32, r3: u32, n: u32, i: u32) -> mat4x4<f32> {
    if ((p.a_stride & 3u) == 0u) {
        let at = p.a_offset + (min(i, n - 1u) & ~3u);
        return mat4x4<f32>(a[(at + r0 * p.a_stride) >> 2u], a[(at + r1 * p.a_stride) >> 2u],
                           a[(at + r2 * p.a_stride) >> 2u], a[(at + r3 * p.a_stride) >> 2u]);
    }
    let at = vec4<u32>(p.a_offset) + min(vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    return mat4x4<f32>(a_words(at + vec4<u32>(r0 * p.a_stride)), a_words(at + vec4<u32>(r1 * p.a_stride)),
                       a_words(at + vec4<u32>(r2 * p.a_stride)), a_words(at + vec4<u32>(r3 * p.a_stride)));
}

fn a_words(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(a[at.x >> 2u][at.x & 3u], a[at.y >> 2u][at.y & 3u], a[at.z >> 2u][at.z & 3u],
                     a[at.w >> 2u][at.w & 3u]);
}

// Four rows by four steps from step r of n on, as the tiles want them.
fn turned(rows: mat4x4<f32>, n: u32, r: u32) -> mat4x4<f32> {
    let steps = transpose(rows);
    let zero = vec4<f32>(0.0);
    return mat4x4<f32>(select(zero, steps[0], r < n), select(zero, steps[1], r + 1u < n),
                       select(zero, steps[2], r + 2u < n), select(zero, steps[3], r + 3u < n));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let first_row = index / p.n_tiles * TILE;
    let first_column = index % p.n_tiles * TILE;
    // What this invocation computes: rows t * 4 to t * 4 + 3 of each half of the tile, columns c * 4 to c * 4 + 3.
    let part = lane / LANES;
    let l = lane % LANES;
    let block = l / 32u;
    let c = l % 4u + block % ACROSS * 4u;
    let t = l / 4u % 8u + block / ACROSS * 8u;
    var s: array<vec4<f32>, 16>; // [rows, halves] of four columns
    for (var r = 0u; r < p.depth; r += DEPTH) {
        if (lane < BRINGERS) { bring_a(first_row, r, lane); } else { bring_b(first_column, r, lane - BRINGERS); }
        workgroupBarrier();
        for (var i = 0u; i < QUADS / PARTS; i += 1u) {
            let q = part * (QUADS / PARTS) + i;
            let a_at = q * 4u * PITCH + (t ^ turn_a(q));
            let b_at = q * 4u * PITCH + (c ^ turn_b(q));
            for (var step = 0u; step < 4u; step += 1u) {
                let low = a_tile[a_at + step * PITCH];
                let high = a_tile[a_at + step * PITCH + PITCH / 2u];
                let left = b_tile[b_at + step * PITCH];
                let right = b_tile[b_at + step * PITCH + PITCH / 2u];
                s[0] += low.x * left;
                s[1] += low.x * right;
                s[2] += low.y * left;
                s[3] += low.y * right;
                s[4] += low.z * left;
                s[5] += low.z * right;
                s[6] += low.w * left;
                s[7] += low.w * right;
                s[8] += high.x * left;
                s[9] += high.x * right;
                s[10] += high.y * left;
                s[11] += high.y * right;
                s[12] += high.z * left;
                s[13] += high.z * right;
                s[14] += high.w * left;
                s[15] += high.w * right;
            }
        }
        workgroupBarrier();
    }
    // The sums of the other parts, one after another, through the same memory.
    for (var other = 1u; other < PARTS; other += 1u) {
        if (part == other) {
            a_tile[0u * LANES + l] = s[0];
            a_tile[1u * LANES + l] = s[1];
            a_tile[2u * LANES + l] = s[2];
            a_tile[3u * LANES + l] = s[3];
            a_tile[4u * LANES + l] = s[4];
            a_tile[5u * LANES + l] = s[5];
            a_tile[6u * LANES + l] = s[6];
            a_tile[7u * LANES + l] = s[7];
            b_tile[0u * LANES + l] = s[8];
            b_tile[1u * LANES + l] = s[9];
            b_tile[2u * LANES + l] = s[10];
            b_tile[3u * LANES + l] = s[11];
            b_tile[4u * LANES + l] = s[12];
            b_tile[5u * LANES + l] = s[13];
            b_tile[6u * LANES + l] = s[14];
            b_tile[7u * LANES + l] = s[15];
        }
        workgroupBarrier();
        if (part == 0u) {
            s[0] += a_tile[0u * LANES + l];
            s[1] += a_tile[1u * LANES + l];
            s[2] += a_tile[2u * LANES + l];
            s[3] += a_tile[3u * LANES + l];
            s[4] += a_tile[4u * LANES + l];
            s[5] += a_tile[5u * LANES + l];
            s[6] += a_tile[6u * LANES + l];
            s[7] += a_tile[7u * LANES + l];
            s[8] += b_tile[0u * LANES + l];
            s[9] += b_tile[1u * LANES + l];
            s[10] += b_tile[2u * LANES + l];
            s[11] += b_tile[3u * LANES + l];
            s[12] += b_tile[4u * LANES + l];
            s[13] += b_tile[5u * LANES + l];
            s[14] += b_tile[6u * LANES + l];
            s[15] += b_tile[7u * LANES + l];
        }
        workgroupBarrier();
    }
    if (part != 0u) { return; }
    let row = first_row + t * 4u;
    let column = first_column + c * 4u;
    store(row, column, s[0]);
    store(row, column + TILE / 2u, s[1]);
    store(row + 1u, column, s[2]);
    store(row + 1u, column + TILE / 2u, s[3]);
    store(row + 2u, column, s[4]);
    store(row + 2u, column + TILE / 2u, s[5]);
    store(row + 3u, column, s[6]);
    store(row + 3u, column + TILE / 2u, s[7]);
    store(row + TILE / 2u, column, s[8]);
    store(row + TILE / 2u, column + TILE / 2u, s[9]);
    store(row + TILE / 2u + 1u, column, s[10]);
    store(row + TILE / 2u + 1u, column + TILE / 2u, s[11]);
    store(row + TILE / 2u + 2u, column, s[12]);
    store(row + TILE / 2u + 2u, column + TILE / 2u, s[13]);
    store(row + TILE / 2u + 3u, column, s[14]);
    store(row + TILE / 2u + 3u, column + TILE / 2u, s[15]);
}
