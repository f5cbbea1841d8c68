// matvec_dot_q4_0.wgsl - chunks of 32 columns of Q4_0, a block (q4_0.c). It has 18 bytes: its codes begin at a word or in the middle
// of one.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    codes: vec4<u32>,
    scale: f32,
}

struct Inputs {
    runs: TwoRuns,
    sum: i32,
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let block = (row / 32u + c) * 18u;
    let first = w[p.w_offset + block / 4u];
    let i = p.w_offset + (block + 2u) / 4u;
    let whole = (block & 2u) != 0u;
    let codes = bytes_from(vec4<u32>(w[i], w[i + 1u], w[i + 2u], w[i + 3u]), w[select(i + 4u, i + 3u, whole)], whole);
    return Weights(codes, unpack2x16float(first >> ((block & 2u) * 8u)).x);
}

fn inputs_at(t: u32, c: u32) -> Inputs {
    let runs = two_runs_at(t, c * 8u);
    return Inputs(runs, 8 * (sum16(runs.codes[0]) + sum16(runs.codes[1])));
}

fn product(weights: Weights, inputs: Inputs) -> f32 {
    let codes = dot16(weights.codes & LOW_HALVES, inputs.runs.codes[0]) +
                dot16((weights.codes >> vec4<u32>(4u)) & LOW_HALVES, inputs.runs.codes[1]);
    return weights.scale * inputs.runs.scale * f32(codes - inputs.sum);
}
