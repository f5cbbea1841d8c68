// SPDX-License-Identifier: MIT
// matvec_params.wgsl - the uniforms of matvec.wgsl and matvec_dot.wgsl.
struct Params {
    x_offset: u32, // of vectors of four
    x_stride: u32,
    w_offset: u32, // in the type's units
    row_units: u32,
    y_offset: u32,
    y_stride: u32,
    n_tokens: u32,
    n_columns: u32,
    n_outputs: u32,
    n_chunks: u32, // of a row
    n_lanes: u32, // 32 to 256, a power of two
    norm_offset: u32, // of vectors of four
    shift_offset: u32, // likewise
    bias_offset: u32,
    residual_offset: u32,
    residual_stride: u32,
    act: u32,
    eps: f32,
}
