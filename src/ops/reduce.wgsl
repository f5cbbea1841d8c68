// SPDX-License-Identifier: MIT
// reduce.wgsl - the sum, or the largest, of one number of each of 256 invocations: a tree, the same at every run. All
// invocations of the workgroup call it, and all get the result.
var<workgroup> partial_sums: array<f32, 256>;

fn group_sum(lane: u32, value: f32) -> f32 {
    partial_sums[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) { partial_sums[lane] += partial_sums[lane + half]; }
        workgroupBarrier();
    }
    let sum = partial_sums[0];
    workgroupBarrier(); // the next sum overwrites it
    return sum;
}

fn group_max(lane: u32, value: f32) -> f32 {
    partial_sums[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) { partial_sums[lane] = max(partial_sums[lane], partial_sums[lane + half]); }
        workgroupBarrier();
    }
    let largest = partial_sums[0];
    workgroupBarrier();
    return largest;
}
