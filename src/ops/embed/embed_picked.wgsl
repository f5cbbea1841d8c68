// SPDX-License-Identifier: MIT
// embed_picked.wgsl - of embed.wgsl: an id of -1 - s is the token in slot s of what was picked before.
@group(0) @binding(3) var<storage, read> picked: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn token_of(id: u32) -> u32 {
    if (id >> 31u == 0u) { return id; }
    return picked[p.picked_offset + ~id];
}
