// SPDX-License-Identifier: MIT
// matvec_q5_k.wgsl - chunks of 32 columns of Q5_K; the block, 11 times 16 bytes: q5_k.c.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> TwoRuns {
    let block = row + c / 8u * 11u;
    let j = c % 8u / 2u;
    let codes = w[block + 3u + c % 8u];
    let fifth = w[block + 1u + c % 2u] >> vec4<u32>(2u * j); // of the first run in bit 0 of each byte, of the second in bit 1
    return TwoRuns((codes & vec4<u32>(0x0f0f0f0fu)) | ((fifth & vec4<u32>(0x01010101u)) << vec4<u32>(4u)),
                   ((codes >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)) |
                   ((fifth & vec4<u32>(0x02020202u)) << vec4<u32>(3u)),
                   two_runs_scales(w[block], j));
}

fn inputs_at(t: u32, c: u32) -> TwoRunsColumns { return two_runs_columns(t, c); }

fn product(weights: TwoRuns, inputs: TwoRunsColumns) -> f32 { return two_runs_product(weights, inputs); }
