// matmul_grad_w.wgsl - dw[n, k] += sum over t of dy[t, n] x[t, k]; stands with tile.wgsl.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

const ROWS: u32 = BRINGERS / PITCH; // that are brought at once

fn turn_a(q: u32) -> u32 { return 0u; }

fn turn_b(q: u32) -> u32 { return 0u; }

fn b4(row: u32, n: u32, i: u32) -> vec4<f32> {
    let first = p.b_offset + row * p.b_stride;
    if ((p.b_stride & 3u) == 0u) { return b[(first + (min(i, n - 1u) & ~3u)) >> 2u]; }
    let at = vec4<u32>(first) + min(vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    return vec4<f32>(b[at.x >> 2u][at.x & 3u], b[at.y >> 2u][at.y & 3u], b[at.z >> 2u][at.z & 3u],
                     b[at.w >> 2u][at.w & 3u]);
}

// Four columns of dy of every ROWS-th token.
fn bring_a(first: u32, r: u32, lane: u32) {
    let i = lane % PITCH;
    let step = lane / PITCH;
    var values: array<vec4<f32>, 4>;
    for (var j = 0u; j < 4u; j += 1u) {
        values[j] = a4(min(r + step + j * ROWS, p.depth - 1u), p.n_rows, first + i * 4u);
    }
    for (var j = 0u; j < 4u; j += 1u) {
        let t = step + j * ROWS;
        a_tile[t * PITCH + i] = select(vec4<f32>(0.0), values[j], r + t < p.depth);
    }
}

fn bring_b(first: u32, r: u32, lane: u32) {
    let i = lane % PITCH;
    let step = lane / PITCH;
    var values: array<vec4<f32>, 4>;
    for (var j = 0u; j < 4u; j += 1u) {
        values[j] = b4(min(r + step + j * ROWS, p.depth - 1u), p.n_columns, first + i * 4u);
    }
    for (var j = 0u; j < 4u; j += 1u) {
        let t = step + j * ROWS;
        b_tile[t * PITCH + i] = select(vec4<f32>(0.0), values[j], r + t < p.depth);
    }
}
