// matvec_dot_q4_k.wgsl - chunks of 64 columns of Q4_K, two groups that lie in the same bytes; the block, 9 times 16 bytes: q4_k.c.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

fn weights_at(row: u32, c: u32) -> TwoGroups {
    let block = row + c / 4u * 9u;
    let at = block + 1u + c % 4u * 2u;
    return TwoGroups(array<vec4<u32>, 2>(w[at], w[at + 1u]), two_groups_scales(w[block], c % 4u));
}

fn inputs_at(t: u32, c: u32) -> TwoGroupsColumns { return two_groups_columns(t, c); }

fn product(weights: TwoGroups, inputs: TwoGroupsColumns) -> f32 {
    let first = weights.codes[0];
    let second = weights.codes[1];
    let low = dot16(first & LOW_HALVES, inputs.low.codes[0]) + dot16(second & LOW_HALVES, inputs.low.codes[1]);
    let high = dot16((first >> vec4<u32>(4u)) & LOW_HALVES, inputs.high.codes[0]) +
               dot16((second >> vec4<u32>(4u)) & LOW_HALVES, inputs.high.codes[1]);
    return dot(weights.scales, vec4<f32>(f32(low) * inputs.low.scale, f32(high) * inputs.high.scale, inputs.sums));
}
