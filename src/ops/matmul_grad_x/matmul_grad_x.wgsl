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

// Sixteen columns of a row of w.
fn bring_b(first: u32, r: u32, lane: u32) {
    let i = lane % (TILE / 16u);
    let step = lane / (TILE / 16u);
    let row = min(r + step, p.depth - 1u) * p.n_columns;
    let k = first + i * 16u;
    let last = (p.n_columns - 1u) & ~3u;
    let values = array<vec4<f32>, 4>(row4(row + min(k, last)), row4(row + min(k + 4u, last)),
                                     row4(row + min(k + 8u, last)), row4(row + min(k + 12u, last)));
    let within = r + step < p.depth;
    let at = step * PITCH + i * 4u;
    b_tile[at] = select(vec4<f32>(0.0), values[0], within);
    b_tile[at + 1u] = select(vec4<f32>(0.0), values[1], within);
    b_tile[at + 2u] = select(vec4<f32>(0.0), values[2], within);
    b_tile[at + 3u] = select(vec4<f32>(0.0), values[3], within);
}
