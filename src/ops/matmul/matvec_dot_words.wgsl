// matvec_dot_words.wgsl - for matvec_dot.wgsl: blocks that begin at an even byte. They are read as words, and put together when they
// are used.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Bytes { // 16 that begin at a word, or in the middle of it
    words: vec4<u32>,
    next: u32,
}

fn read16(byte: u32) -> Bytes {
    let i = p.w_offset + byte / 4u;
    let whole = (byte & 2u) == 0u;
    return Bytes(vec4<u32>(w[i], w[i + 1u], w[i + 2u], w[i + 3u]), w[select(i + 4u, i + 3u, whole)]);
}

fn bytes_of(b: Bytes, whole: bool) -> vec4<u32> {
    let after = vec4<u32>(b.words.yzw, b.next);
    return select((b.words >> vec4<u32>(16u)) | (after << vec4<u32>(16u)), b.words, whole);
}

fn half_at(byte: u32) -> f32 { return unpack2x16float(w[p.w_offset + byte / 4u] >> ((byte & 2u) * 8u)).x; }
