// SPDX-License-Identifier: MIT
// matvec_x_layer_norm.wgsl - for matvec.wgsl: x normalized by its mean and variance, times the norm's weight, plus its shift.
// Taken on the way the mean would have to be subtracted from long sums that it may outweigh: so each workgroup goes over x
// twice first, the invocations divided among the tokens.
const NORM: bool = false; // nothing is left for the end
const SHARE: u32 = GROUP / TOKENS; // invocations of a token
const RUN: u32 = 16u; // of them one adds up, so that another 16 or 2 sums are left

var<workgroup> moments: array<vec2<f32>, TOKENS>; // the mean, 1 / the root

// Of a value of each of a token's invocations. What one call writes the one before has read two barriers ago.
fn share_sum(lane: u32, value: f32) -> f32 {
    let first = lane / SHARE * SHARE;
    let n = SHARE / RUN;
    partial_squares[lane] = value;
    workgroupBarrier();
    if (lane - first < n) {
        var run = 0.0;
        for (var i = 0u; i < RUN; i += 1u) { run += partial_squares[lane + i * n]; }
        partial[lane] = vec4<f32>(run, 0.0, 0.0, 0.0);
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < n; i += 1u) { sum += partial[first + i].x; }
    return sum;
}

fn prepare(first_token: u32, n_tokens: u32, lane: u32) {
    let t = lane / SHARE;
    let row = p.x_offset + (first_token + min(t, n_tokens - 1u)) * p.x_stride;
    let n = p.n_columns / 4u;
    var sum = 0.0;
    for (var i = lane % SHARE; i < n; i += SHARE) { sum += dot(x[row + i], vec4<f32>(1.0)); }
    let mean = share_sum(lane, sum) / f32(p.n_columns);
    var squares = 0.0;
    for (var i = lane % SHARE; i < n; i += SHARE) {
        let d = x[row + i] - mean;
        squares += dot(d, d);
    }
    let scale = 1.0 / sqrt(share_sum(lane, squares) / f32(p.n_columns) + p.eps);
    if (lane % SHARE == 0u) { moments[t] = vec2<f32>(mean, scale); }
    workgroupBarrier();
}

fn input4(t: u32, i: u32) -> vec4<f32> {
    let m = moments[t % TOKENS];
    return (x[p.x_offset + t * p.x_stride + i] - m.x) * m.y * norm[p.norm_offset + i] + shift[p.shift_offset + i];
}

fn squares_of(t: u32) -> f32 { return 0.0; }

fn scale_of(squares: f32) -> f32 { return 1.0; }
