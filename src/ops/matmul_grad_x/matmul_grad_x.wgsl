// matmul_grad_x.wgsl - dx[t, k] = sum over n of dy[t, n] w[n, k]; stands with matmul_grad_tile.wgsl and the decoder of w's type.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weight_word(i: u32) -> u32 { return w[(p.b_offset + i) >> 2u][(p.b_offset + i) & 3u]; }

fn weight_quad(i: u32) -> vec4<u32> { return w[(p.b_offset + i) >> 2u]; }

fn turn(q: u32) -> u32 { return q * (8u / QUADS); }

fn dy4(token: u32, n: u32) -> vec4<f32> {
    let beyond = vec4<u32>(n) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(p.depth);
    return select(a4(min(token, p.n_rows - 1u), p.depth, n), vec4<f32>(0.0), beyond);
}

// Four tokens by four rows of w, turned.
fn bring_a(first: u32, r: u32, lane: u32) {
    let q = lane % QUADS;
    let i = lane / QUADS;
    let token = first + i * 4u;
    let n = r + q * 4u;
    let steps = transpose(mat4x4<f32>(dy4(token, n), dy4(token + 1u, n), dy4(token + 2u, n), dy4(token + 3u, n)));
    let at = q * 4u * PITCH + (i ^ turn(q));
    a_tile[at] = steps[0];
    a_tile[at + PITCH] = steps[1];
    a_tile[at + 2u * PITCH] = steps[2];
    a_tile[at + 3u * PITCH] = steps[3];
}

// Sixteen columns of a row of w.
fn bring_b(first: u32, r: u32, lane: u32) {
    let i = lane % (TILE / 16u);
    let step = lane / (TILE / 16u);
    let row = min(r + step, p.depth - 1u);
    let values = weight16(row * p.n_columns + min(first + i * 16u, (p.n_columns - 1u) & ~15u));
    let within = r + step < p.depth;
    let at = step * PITCH + i * 4u;
    b_tile[at] = select(vec4<f32>(0.0), values[0], within);
    b_tile[at + 1u] = select(vec4<f32>(0.0), values[1], within);
    b_tile[at + 2u] = select(vec4<f32>(0.0), values[2], within);
    b_tile[at + 3u] = select(vec4<f32>(0.0), values[3], within);
}

fn finish(before: vec4<f32>, sum: vec4<f32>) -> vec4<f32> { return sum; }
