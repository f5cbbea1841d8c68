// SPDX-License-Identifier: MIT
// clip.wgsl - stats = (norm, factor, 1, 0), norm = sqrt(sum parts) hyper[1]; all zero where the sum is no finite number.
// One workgroup. WGSL need not know infinities: what is not finite is seen by its bits.
struct Params {
    parts_offset: u32,
    hyper_offset: u32,
    stats_offset: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<u32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;

fn is_finite(bits: u32) -> bool { return (bits & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    var n_bad = 0.0;
    for (var i = lane; i < p.n; i += 256u) {
        let bits = parts[p.parts_offset + i];
        if (is_finite(bits)) { sum += bitcast<f32>(bits); } else { n_bad += 1.0; }
    }
    let undo = hyper[p.hyper_offset + 1u];
    let norm_max = hyper[p.hyper_offset + 2u];
    let all = group_sum(lane, sum);
    let good = group_sum(lane, n_bad) == 0.0 && is_finite(bitcast<u32>(all));
    let norm = sqrt(all) * undo;
    if (lane != 0u) { return; }
    var factor = undo;
    if (norm_max > 0.0 && norm > norm_max) { factor = undo * norm_max / norm; }
    stats[p.stats_offset] = select(0.0, norm, good);
    stats[p.stats_offset + 1u] = select(0.0, factor, good);
    stats[p.stats_offset + 2u] = select(0.0, 1.0, good);
    stats[p.stats_offset + 3u] = 0.0;
}
