// SPDX-License-Identifier: MIT
// matmul_tile.wgsl - y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n]) for many tokens; stands with tile.wgsl and the row
// decoder of w's type. Wanted: K and the rows of x whole quads.
fn turn_a(q: u32) -> u32 { return q * SPREAD; }

fn turn_b(q: u32) -> u32 { return q * SPREAD; }

fn x4(token: u32, k: u32) -> vec4<f32> { return a[(p.a_offset + min(token, p.n_rows - 1u) * p.a_stride + k) >> 2u]; }

fn w4(output: u32, k: u32) -> vec4<f32> { return row4(min(output, p.n_columns - 1u) * p.depth + k); }

fn bring_a(first: u32, r: u32, lane: u32) {
    let q = lane % QUADS;
    let i = lane / QUADS;
    let t = first + i * 4u;
    let k = min(r + q * 4u, p.depth - 4u);
    let steps = turned(mat4x4<f32>(x4(t, k), x4(t + 1u, k), x4(t + 2u, k), x4(t + 3u, k)), p.depth, r + q * 4u);
    let at = q * 4u * PITCH + (i ^ turn_a(q));
    a_tile[at] = steps[0];
    a_tile[at + PITCH] = steps[1];
    a_tile[at + 2u * PITCH] = steps[2];
    a_tile[at + 3u * PITCH] = steps[3];
}

fn bring_b(first: u32, r: u32, lane: u32) {
    let q = lane % QUADS;
    let i = lane / QUADS;
    let n = first + i * 4u;
    let k = min(r + q * 4u, p.depth - 4u);
    let steps = turned(mat4x4<f32>(w4(n, k), w4(n + 1u, k), w4(n + 2u, k), w4(n + 3u, k)), p.depth, r + q * 4u);
    let at = q * 4u * PITCH + (i ^ turn_b(q));
    b_tile[at] = steps[0];
    b_tile[at + PITCH] = steps[1];
    b_tile[at + 2u * PITCH] = steps[2];
    b_tile[at + 3u * PITCH] = steps[3];
}
