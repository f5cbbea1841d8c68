// SPDX-License-Identifier: MIT
// matvec_dot.wgsl - matvec.wgsl's sums for block formats, in whole numbers: x is rounded to 8 bits, so that four products and their
// sum are one instruction, dot4I8Packed.
//
// A workgroup rounds x once, into workgroup memory, a segment of the columns at a time; a run of 16 columns has one scale, its
// largest over 127. n_lanes invocations share four rows of w and go through them by chunks of 64 columns: four runs, APART runs
// from each other (matvec_dot_<type>.wgsl). Read from memory as they are needed, the columns of x would take longer
// than the weights: side by side, invocations are 256 bytes apart in it. Weights asked for ahead took registers, and the time that
// more workgroups at once would have saved.
// include matvec_params

const GROUP: u32 = 256u;
const SHARE: u32 = GROUP / TOKENS; // invocations that round a token's x
const CHUNKS: u32 = 128u / TOKENS; // of a segment
const RUNS: u32 = CHUNKS * 4u; // likewise, of each token
const SQUARES: u32 = 16u; // that one invocation adds up

struct Weights { // a chunk of a row: scale * code + offset
    codes: array<vec4<u32>, 4>, // of each run, four a word
    scales: vec4<f32>,
    offsets: vec4<f32>,
}

struct Inputs {
    codes: array<vec4<u32>, 4>,
    scales: vec4<f32>,
    sums: vec4<f32>, // of the columns of each run
}

var<workgroup> codes: array<vec4<u32>, 640>; // [TOKENS, RUNS], one left out after four: lanes side by side use different banks
var<workgroup> scales: array<vec2<f32>, 512>; // [TOKENS, RUNS] of a scale and a sum
var<workgroup> squares: array<f32, GROUP>;

// Four whole numbers of 8 bits from values that lie within them: beside 1.5 * 2^23 an F32 has steps of 1.
fn packed(values: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(values + vec4<f32>(12582912.0));
    return (bits.x & 255u) | ((bits.y & 255u) << 8u) | ((bits.z & 255u) << 16u) | (bits.w << 24u);
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return (dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y)) + (dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w));
}

// Rounds this invocation's share of a segment, from run `first` of a row on. The sum of the squares of what it saw.
fn round_x(first_token: u32, n_tokens: u32, first: u32, lane: u32) -> f32 {
    let t = lane / SHARE;
    let row = p.x_offset + (first_token + min(t, n_tokens - 1u)) * p.x_stride;
    let end = min(RUNS, p.n_chunks * 4u - first);
    var square = 0.0;
    for (var r = lane % SHARE; r < end; r += SHARE) {
        let i = (first + r) * 4u;
        var columns = mat4x4<f32>(x[row + i], x[row + i + 1u], x[row + i + 2u], x[row + i + 3u]);
        if (NORM) {
            square += dot(columns[0], columns[0]) + dot(columns[1], columns[1]) + dot(columns[2], columns[2]) +
                      dot(columns[3], columns[3]);
            columns = mat4x4<f32>(columns[0] * norm_at(i), columns[1] * norm_at(i + 1u), columns[2] * norm_at(i + 2u),
                                  columns[3] * norm_at(i + 3u));
        }
        let four = max(max(abs(columns[0]), abs(columns[1])), max(abs(columns[2]), abs(columns[3])));
        let size = max(max(four.x, four.y), max(four.z, four.w));
        let factor = select(0.0, 127.0 / size, size > 0.0);
        let run = vec4<u32>(packed(columns[0] * factor), packed(columns[1] * factor), packed(columns[2] * factor),
                            packed(columns[3] * factor));
        let at = t * RUNS + r;
        codes[at + at / 4u] = run;
        scales[at] = vec2<f32>(size / 127.0) * vec2<f32>(1.0, f32(dot16(run, vec4<u32>(0x01010101u))));
    }
    return square;
}

// The numbers of a chunk's.
fn runs_of(c: u32) -> vec4<u32> {
    return vec4<u32>(c / APART * 4u * APART + c % APART) + vec4<u32>(0u, 1u, 2u, 3u) * APART;
}

fn inputs_of(t: u32, runs: vec4<u32>) -> Inputs {
    let at = vec4<u32>(t * RUNS) + runs;
    let a = scales[at.x];
    let b = scales[at.y];
    let c = scales[at.z];
    let d = scales[at.w];
    let all = array<vec4<u32>, 4>(codes[at.x + at.x / 4u], codes[at.y + at.y / 4u], codes[at.z + at.z / 4u],
                                  codes[at.w + at.w / 4u]);
    return Inputs(all, vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(a.y, b.y, c.y, d.y));
}

fn product(weights: Weights, inputs: Inputs) -> f32 {
    let dots = vec4<i32>(dot16(weights.codes[0], inputs.codes[0]), dot16(weights.codes[1], inputs.codes[1]),
                         dot16(weights.codes[2], inputs.codes[2]), dot16(weights.codes[3], inputs.codes[3]));
    return dot(weights.scales * inputs.scales, vec4<f32>(dots)) + dot(weights.offsets, inputs.sums);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let first_token = select(group.z * TOKENS, 0u, TOKENS == 1u);
    let n_tokens = min(TOKENS, p.n_tokens - first_token);
    let first_four = (group.y * n_groups.x + group.x) * (GROUP / p.n_lanes);
    if (first_four * OUTPUTS >= p.n_outputs) { return; } // the dispatch is folded into two dimensions
    let four = first_four + lane / p.n_lanes;
    let own = lane % p.n_lanes;
    let rows = vec4<u32>(p.w_offset) + rows_of(four) * vec4<u32>(p.row_units);
    var sums: array<vec4<f32>, TOKENS>;
    if (own == 0u) { // one lane begins with what is added: its loads are under way with the others
        for (var t = 0u; t < TOKENS; t += 1u) {
            if (TOKENS == 1u || t < n_tokens) { sums[t] = begin(first_token + t, four); }
        }
    }
    var square = 0.0;
    for (var segment = 0u; segment < p.n_chunks; segment += CHUNKS) {
        if (segment > 0u) { workgroupBarrier(); } // the one before is used
        square += round_x(first_token, n_tokens, segment * 4u, lane);
        workgroupBarrier();
        let end = min(CHUNKS, p.n_chunks - segment);
        for (var c = own; c < end; c += p.n_lanes) {
            let at = segment + c;
            let a = weights_at(rows.x, at);
            let b = weights_at(rows.y, at);
            let d = weights_at(rows.z, at);
            let e = weights_at(rows.w, at);
            for (var t = 0u; t < TOKENS; t += 1u) {
                if (TOKENS == 1u || t < n_tokens) {
                    let inputs = inputs_of(t, runs_of(c));
                    sums[t] += vec4<f32>(product(a, inputs), product(b, inputs), product(d, inputs), product(e, inputs));
                }
            }
        }
    }
    squares[lane] = square;
    for (var t = 0u; t < TOKENS; t += 1u) {
        if (TOKENS > 1u && t >= n_tokens) { return; }
        workgroupBarrier();
        codes[lane] = bitcast<vec4<u32>>(sums[t]);
        workgroupBarrier();
        let n = p.n_lanes / 8u;
        if (own < n) { // one of n sums eight
            var sum = bitcast<vec4<f32>>(codes[lane]);
            for (var i = 1u; i < 8u; i += 1u) { sum += bitcast<vec4<f32>>(codes[lane + i * n]); }
            codes[lane] = bitcast<vec4<u32>>(sum);
        }
        if (NORM && t == 0u && lane % SQUARES == 0u) {
            var some = squares[lane];
            for (var i = 1u; i < SQUARES; i += 1u) { some += squares[lane + i]; }
            squares[lane] = some;
        }
        workgroupBarrier();
        if (own == 0u) {
            var sum = bitcast<vec4<f32>>(codes[lane]);
            for (var i = 1u; i < n; i += 1u) { sum += bitcast<vec4<f32>>(codes[lane + i]); }
            var all = 0.0;
            if (NORM) { for (var i = 0u; i < SHARE; i += SQUARES) { all += squares[t * SHARE + i]; } }
            finish(first_token + t, four, sum * scale_of(all));
        }
    }
}
