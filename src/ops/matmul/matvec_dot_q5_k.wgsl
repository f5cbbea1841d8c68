// matvec_dot_q5_k.wgsl - Q5_K for matvec_dot.wgsl; the block, 11 times 16 bytes: q5_k.c.
// include matvec_dot_k
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

struct Chunk {
    head: vec4<u32>,
    fifth: array<vec4<u32>, 2>, // of group j in bit j of each byte
    first: vec4<u32>,
    second: vec4<u32>,
}

fn chunk_at(row: u32, c: u32) -> Chunk {
    let block = row + c / 4u * 11u;
    let at = block + 3u + c % 4u * 2u;
    return Chunk(w[block], array<vec4<u32>, 2>(w[block + 1u], w[block + 2u]), w[at], w[at + 1u]);
}

fn weights_of(chunk: Chunk, c: u32) -> Weights {
    let low = vec4<u32>(0x0f0f0f0fu);
    let one = vec4<u32>(0x01010101u);
    let shift = vec4<u32>(4u);
    let j = vec4<u32>(c % 4u * 2u);
    let s = group_scales(chunk.head, c % 4u);
    let a = chunk.fifth[0] >> j;
    let b = chunk.fifth[1] >> j;
    let next = vec4<u32>(1u);
    return Weights(array<vec4<u32>, 4>((chunk.first & low) | ((a & one) << shift), (chunk.second & low) | ((b & one) << shift),
                                       ((chunk.first >> shift) & low) | (((a >> next) & one) << shift),
                                       ((chunk.second >> shift) & low) | (((b >> next) & one) << shift)),
                   s.xxyy, s.zzww);
}
