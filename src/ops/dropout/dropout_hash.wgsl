// SPDX-License-Identifier: MIT
// dropout_hash.wgsl - which elements dropout keeps, four at a time. See dropout.h.
fn pcg_hash(v: vec4<u32>) -> vec4<u32> {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> vec4<u32>(28u)) + 4u)) ^ state) * 277803737u;
    return (word >> vec4<u32>(22u)) ^ word;
}

// `first` of the call's key, the same four times; `second` of a key is the hash of its first.
fn dropout_key(seed0: u32, seed1: u32, stream: u32) -> vec4<u32> {
    return pcg_hash(stream + pcg_hash(seed1 + pcg_hash(vec4<u32>(seed0))));
}

fn dropout_hash(i: vec4<u32>, first: vec4<u32>, second: vec4<u32>) -> vec4<u32> {
    return pcg_hash(pcg_hash(i ^ first) + second);
}
