// SPDX-License-Identifier: MIT
// matvec.wgsl - y[t, n] = sum over k of x[t, k] w[n, k] for up to TOKENS tokens: the weight is read once for all of them. Where
// there are more, group.z says which TOKENS of them.
//
// n_lanes invocations share four rows of w and go through them a chunk at a time, side by side; what a chunk is, and its
// product with the same columns of x, is its type's (matvec_<type>.wgsl). Four rows, so that x is read once for them and
// four loads are under way. The lanes' sums are added in workgroup memory, in one order. What x and y are besides, a norm,
// a bias, a residual connection, a gated unit, the parts of the module around this one say (matvec_webgpu.c).
// include matvec_params

const GROUP: u32 = 256u;

var<workgroup> partial: array<vec4<f32>, GROUP>;
var<workgroup> partial_squares: array<f32, GROUP>;

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
    prepare(first_token, n_tokens, lane);
    var sums: array<vec4<f32>, TOKENS>;
    if (own == 0u) { // one lane begins with what is added: its loads are under way with the others
        for (var t = 0u; t < TOKENS; t += 1u) {
            if (TOKENS == 1u || t < n_tokens) { sums[t] = begin(first_token + t, four); }
        }
    }
    for (var c = own; c < p.n_chunks; c += p.n_lanes) {
        let a = weights_at(rows.x, c);
        let b = weights_at(rows.y, c);
        let d = weights_at(rows.z, c);
        let e = weights_at(rows.w, c);
        for (var t = 0u; t < TOKENS; t += 1u) {
            if (TOKENS == 1u || t < n_tokens) {
                let inputs = inputs_at(first_token + t, c);
                sums[t] += vec4<f32>(product(a, inputs), product(b, inputs), product(d, inputs), product(e, inputs));
            }
        }
    }
    for (var t = 0u; t < TOKENS; t += 1u) {
        if (TOKENS > 1u && t >= n_tokens) { return; }
        partial[lane] = sums[t];
        if (NORM) { partial_squares[lane] = squares_of(t); }
        workgroupBarrier();
        let n = p.n_lanes / 8u;
        if (own < n) { // one of n sums eight
            var sum = partial[lane];
            for (var i = 1u; i < 8u; i += 1u) { sum += partial[lane + i * n]; }
            partial[lane] = sum;
            if (NORM) {
                var square = partial_squares[lane];
                for (var i = 1u; i < 8u; i += 1u) { square += partial_squares[lane + i * n]; }
                partial_squares[lane] = square;
            }
        }
        workgroupBarrier();
        if (own == 0u) {
            var sum = partial[lane];
            var square = 0.0;
            for (var i = 1u; i < n; i += 1u) { sum += partial[lane + i]; }
            if (NORM) { for (var i = 0u; i < n; i += 1u) { square += partial_squares[lane + i]; } }
            finish(first_token + t, four, sum * scale_of(square));
        }
        if (TOKENS > 1u) { workgroupBarrier(); }
    }
}
