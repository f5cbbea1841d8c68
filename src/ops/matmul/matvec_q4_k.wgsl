// SPDX-License-Identifier: MIT
// matvec_q4_k.wgsl - chunks of 32 columns of Q4_K; the block, 9 times 16 bytes: q4_k.c.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> TwoRuns {
    let block = row + c / 8u * 9u;
    let codes = w[block + 1u + c % 8u];
    let scales = two_runs_scales(w[block], c % 8u / 2u);
    return TwoRuns(codes & vec4<u32>(0x0f0f0f0fu), (codes >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu), scales);
}

fn inputs_at(t: u32, c: u32) -> TwoRunsColumns { return two_runs_columns(t, c); }

fn product(weights: TwoRuns, inputs: TwoRunsColumns) -> f32 { return two_runs_product(weights, inputs); }
