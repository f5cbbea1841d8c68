// matvec_dot_q6_k.wgsl - Q6_K for matvec_dot.wgsl. A chunk's runs lie in the same bytes, 32 columns apart, and have a scale each
// (q6_k.c). A block has 210 bytes.
// include matvec_dot_words

struct Read {
    low: array<Bytes, 2>,
    high: Bytes,
    scales: vec3<u32>,
    d: f32,
    block: u32,
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c / 2u * 8u + c % 2u) + vec4<u32>(0u, 2u, 4u, 6u); }

fn chunk_at(row: u32, c: u32) -> Read { // row: the number of its first element
    let block = (row / 256u + c / 4u) * 210u;
    let half = c % 4u / 2u;
    let run = c % 2u; // which of the two beside each other
    let low = block + half * 64u + run * 16u;
    let i = p.w_offset + (block + 192u + half * 8u) / 4u; // of its eight scales a half's runs have every other one
    return Read(array<Bytes, 2>(read16(low), read16(low + 32u)), read16(block + 128u + half * 32u + run * 16u),
                vec3<u32>(w[i], w[i + 1u], w[i + 2u]), half_at(block + 208u), block);
}

fn weights_of(r: Read, c: u32) -> Weights {
    let whole = (r.block & 2u) == 0u;
    let low = vec4<u32>(0x0f0f0f0fu);
    let top = vec4<u32>(0x30303030u);
    let a = bytes_of(r.low[0], whole);
    let b = bytes_of(r.low[1], whole);
    let high = bytes_of(r.high, whole);
    let codes = array<vec4<u32>, 4>((a & low) | ((high << vec4<u32>(4u)) & top), (b & low) | ((high << vec4<u32>(2u)) & top),
                                    ((a >> vec4<u32>(4u)) & low) | (high & top),
                                    ((b >> vec4<u32>(4u)) & low) | ((high >> vec4<u32>(2u)) & top));
    let packed = select((r.scales.xy >> vec2<u32>(16u)) | (r.scales.yz << vec2<u32>(16u)), r.scales.xy, whole);
    let shift = 24u - c % 2u * 8u;
    let scales = vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(packed.x << shift, packed.x << (shift - 16u),
                                                        packed.y << shift, packed.y << (shift - 16u))) >>
                           vec4<u32>(24u)) * r.d;
    return Weights(codes, scales, scales * -32.0);
}
