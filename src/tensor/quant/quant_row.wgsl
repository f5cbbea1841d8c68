// quant_row.wgsl - what the row decoders of block formats share. A row decoder declares the matrix, w, and defines row4(e), the
// four weights from element e on, e a multiple of 4. The matrix begins at word p.b_offset, a multiple of 4. Nothing
// branches: loads behind a branch would wait for each other.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn word(i: u32) -> u32 { return w[(p.b_offset + i) >> 2u][i & 3u]; }

// Words i to i + 3, i a multiple of 4.
fn quad(i: u32) -> vec4<u32> { return w[(p.b_offset + i) >> 2u]; }

// The word that begins at an even byte.
fn word_from(byte: u32) -> u32 {
    let i = byte >> 2u;
    let first = word(i);
    return select(first, (first >> 16u) | (word(i + 1u) << 16u), (byte & 2u) != 0u);
}

fn half_from(byte: u32) -> f32 { return unpack2x16float(word(byte >> 2u) >> ((byte & 2u) * 8u)).x; }

fn bytes_of(word: u32) -> vec4<u32> { return vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u); }

// Scale and offset of group j in a block of Q4_K or Q5_K whose first four words are `head`; the packing: quant_fit.h.
fn k_scales(head: vec4<u32>, j: u32) -> vec2<f32> {
    let fields = (head.yzw >> vec3<u32>((j & 3u) * 8u)) & vec3<u32>(255u);
    let early = fields.xy & vec2<u32>(63u);
    let late = vec2<u32>((fields.z & 15u) | ((fields.x >> 6u) << 4u), (fields.z >> 4u) | ((fields.y >> 6u) << 4u));
    return unpack2x16float(head.x) * vec2<f32>(select(early, late, j >= 4u));
}
