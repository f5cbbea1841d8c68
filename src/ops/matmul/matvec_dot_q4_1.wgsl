// matvec_dot_q4_1.wgsl - Q4_1 for matvec_dot.wgsl: two blocks of five words a chunk (q4_1.c).
const AHEAD: bool = true;

@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Chunk {
    first: vec4<u32>,
    second: vec4<u32>,
    heads: vec2<u32>, // d, m
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); }

fn chunk_at(row: u32, c: u32) -> Chunk { // row: the number of its first element
    let i = p.w_offset + (row / 32u + c * 2u) * 5u;
    return Chunk(vec4<u32>(w[i + 1u], w[i + 2u], w[i + 3u], w[i + 4u]), vec4<u32>(w[i + 6u], w[i + 7u], w[i + 8u], w[i + 9u]),
                vec2<u32>(w[i], w[i + 5u]));
}

fn weights_of(chunk: Chunk, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let a = unpack2x16float(chunk.heads.x);
    let b = unpack2x16float(chunk.heads.y);
    return Weights(array<vec4<u32>, 4>(chunk.first & low, (chunk.first >> shift) & low, chunk.second & low, (chunk.second >> shift) & low),
                   vec4<f32>(a.xx, b.xx), vec4<f32>(a.yy, b.yy));
}
