// SPDX-License-Identifier: MIT
// matmul_grad_w.wgsl - dw[n, k] += sum over t of dy[t, n] x[t, k]; stands with tile.wgsl.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

const ROWS: u32 = BRINGERS / PITCH; // that are brought at once

fn turn_a(q: u32) -> u32 { return 0u; }

fn turn_b(q: u32) -> u32 { return 0u; }

fn b_block(r0: u32, r1: u32, r2: u32, r3: u32, n: u32, i: u32) -> mat4x4<f32> {
    if ((p.b_stride & 3u) == 0u) {
        let at = p.b_offset + (min(i, n - 1u) & ~3u);
        return mat4x4<f32>(b[(at + r0 * p.b_stride) >> 2u], b[(at + r1 * p.b_stride) >> 2u],
                           b[(at + r2 * p.b_stride) >> 2u], b[(at + r3 * p.b_stride) >> 2u]);
    }
    let at = vec4<u32>(p.b_offset) + min(vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    return mat4x4<f32>(b_words(at + vec4<u32>(r0 * p.b_stride)), b_words(at + vec4<u32>(r1 * p.b_stride)),
                       b_words(at + vec4<u32>(r2 * p.b_stride)), b_words(at + vec4<u32>(r3 * p.b_stride)));
}

fn b_words(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(b[at.x >> 2u][at.x & 3u], b[at.y >> 2u][at.y & 3u], b[at.z >> 2u][at.z & 3u],
                     b[at.w >> 2u][at.w & 3u]);
}

// Four columns of dy of every ROWS-th token.
fn bring_a(first: u32, r: u32, lane: u32) {
    let i = lane % PITCH;
    let t = r + lane / PITCH;
    let last = p.depth - 1u;
    let rows = a_block(min(t, last), min(t + ROWS, last), min(t + 2u * ROWS, last), min(t + 3u * ROWS, last), p.n_rows,
                       first + i * 4u);
    a_tile[lane] = select(vec4<f32>(0.0), rows[0], t < p.depth);
    a_tile[lane + BRINGERS] = select(vec4<f32>(0.0), rows[1], t + ROWS < p.depth);
    a_tile[lane + 2u * BRINGERS] = select(vec4<f32>(0.0), rows[2], t + 2u * ROWS < p.depth);
    a_tile[lane + 3u * BRINGERS] = select(vec4<f32>(0.0), rows[3], t + 3u * ROWS < p.depth);
}

// Four columns of x of every ROWS-th token.
fn bring_b(first: u32, r: u32, lane: u32) {
    let i = lane % PITCH;
    let t = r + lane / PITCH;
    let last = p.depth - 1u;
    let rows = b_block(min(t, last), min(t + ROWS, last), min(t + 2u * ROWS, last), min(t + 3u * ROWS, last),
                       p.n_columns, first + i * 4u);
    b_tile[lane] = select(vec4<f32>(0.0), rows[0], t < p.depth);
    b_tile[lane + BRINGERS] = select(vec4<f32>(0.0), rows[1], t + ROWS < p.depth);
    b_tile[lane + 2u * BRINGERS] = select(vec4<f32>(0.0), rows[2], t + 2u * ROWS < p.depth);
    b_tile[lane + 3u * BRINGERS] = select(vec4<f32>(0.0), rows[3], t + 3u * ROWS < p.depth);
}
