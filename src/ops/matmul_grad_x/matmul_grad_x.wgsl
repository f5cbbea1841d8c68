// SPDX-License-Identifier: MIT
// matmul_grad_x.wgsl - dx[t, k] = sum over n of dy[t, n] w[n, k]; stands with tile.wgsl and a decoder of w's type.
fn turn_a(q: u32) -> u32 { return q * SPREAD; }

fn turn_b(q: u32) -> u32 { return 0u; }

fn bring_a(first: u32, r: u32, lane: u32) {
    let q = lane % QUADS;
    let i = lane / QUADS;
    let t = first + i * 4u;
    let n = r + q * 4u;
    let last = p.n_rows - 1u;
    let rows = a_block(min(t, last), min(t + 1u, last), min(t + 2u, last), min(t + 3u, last), p.depth, n);
    let steps = turned(rows, p.depth, n);
    let at = q * 4u * PITCH + (i ^ turn_a(q));
    a_tile[at] = steps[0];
    a_tile[at + PITCH] = steps[1];
    a_tile[at + 2u * PITCH] = steps[2];
    a_tile[at + 3u * PITCH] = steps[3];
}

const B_RUNS: u32 = TILE / RUN; // of a row of w, that the decoder of its type brings at once

fn bring_b(first: u32, r: u32, lane: u32) {
    let q = lane % B_RUNS * RUN;
    let k = min(first + q, (p.n_columns - 1u) / RUN * RUN);
    for (var i = 0u; i < DEPTH; i += BRINGERS / B_RUNS) {
        let step = i + lane / B_RUNS;
        put_run(step * PITCH + q / 4u, min(r + step, p.depth - 1u) * p.n_columns + k, r + step < p.depth);
    }
}
