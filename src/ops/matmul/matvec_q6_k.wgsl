// SPDX-License-Identifier: MIT
// matvec_q6_k.wgsl - chunks of 16 columns of Q6_K: four runs of 4, 32 columns apart, that lie in the same bytes (q6_k.c). A
// block has 210 bytes: its fields begin at a word or in the middle of one.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    codes: vec4<u32>, // a run each
    scales: vec4<f32>,
}

struct Inputs {
    runs: mat4x4<f32>,
    sums: vec4<f32>,
}

fn word_at(byte: u32) -> u32 {
    let i = p.w_offset + byte / 4u;
    let whole = (byte & 2u) == 0u;
    let words = vec2<u32>(w[i], w[select(i + 1u, i, whole)]);
    return select((words.x >> 16u) | (words.y << 16u), words.x, whole);
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let block = (row / 256u + c / 16u) * 210u;
    let half = c % 16u / 8u;
    let i = c % 8u * 4u;
    let low = vec2<u32>(word_at(block + half * 64u + i), word_at(block + half * 64u + 32u + i));
    let high = word_at(block + 128u + half * 32u + i);
    let codes = vec4<u32>(low & vec2<u32>(0x0f0f0f0fu), (low >> vec2<u32>(4u)) & vec2<u32>(0x0f0f0f0fu)) |
                vec4<u32>((high << 4u) & 0x30303030u, (high << 2u) & 0x30303030u, high & 0x30303030u,
                          (high >> 2u) & 0x30303030u);
    // Of its eight scales a half's runs have every other one.
    let shift = 24u - i / 16u * 8u;
    let packed = vec2<u32>(word_at(block + 192u + half * 8u), word_at(block + 196u + half * 8u));
    let scales = vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(packed.x << shift, packed.x << (shift - 16u),
                                                        packed.y << shift, packed.y << (shift - 16u))) >>
                           vec4<u32>(24u));
    let d = unpack2x16float(w[p.w_offset + (block + 208u) / 4u] >> (((block + 208u) & 2u) * 8u)).x;
    return Weights(codes, scales * d);
}

fn inputs_at(t: u32, c: u32) -> Inputs {
    let i = c / 8u * 32u + c % 8u;
    let runs = mat4x4<f32>(input4(t, i), input4(t, i + 8u), input4(t, i + 16u), input4(t, i + 24u));
    let sums = vec4<f32>(1.0) * runs;
    return Inputs(runs, sums * 32.0);
}

fn product(weights: Weights, inputs: Inputs) -> f32 {
    let dots = vec4<f32>(dot(bytes_of(weights.codes.x), inputs.runs[0]), dot(bytes_of(weights.codes.y), inputs.runs[1]),
                         dot(bytes_of(weights.codes.z), inputs.runs[2]), dot(bytes_of(weights.codes.w), inputs.runs[3]));
    return dot(weights.scales, dots - inputs.sums);
}
