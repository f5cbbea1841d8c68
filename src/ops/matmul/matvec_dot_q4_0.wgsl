// matvec_dot_q4_0.wgsl - Q4_0 for matvec_dot.wgsl: two blocks of 18 bytes a chunk (q4_0.c).
// include matvec_dot_words

struct Chunk {
    bytes: array<vec4<u32>, 4>,
    skip: u32, // the byte at which it begins
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); }

fn chunk_at(row: u32, c: u32) -> Chunk { // row: the number of its first element
    let byte = (row / 32u + c * 2u) * 18u;
    let i = sixteen_of(byte);
    return Chunk(array<vec4<u32>, 4>(w[i], w[i + 1u], w[i + 2u], w[min(i + 3u, sixteen_of(byte + 35u))]), byte % 16u);
}

fn weights_of(chunk: Chunk, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let head = moved(chunk.bytes[0], chunk.bytes[1], chunk.skip);
    let middle = moved(chunk.bytes[1], chunk.bytes[2], chunk.skip);
    let a = halves(head, middle.x);
    let b = vec4<u32>(middle.yzw, moved(chunk.bytes[2], chunk.bytes[3], chunk.skip).x);
    let d = vec2<f32>(unpack2x16float(head.x).x, unpack2x16float(middle.x).y).xxyy;
    return Weights(array<vec4<u32>, 4>(a & low, (a >> shift) & low, b & low, (b >> shift) & low), d, d * -8.0);
}
