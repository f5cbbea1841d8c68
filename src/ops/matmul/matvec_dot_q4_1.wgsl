// matvec_dot_q4_1.wgsl - chunks of 32 columns of Q4_1, a block of five words (q4_1.c).
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    codes: vec4<u32>,
    scale: vec2<f32>, // d, m
}

struct Inputs {
    runs: TwoRuns,
    sum: f32,
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let i = p.w_offset + (row / 32u + c) * 5u;
    return Weights(vec4<u32>(w[i + 1u], w[i + 2u], w[i + 3u], w[i + 4u]), unpack2x16float(w[i]));
}

fn inputs_at(t: u32, c: u32) -> Inputs {
    let runs = two_runs_at(t, c * 8u);
    return Inputs(runs, sum_of(runs));
}

fn product(weights: Weights, inputs: Inputs) -> f32 {
    let codes = dot16(weights.codes & LOW_HALVES, inputs.runs.codes[0]) +
                dot16((weights.codes >> vec4<u32>(4u)) & LOW_HALVES, inputs.runs.codes[1]);
    return dot(weights.scale, vec2<f32>(f32(codes) * inputs.runs.scale, inputs.sum));
}
