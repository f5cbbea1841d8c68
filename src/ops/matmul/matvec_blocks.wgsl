// SPDX-License-Identifier: MIT
// matvec_blocks.wgsl - for matvec.wgsl: what the decoders of several types share: the columns of x that lie beside a chunk
// of theirs, and codes as floats.
// include matvec_k_scales

struct Eight { // columns side by side
    a: vec4<f32>,
    b: vec4<f32>,
}

fn eight_at(t: u32, c: u32) -> Eight { return Eight(input4(t, c * 2u), input4(t, c * 2u + 1u)); }

// Of bytes from word `i` on, and from the middle of it on where `whole` is false.
fn word_pair(words: vec3<u32>, whole: bool) -> vec2<u32> {
    return select((words.xy >> vec2<u32>(16u)) | (words.yz << vec2<u32>(16u)), words.xy, whole);
}

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(255u));
}

// Half a block of Q4_0 or Q4_1: a byte has column i in its low bits, i + 16 in its high ones.
struct HalfBlock {
    codes: vec2<u32>,
    scale: f32,
    offset: f32,
}

struct HalfBlockColumns {
    low: mat2x4<f32>,
    high: mat2x4<f32>,
    sum: f32,
}

fn half_block_columns(t: u32, c: u32) -> HalfBlockColumns {
    let i = c / 2u * 8u + c % 2u * 2u;
    let low = mat2x4<f32>(input4(t, i), input4(t, i + 1u));
    let high = mat2x4<f32>(input4(t, i + 4u), input4(t, i + 5u));
    return HalfBlockColumns(low, high, dot(low[0] + low[1] + high[0] + high[1], vec4<f32>(1.0)));
}

fn half_block_product(half: HalfBlock, columns: HalfBlockColumns) -> f32 {
    let low = half.codes & vec2<u32>(0x0f0f0f0fu);
    let high = (half.codes >> vec2<u32>(4u)) & vec2<u32>(0x0f0f0f0fu);
    let codes = dot(bytes_of(low.x), columns.low[0]) + dot(bytes_of(low.y), columns.low[1]) +
                dot(bytes_of(high.x), columns.high[0]) + dot(bytes_of(high.y), columns.high[1]);
    return half.scale * codes + half.offset * columns.sum;
}

// An eighth of a block of Q4_K or Q5_K: two runs of 16 columns, of one group and of the next, in the same bytes.
struct TwoRuns {
    low: vec4<u32>, // codes, a byte each
    high: vec4<u32>,
    scales: vec4<f32>, // of the runs' codes, of the runs' sums
}

struct TwoRunsColumns {
    low: mat4x4<f32>,
    high: mat4x4<f32>,
    sums: vec2<f32>,
}

fn two_runs_columns(t: u32, c: u32) -> TwoRunsColumns {
    let i = c / 2u * 16u + c % 2u * 4u;
    let low = mat4x4<f32>(input4(t, i), input4(t, i + 1u), input4(t, i + 2u), input4(t, i + 3u));
    let high = mat4x4<f32>(input4(t, i + 8u), input4(t, i + 9u), input4(t, i + 10u), input4(t, i + 11u));
    let sums = vec2<f32>(dot(low[0] + low[1] + low[2] + low[3], vec4<f32>(1.0)),
                         dot(high[0] + high[1] + high[2] + high[3], vec4<f32>(1.0)));
    return TwoRunsColumns(low, high, sums);
}

fn run_product(codes: vec4<u32>, columns: mat4x4<f32>) -> f32 {
    return dot(bytes_of(codes.x), columns[0]) + dot(bytes_of(codes.y), columns[1]) +
           dot(bytes_of(codes.z), columns[2]) + dot(bytes_of(codes.w), columns[3]);
}

fn two_runs_product(runs: TwoRuns, columns: TwoRunsColumns) -> f32 {
    let products = vec2<f32>(run_product(runs.low, columns.low), run_product(runs.high, columns.high));
    return dot(runs.scales, vec4<f32>(products, columns.sums));
}
