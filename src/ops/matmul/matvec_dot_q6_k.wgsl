// matvec_dot_q6_k.wgsl - chunks of 64 columns of Q6_K: four runs of 16, 32 columns apart, that lie in the same bytes and have a
// scale each (q6_k.c). A block has 210 bytes: its fields begin at a word or in the middle of one, all of them alike.
@group(0) @binding(2) var<storage, read> w: array<u32>;

struct Weights {
    low: array<vec4<u32>, 2>,
    high: vec4<u32>,
    scales: vec4<f32>,
}

fn bytes_at(i: u32, whole: bool) -> vec4<u32> {
    return bytes_from(vec4<u32>(w[i], w[i + 1u], w[i + 2u], w[i + 3u]), w[select(i + 4u, i + 3u, whole)], whole);
}

fn weights_at(row: u32, c: u32) -> Weights { // row: the number of its first element
    let block = (row / 256u + c / 4u) * 210u;
    let half = c % 4u / 2u;
    let run = c % 2u; // which of the two beside each other
    let first = p.w_offset + block / 4u;
    let whole = (block & 2u) == 0u;
    let at = first + half * 16u + run * 4u;
    let low = array<vec4<u32>, 2>(bytes_at(at, whole), bytes_at(at + 8u, whole));
    let high = bytes_at(first + 32u + half * 8u + run * 4u, whole);
    // Of its eight scales a half's runs have every other one; d stands behind the sixteen of both.
    let i = first + 48u + half * 2u;
    let words = vec3<u32>(w[i], w[i + 1u], w[i + 2u]);
    let packed = select((words.xy >> vec2<u32>(16u)) | (words.yz << vec2<u32>(16u)), words.xy, whole);
    let shift = 24u - run * 8u;
    let scales = vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(packed.x << shift, packed.x << (shift - 16u),
                                                        packed.y << shift, packed.y << (shift - 16u))) >>
                           vec4<u32>(24u));
    let d = unpack2x16float(w[p.w_offset + (block + 208u) / 4u] >> (((block + 208u) & 2u) * 8u)).x;
    return Weights(low, high, scales * d);
}

struct Inputs {
    runs: array<Run, 4>,
    sums: vec4<i32>,
}

fn inputs_at(t: u32, c: u32) -> Inputs {
    let i = c / 2u * 32u + c % 2u * 4u;
    let runs = array<Run, 4>(run_at(t, i), run_at(t, i + 8u), run_at(t, i + 16u), run_at(t, i + 24u));
    let sums = vec4<i32>(sum16(runs[0].codes), sum16(runs[1].codes), sum16(runs[2].codes), sum16(runs[3].codes));
    return Inputs(runs, sums * 32);
}

fn product(weights: Weights, inputs: Inputs) -> f32 {
    let top = vec4<u32>(0x30303030u);
    let a = weights.low[0];
    let b = weights.low[1];
    let dots = vec4<i32>(
        dot16((a & LOW_HALVES) | ((weights.high << vec4<u32>(4u)) & top), inputs.runs[0].codes),
        dot16((b & LOW_HALVES) | ((weights.high << vec4<u32>(2u)) & top), inputs.runs[1].codes),
        dot16(((a >> vec4<u32>(4u)) & LOW_HALVES) | (weights.high & top), inputs.runs[2].codes),
        dot16(((b >> vec4<u32>(4u)) & LOW_HALVES) | ((weights.high >> vec4<u32>(2u)) & top), inputs.runs[3].codes));
    let scales = vec4<f32>(inputs.runs[0].scale, inputs.runs[1].scale, inputs.runs[2].scale, inputs.runs[3].scale);
    return dot(weights.scales * scales, vec4<f32>(dots - inputs.sums));
}
