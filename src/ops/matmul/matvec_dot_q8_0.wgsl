// matvec_dot_q8_0.wgsl - Q8_0 for matvec_dot.wgsl: two blocks of 34 bytes a chunk (q8_0.c).
// include matvec_dot_words

struct Read {
    codes: array<Bytes, 4>,
    d: vec2<f32>,
    block: u32,
}

fn runs_of(c: u32) -> vec4<u32> { return vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); }

fn chunk_at(row: u32, c: u32) -> Read { // row: the number of its first element
    let block = (row / 32u + c * 2u) * 34u;
    return Read(array<Bytes, 4>(read16(block + 2u), read16(block + 18u), read16(block + 36u), read16(block + 52u)),
                vec2<f32>(half_at(block), half_at(block + 34u)), block);
}

fn weights_of(r: Read, c: u32) -> Weights {
    let whole = (r.block & 2u) != 0u; // of the first block's codes; of the second's where that is not
    return Weights(array<vec4<u32>, 4>(bytes_of(r.codes[0], whole), bytes_of(r.codes[1], whole), bytes_of(r.codes[2], !whole),
                                       bytes_of(r.codes[3], !whole)),
                   r.d.xxyy, vec4<f32>(0.0));
}
