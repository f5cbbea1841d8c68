// matvec_dot_q6_k.wgsl - Q6_K for matvec_dot.wgsl. A chunk's runs lie in the same bytes, 32 columns apart, and have a scale each
// (q6_k.c). A block has 210 bytes.
// include matvec_dot_words

struct Chunk {
    low: array<vec4<u32>, 4>, // two times two
    high: array<vec4<u32>, 2>,
    scales: array<vec4<u32>, 2>, // of the whole block, and d behind them
    skip: u32, // the byte in the first sixteen at which a field begins
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c / 2u * 8u + c % 2u) + vec4<u32>(0u, 2u, 4u, 6u); }

fn chunk_at(row: u32, c: u32) -> Chunk { // row: the number of its first element
    let block = (row / 256u + c / 4u) * 210u;
    let half = c % 4u / 2u;
    let i = sixteen_of(block) + half * 4u + c % 2u;
    let high = sixteen_of(block) + 8u + half * 2u + c % 2u;
    let scales = sixteen_of(block) + 12u;
    return Chunk(array<vec4<u32>, 4>(w[i], w[i + 1u], w[i + 2u], w[i + 3u]), array<vec4<u32>, 2>(w[high], w[high + 1u]),
                 array<vec4<u32>, 2>(w[scales], w[scales + 1u]), block % 16u);
}

fn weights_of(chunk: Chunk, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let top = vec4<u32>(0x30303030u);
    let a = moved(chunk.low[0], chunk.low[1], chunk.skip);
    let b = moved(chunk.low[2], chunk.low[3], chunk.skip);
    let high = moved(chunk.high[0], chunk.high[1], chunk.skip);
    let codes = array<vec4<u32>, 4>((a & low) | ((high << vec4<u32>(4u)) & top), (b & low) | ((high << vec4<u32>(2u)) & top),
                                    ((a >> vec4<u32>(4u)) & low) | (high & top),
                                    ((b >> vec4<u32>(4u)) & low) | ((high >> vec4<u32>(2u)) & top));
    let all = moved(chunk.scales[0], chunk.scales[1], chunk.skip);
    let packed = select(all.xy, all.zw, c % 4u >= 2u); // of its eight scales a half's runs have every other one
    let shift = 24u - c % 2u * 8u;
    let scales = vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(packed.x << shift, packed.x << (shift - 16u),
                                                        packed.y << shift, packed.y << (shift - 16u))) >>
                           vec4<u32>(24u));
    let d = unpack2x16float(moved(chunk.scales[1], vec4<u32>(0u), chunk.skip).x).x;
    return Weights(codes, scales * d, scales * (d * -32.0));
}
