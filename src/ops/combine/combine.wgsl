// SPDX-License-Identifier: MIT
// combine.wgsl - out[t, n] = sum over j of weights[t, j] y[t, j, n]; the frame: elements.wgsl. combine_weights.wgsl or
// combine_sum.wgsl says what the weights are.
struct Params {
    y: Rows,
    out: Rows,
    n_columns: u32,
    n: u32,
    top_k: u32,
    weights_offset: u32,
    weights_stride: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;

fn element(row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var j = 0u; j < p.top_k; j += 1u) {
        sum += weight_of(row, j) * y[row_start(p.y, row * p.top_k + j) + column];
    }
    return sum;
}
