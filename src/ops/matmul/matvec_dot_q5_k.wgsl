// matvec_dot_q5_k.wgsl - chunks of 64 columns of Q5_K, two groups that lie in the same bytes; the block, 11 times 16 bytes: q5_k.c.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

struct Weights {
    groups: TwoGroups,
    fifth: array<vec4<u32>, 2>, // of the first group in bit 0 of each byte, of the second in bit 1
}

fn weights_at(row: u32, c: u32) -> Weights {
    let block = row + c / 4u * 11u;
    let j = c % 4u;
    let at = block + 3u + j * 2u;
    let groups = TwoGroups(array<vec4<u32>, 2>(w[at], w[at + 1u]), two_groups_scales(w[block], j));
    return Weights(groups, array<vec4<u32>, 2>(w[block + 1u] >> vec4<u32>(2u * j), w[block + 2u] >> vec4<u32>(2u * j)));
}

fn inputs_at(t: u32, c: u32) -> TwoGroupsColumns { return two_groups_columns(t, c); }

fn low_codes(codes: vec4<u32>, fifth: vec4<u32>) -> vec4<u32> {
    return (codes & LOW_HALVES) | ((fifth & vec4<u32>(0x01010101u)) << vec4<u32>(4u));
}

fn high_codes(codes: vec4<u32>, fifth: vec4<u32>) -> vec4<u32> {
    return ((codes >> vec4<u32>(4u)) & LOW_HALVES) | ((fifth & vec4<u32>(0x02020202u)) << vec4<u32>(3u));
}

fn product(weights: Weights, inputs: TwoGroupsColumns) -> f32 {
    let first = weights.groups.codes[0];
    let second = weights.groups.codes[1];
    let low = dot16(low_codes(first, weights.fifth[0]), inputs.low.codes[0]) +
              dot16(low_codes(second, weights.fifth[1]), inputs.low.codes[1]);
    let high = dot16(high_codes(first, weights.fifth[0]), inputs.high.codes[0]) +
               dot16(high_codes(second, weights.fifth[1]), inputs.high.codes[1]);
    return dot(weights.groups.scales,
               vec4<f32>(f32(low) * inputs.low.scale, f32(high) * inputs.high.scale, inputs.sums));
}
