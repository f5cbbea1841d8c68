// matvec_dot_q8_0.wgsl - Q8_0 for matvec_dot.wgsl: two blocks of 34 bytes a chunk (q8_0.c).
// include matvec_dot_words

struct Chunk {
    bytes: array<vec4<u32>, 6>,
    skip: u32, // the byte at which it begins
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); }

fn chunk_at(row: u32, c: u32) -> Chunk { // row: the number of its first element
    let byte = (row / 32u + c * 2u) * 34u;
    let i = sixteen_of(byte);
    return Chunk(array<vec4<u32>, 6>(w[i], w[i + 1u], w[i + 2u], w[i + 3u], w[i + 4u], w[min(i + 5u, sixteen_of(byte + 67u))]),
                 byte % 16u);
}

fn weights_of(chunk: Chunk, c: u32) -> Weights {
    let a = moved(chunk.bytes[0], chunk.bytes[1], chunk.skip);
    let b = moved(chunk.bytes[1], chunk.bytes[2], chunk.skip);
    let d = moved(chunk.bytes[2], chunk.bytes[3], chunk.skip);
    let e = moved(chunk.bytes[3], chunk.bytes[4], chunk.skip);
    let end = moved(chunk.bytes[4], chunk.bytes[5], chunk.skip).x;
    let scales = vec2<f32>(unpack2x16float(a.x).x, unpack2x16float(d.x).y);
    return Weights(array<vec4<u32>, 4>(halves(a, b.x), halves(b, d.x), vec4<u32>(d.yzw, e.x), vec4<u32>(e.yzw, end)),
                   scales.xxyy, vec4<f32>(0.0));
}
