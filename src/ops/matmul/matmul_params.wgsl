// SPDX-License-Identifier: MIT
// matmul_params.wgsl - the uniforms of the matmul kernels, and how they read x and w; the decoder of w's type defines weight4.
struct Params {
    x_offset: u32,
    x_stride: u32,
    w_offset: u32,
    bias_offset: u32,
    y_offset: u32,
    y_stride: u32,
    n_tokens: u32,
    n_columns: u32, // K
    n_outputs: u32, // N
    n_tiles: u32, // of the outputs, where the kernel makes tiles
}

fn weight_word(i: u32) -> u32 { return w[p.w_offset + i]; }

// Zero where column k + 0 to k + 3 is beyond the row.
fn within_row(k: u32, values: vec4<f32>) -> vec4<f32> {
    return select(values, vec4<f32>(0.0), vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(p.n_columns));
}

fn x4(first: u32) -> vec4<f32> { return vec4<f32>(x[first], x[first + 1u], x[first + 2u], x[first + 3u]); }
