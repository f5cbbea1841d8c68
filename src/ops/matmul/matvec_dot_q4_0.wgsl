// matvec_dot_q4_0.wgsl - Q4_0 for matvec_dot.wgsl: two blocks of 18 bytes a chunk (q4_0.c).
// include matvec_dot_words

struct Read {
    first: Bytes,
    second: Bytes,
    d: vec2<f32>,
    block: u32,
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); }

fn chunk_at(row: u32, c: u32) -> Read { // row: the number of its first element
    let block = (row / 32u + c * 2u) * 18u;
    return Read(read16(block + 2u), read16(block + 20u), vec2<f32>(half_at(block), half_at(block + 18u)), block);
}

fn weights_of(r: Read, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let shift = vec4<u32>(4u);
    let whole = (r.block & 2u) != 0u; // of the first block's codes; of the second's where that is not
    let a = bytes_of(r.first, whole);
    let b = bytes_of(r.second, !whole);
    return Weights(array<vec4<u32>, 4>(a & low, (a >> shift) & low, b & low, (b >> shift) & low), r.d.xxyy, r.d.xxyy * -8.0);
}
