// matvec_dot_q8_0.wgsl - chunks of 16 columns of Q8_0, half a block (q8_0.c). A block has 34 bytes: its codes begin at a word or in
// the middle of one.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    codes: vec4<u32>,
    scale: f32,
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let block = (row / 32u + c / 2u) * 34u;
    let byte = block + 2u + c % 2u * 16u;
    let i = p.w_offset + byte / 4u;
    let whole = (byte & 2u) == 0u;
    let codes = bytes_from(vec4<u32>(w[i], w[i + 1u], w[i + 2u], w[i + 3u]), w[select(i + 4u, i + 3u, whole)], whole);
    return Weights(codes, unpack2x16float(w[p.w_offset + block / 4u] >> ((block & 2u) * 8u)).x);
}

fn inputs_at(t: u32, c: u32) -> Run { return run_at(t, c * 4u); }

fn product(weights: Weights, inputs: Run) -> f32 {
    return weights.scale * inputs.scale * f32(dot16(weights.codes, inputs.codes));
}
