// quant_row.wgsl - what the row decoders of block formats share. A row decoder defines weight16(e), the sixteen weights from
// element e on, e a multiple of 16; the module it stands in defines weight_word(i), word i of the matrix, and
// weight_quad(i), words i to i + 3, i a multiple of 4. Nothing branches: loads behind a branch would wait for each other.

// The four words that begin at an even byte.
fn words_at(byte: u32) -> vec4<u32> {
    let i = byte >> 2u;
    let a = vec4<u32>(weight_word(i), weight_word(i + 1u), weight_word(i + 2u), weight_word(i + 3u));
    let next = vec4<u32>(a.yzw, weight_word(i + 4u));
    return select(a, (a >> vec4<u32>(16u)) | (next << vec4<u32>(16u)), (byte & 2u) != 0u);
}

fn half_at(byte: u32) -> f32 { return unpack2x16float(weight_word(byte >> 2u) >> ((byte & 2u) * 8u)).x; }

fn bytes_of(word: u32) -> vec4<u32> { return vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u); }

// scale * code + offset, where the codes are the low four bits of the bytes.
fn nibbles16(words: vec4<u32>, scale: f32, offset: f32) -> array<vec4<f32>, 4> {
    let low = vec4<u32>(15u);
    return array<vec4<f32>, 4>(scale * vec4<f32>(bytes_of(words.x) & low) + offset,
                               scale * vec4<f32>(bytes_of(words.y) & low) + offset,
                               scale * vec4<f32>(bytes_of(words.z) & low) + offset,
                               scale * vec4<f32>(bytes_of(words.w) & low) + offset);
}

// The same, where the codes are the bytes, of six bits at most.
fn codes16(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, scale: f32, offset: f32) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(scale * vec4<f32>(a) + offset, scale * vec4<f32>(b) + offset,
                               scale * vec4<f32>(c) + offset, scale * vec4<f32>(d) + offset);
}

// Scale and offset of group j in a block of Q4_K or Q5_K whose first four words are `head`; the packing: quant_fit.h.
fn k_scales(head: vec4<u32>, j: u32) -> vec2<f32> {
    let fields = (head.yzw >> vec3<u32>((j & 3u) * 8u)) & vec3<u32>(255u);
    let early = fields.xy & vec2<u32>(63u);
    let late = vec2<u32>((fields.z & 15u) | ((fields.x >> 6u) << 4u), (fields.z >> 4u) | ((fields.y >> 6u) << 4u));
    return unpack2x16float(head.x) * vec2<f32>(select(early, late, j >= 4u));
}
