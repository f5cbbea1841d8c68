// SPDX-License-Identifier: MIT
// attention_dropout.wgsl - which weights dropout keeps (self_attention.h), where DROPS, a constant that the host puts before
// this text, is true. The seed lies beside the positions.
//
// The kernel's `p` has seed_offset, stream, threshold and kept_scale.
struct RowKeys {
    first: vec4<u32>, // of four rows of weights
    second: vec4<u32>,
}

fn row_keys(queries: vec4<u32>, head: u32) -> RowKeys {
    if (!DROPS) { return RowKeys(); }
    let seed0 = bitcast<u32>(positions[p.seed_offset]);
    let seed1 = bitcast<u32>(positions[p.seed_offset + 1u]);
    let key = dropout_key(seed0, seed1, p.stream);
    let first = dropout_hash(queries * p.n_heads + head, key, pcg_hash(key));
    return RowKeys(first, pcg_hash(first));
}

// What four weights are multiplied by.
fn kept_factors(keys: vec4<u32>, first: vec4<u32>, second: vec4<u32>) -> vec4<f32> {
    let kept = dropout_hash(keys, first, second) >= vec4<u32>(p.threshold);
    return select(vec4<f32>(0.0), vec4<f32>(p.kept_scale), kept);
}

// Of four queries, a row each, with the same four keys: through dropout.
fn dropped_rows(weights: Quads, rows: RowKeys, keys: vec4<u32>) -> Quads {
    if (!DROPS) { return weights; }
    return multiplied(weights, Quads(kept_factors(keys, vec4<u32>(rows.first.x), vec4<u32>(rows.second.x)),
                                     kept_factors(keys, vec4<u32>(rows.first.y), vec4<u32>(rows.second.y)),
                                     kept_factors(keys, vec4<u32>(rows.first.z), vec4<u32>(rows.second.z)),
                                     kept_factors(keys, vec4<u32>(rows.first.w), vec4<u32>(rows.second.w))));
}

// The other way round: of keys `key` + 16 i, a row each, with four queries, what they are multiplied by.
fn kept_columns(rows: RowKeys, key: u32) -> Quads {
    return Quads(kept_factors(vec4<u32>(key), rows.first, rows.second),
                 kept_factors(vec4<u32>(key + 16u), rows.first, rows.second),
                 kept_factors(vec4<u32>(key + 32u), rows.first, rows.second),
                 kept_factors(vec4<u32>(key + 48u), rows.first, rows.second));
}

fn multiplied(a: Quads, b: Quads) -> Quads { return Quads(a.r0 * b.r0, a.r1 * b.r1, a.r2 * b.r2, a.r3 * b.r3); }
