// SPDX-License-Identifier: MIT
// embed_ids.wgsl - of embed.wgsl: ids are tokens.
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn token_of(id: u32) -> u32 { return id; }
